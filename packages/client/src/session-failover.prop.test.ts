import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BankClient } from "./bank-client.ts";
import { BankError } from "./bank-error.ts";
import { clientOfAll, usd } from "./clients.test-util.ts";
import type { Fault } from "./faulty-connection.test-util.ts";
import { type Chance, LaggingBank, type SeenState } from "./lagging-bank.test-util.ts";
import type { Consistency } from "./types/index.ts";

/** `BANK_TEST_SEED` where it is set, so that a failure can be repeated, else a new one. */
const SEED = Number(process.env["BANK_TEST_SEED"] ?? 1 + Math.floor(Math.random() * 0x7fff_fffe));
const REPEAT = `[seed ${SEED}; repeat: BANK_TEST_SEED=${SEED} npx vitest run packages/client/src/session-failover.prop.test.ts]`;

const RUNS = Number(process.env["BANK_TEST_RUNS"] ?? 60);

const SERVERS = ["one", "two", "three"] as const;

type Step =
  | { readonly kind: "read"; readonly consistency: "linearizable" | "session" | "bounded" | "local" }
  | { readonly kind: "write" }
  /** Reads at all servers in the same moment. */
  | { readonly kind: "together" }
  | { readonly kind: "fault"; readonly server: number; readonly fault: Fault }
  | { readonly kind: "elsewhere" }
  | { readonly kind: "epoch" }
  | { readonly kind: "loss"; readonly records: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      consistency: fc.constantFrom("linearizable", "session", "session", "bounded", "local"),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: "write" } as const) },
  { weight: 2, arbitrary: fc.constant({ kind: "together" } as const) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("fault" as const),
      server: fc.nat(SERVERS.length - 1),
      fault: fc.constantFrom<Fault>("refuse", "lose-request", "lose-reply"),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: "elsewhere" } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "epoch" } as const) },
);
const loss = fc.record({ kind: fc.constant("loss" as const), records: fc.integer({ min: 0, max: 4 }) });

/** One customer's dealings, who writes down what the answers show. */
class Customer {
  readonly bank: LaggingBank;
  client: BankClient;
  private readonly seen: SeenState[] = [];

  constructor(chance: Chance) {
    this.bank = new LaggingBank(SERVERS.length, chance);
    this.client = this.connect(undefined);
  }

  /** Goes on in another process, which prefers another server: only the token comes along. */
  moveOn(chance: Chance): void {
    this.client = this.connect(this.client.session, chance.below(SERVERS.length));
  }

  async read(mode: "linearizable" | "session" | "bounded" | "local"): Promise<void> {
    const before = [...this.seen];
    const consistency: Consistency = mode === "bounded" ? { mode, maxStalenessMs: 1_000 } : mode;
    const { position, epoch } = await this.client.balance("1", { consistency });
    if (mode !== "local") this.expectBehind(before, { position, epoch });
    this.seen.push({ position, epoch });
  }

  async write(): Promise<void> {
    const before = [...this.seen];
    const { position, epoch, replayed } = await this.client.deposit("1", usd(1n));
    // What is told again was done in the first try, which the same session had carried.
    if (!replayed) this.expectBehind(before, { position, epoch });
    else for (const state of before) expect(this.bank.isLost(state)).toBe(false);
    this.seen.push({ position, epoch });
  }

  /** Whether something that it was shown is gone. */
  hasLost(): boolean {
    return this.seen.some((state) => this.bank.isLost(state));
  }

  /** The answer holds everything that was seen before, and nothing of that was lost. */
  private expectBehind(before: readonly SeenState[], answer: SeenState): void {
    for (const state of before) {
      expect(this.bank.isLost(state), "an answer hides that what was seen before is gone").toBe(false);
      expect(answer.position, "an answer is older than one before").toBeGreaterThanOrEqual(state.position);
    }
  }

  private connect(session: string | undefined, preferred = 0): BankClient {
    const names = SERVERS.map((_, i) => SERVERS[(i + preferred) % SERVERS.length] as string);
    const servers = names.map((name) => [name, this.bank.servers[SERVERS.indexOf(name as "one")]] as const);
    return clientOfAll(Object.fromEntries(servers) as never, { session, retryDelayMs: 1, timeoutMs: 2_000 });
  }
}

/** Does the steps; ends with what the customer was told when it could not go on. */
async function run(steps: readonly Step[], chance: Chance): Promise<string | undefined> {
  const customer = new Customer(chance);
  try {
    for (const each of steps) await take(each, customer, chance);
  } catch (error) {
    if (!(error instanceof BankError)) throw error;
    // Only a loss is a reason to tell a customer that there was one.
    expect([error.reason, customer.hasLost()]).toEqual(["SESSION_LOST", true]);
    const { session } = customer.client;
    await expect(customer.read("session")).rejects.toMatchObject({ reason: "SESSION_LOST" });
    expect(customer.client.session, "a lost session stays as it was").toBe(session);
    return error.reason;
  } finally {
    customer.client.close();
  }
  return undefined;
}

async function take(each: Step, customer: Customer, chance: Chance): Promise<void> {
  const { bank } = customer;
  switch (each.kind) {
    case "read":
      return customer.read(each.consistency);
    case "write":
      return customer.write();
    case "together":
      await Promise.all([customer.read("session"), customer.read("local"), customer.write(), customer.read("session")]);
      return;
    case "fault":
      bank.servers[each.server]?.faults.push(each.fault);
      return;
    case "elsewhere":
      return customer.moveOn(chance);
    case "epoch":
      return bank.beginEpoch();
    case "loss":
      return bank.loseBehind(bank.committed - each.records);
  }
}

/** Chance that follows from a seed: the counter and finisher of splitmix32. */
function chanceOf(seed: number): Chance {
  let state = seed;
  const below = (bound: number) => {
    state = (state + 0x9e37_79b9) | 0;
    let word = state ^ (state >>> 16);
    word = Math.imul(word, 0x21f0_aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a_2d97);
    return ((word ^ (word >>> 15)) >>> 0) % bound;
  };
  return { below, chance: (percent) => below(100) < percent };
}

describe(`a session over failing servers ${REPEAT}`, () => {
  it("never shows less than was seen before, whichever server answers", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), fc.integer(), async (steps, seed) => {
        expect(await run(steps, chanceOf(seed))).toBeUndefined();
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  it("is told when what it saw was lost, and never goes on as if it had not", async () => {
    let lost = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 12, arbitrary: step }, { weight: 1, arbitrary: loss }), {
          minLength: 10,
          maxLength: 30,
        }),
        fc.integer(),
        async (steps, seed) => {
          if ((await run(steps, chanceOf(seed))) !== undefined) lost++;
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
    expect(lost).toBeGreaterThan(0);
  });
});
