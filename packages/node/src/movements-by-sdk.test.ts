import { randomUUID } from "node:crypto";
import { type BankClient, BankError, type Booked, connectBank } from "@bank/client";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { startFollowing, startTestBank } from "./servers.test-util.ts";

/** `BANK_TEST_SEED` where it is set, so that a failure can be repeated, else a new one. */
const SEED = Number(process.env["BANK_TEST_SEED"] ?? 1 + Math.floor(Math.random() * 0x7fff_fffe));
const REPEAT = `[seed ${SEED}; repeat: BANK_TEST_SEED=${SEED} npx vitest run packages/node/src/movements-by-sdk.test.ts]`;

function sdk(server: string): BankClient {
  const bank = connectBank({ server, timeoutMs: 30_000 });
  onTestFinished(() => bank.close());
  return bank;
}

interface Asked {
  readonly kind: "deposit" | "withdraw" | "transfer";
  readonly from: string;
  readonly to: string;
  readonly currency: string;
  readonly minor: bigint;
  readonly requestId: string;
}

/** Of five accounts the third is frozen and the fourth has a ceiling; nobody has the sixth. */
const ACCOUNTS = 5;
const account = fc.integer({ min: 1, max: ACCOUNTS + 1 }).map(String);

/** Mixed movements, of which some repeat an id with the same or another request. */
function planOf(count: number): Asked[] {
  const asked = fc.record({
    kind: fc.constantFrom("deposit" as const, "withdraw" as const, "transfer" as const),
    from: account,
    to: account,
    // In another currency than the accounts': it goes in a call of its own, and is rejected whatever was before.
    currency: fc.constantFrom("USD", "USD", "USD", "USD", "USD", "USD", "EUR"),
    minor: fc.bigInt(1n, 50n),
    repeats: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(count) }),
  });
  const [drawn = []] = fc.sample(fc.array(asked, { minLength: count, maxLength: count }), { seed: SEED, numRuns: 1 });
  const ids = drawn.map(() => randomUUID());
  return drawn.map(({ repeats, ...rest }, i) => {
    // Only of a row before, and in dollars: calls of two currencies are concurrent.
    const isRepeat =
      repeats !== undefined && repeats < i && rest.currency === "USD" && drawn[repeats]?.currency === "USD";
    return { ...rest, requestId: ids[isRepeat ? repeats : i] as string };
  });
}

function ask(bank: BankClient, { kind, from, to, currency, minor, requestId }: Asked): Promise<Booked> {
  const amount = { currency, minor };
  if (kind === "deposit") return bank.deposit(to, amount, { requestId });
  if (kind === "withdraw") return bank.withdraw(from, amount, { requestId });
  return bank.transfer(from, to, amount, { requestId });
}

/** What a caller sees, but for where in which journal, and when. */
async function seen(call: Promise<Booked>) {
  try {
    const { position, timeMs, session, stalenessMs, transaction, ...rest } = await call;
    const { position: at, timeMs: atMs, ...booked } = transaction;
    return { ...rest, booked, told: [typeof timeMs, typeof stalenessMs, typeof session], holds: position >= at };
  } catch (error) {
    if (!(error instanceof BankError)) throw error;
    const { code, reason, outcome, requestId, attempts, item, violations } = error;
    const { position, ...metadata } = error.metadata;
    const message = error.message.replace(/position [0-9]+/, "position …");
    return { code, reason, message, metadata, outcome, requestId, attempts, item, violations };
  }
}

async function prepared(bank: BankClient): Promise<BankClient> {
  for (let i = 1; i <= ACCOUNTS; i++) {
    const { account: opened } = await bank.openAccount(i === 4 ? { ceiling: 300n } : {});
    await bank.deposit(opened.number, { currency: "USD", minor: 200n });
  }
  await bank.freezeAccount("3");
  return bank;
}

it(`movements that hundreds of callers ask for at once end as one by one ${REPEAT}`, async () => {
  const [bank, twin] = await Promise.all([startTestBank({ store: "memory:" }), startTestBank({ store: "memory:" })]);
  const [many, one] = await Promise.all([prepared(sdk(bank.url)), prepared(sdk(twin.url))]);
  const plan = planOf(300);
  const together = await Promise.all(plan.map((each) => seen(ask(many, each))));
  // One by one, so that each is a call of its own; the bank itself decides several of them at a time.
  const alone = [];
  for (const each of plan) alone.push(await seen(ask(one, each)));
  expect(together).toEqual(alone);
  const balances = async (client: BankClient) =>
    Promise.all(Array.from({ length: ACCOUNTS }, async (_, i) => (await client.balance(String(i + 1))).posted));
  expect(await balances(many)).toEqual(await balances(one));
});

it("movements of many callers at a branch are seen there by whoever reads next, also many at once", async () => {
  const bank = await startTestBank({ store: "memory:" });
  const branch = await startFollowing(bank.url, [1]);
  const [atBank, atBranch] = [sdk(bank.url), sdk(branch.url)];
  await prepared(atBank);
  const before = (await atBranch.balance("1")).posted.minor;
  const done = await Promise.all(
    Array.from({ length: 200 }, () => atBranch.deposit("1", { currency: "USD", minor: 1n })),
  );
  expect(new Set(done.map(({ transaction }) => transaction.debitAccount))).toEqual(new Set(["cash/1/USD"]));
  const reads = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      atBranch.balance("1", { consistency: (["local", "session", "linearizable"] as const)[i % 3] }),
    ),
  );
  expect(new Set(reads.map(({ posted }) => posted.minor))).toEqual(new Set([before + 200n]));
  const found = await Promise.all(done.slice(0, 50).map(({ requestId }) => atBranch.outcome(requestId)));
  expect(found.map(({ state }) => state)).toEqual(found.map(() => "committed"));
});
