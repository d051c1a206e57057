import type { Command, Ledger, Request } from "@bank/core";
import {
  deposit,
  numberedId,
  openAccount,
  type Random,
  request,
  seeds,
  transfer,
  until,
  watch,
  withdraw,
  withSeed,
} from "@bank/testkit";
import { afterAll, expect, it } from "vitest";
import { cancelRequest, freeze, group, placeHold, reverse } from "./commands.test-util.ts";
import { ordersOf, outcomesOf } from "./orders.test-util.ts";
import type { Outcome } from "./outcome.ts";
import { PlainRequests } from "./plain-requests.ts";
import { digestOf, type Fixture, reopened, short, startWithAccounts, submitOne } from "./sequencer.test-util.ts";

const FILE = "packages/replica/src/sequencer-orders.prop.test.ts";
const ACCOUNTS = 4;
const ROUNDS = 8;
const FAULTS = ["refused", "unknown-lost", "unknown-stored", "unknown-surfacing"] as const;
/** Each of these must have come of entries in columns. */
const TOLD = [
  "done",
  "done, replayed",
  "INSUFFICIENT_FUNDS",
  "INSUFFICIENT_FUNDS, replayed",
  "ACCOUNT_NOT_FOUND",
  "ACCOUNT_FROZEN",
  "SAME_ACCOUNT",
  "CURRENCY_MISMATCH",
  "BRANCH_NOT_FOUND",
  "REQUEST_ID_REUSED NOT_APPLIED",
  "STORE_REFUSED NOT_APPLIED",
];
const tally = { rounds: 0, told: new Map<string, number>() };

/** Movements of one caller that come in columns, or requests of any kind. */
interface Call {
  readonly isOrders: boolean;
  readonly requests: readonly Request[];
}

/** The banks that decide every request by itself. */
const slow = new WeakSet<Ledger>();
const execute = PlainRequests.prototype.execute;
PlainRequests.prototype.execute = function (this: PlainRequests, ...rest) {
  return !slow.has(this["ledger"]) && execute.apply(this, rest);
};

async function startSlow(): Promise<Fixture> {
  const fixture = await startWithAccounts(ACCOUNTS);
  slow.add(fixture.ledger);
  return fixture;
}

it.each(seeds(8))("movements in columns are what their requests are, in every batch (seed %d)", async (seed) => {
  await withSeed(seed, FILE, async (random) => {
    const calls = new RandomCalls(random);
    const columns = await startWithAccounts(ACCOUNTS);
    const twins = [await startWithAccounts(ACCOUNTS), await startSlow()];
    const banks = [columns, ...twins];
    for (let round = 0; round < ROUNDS; round++) {
      const made = Array.from({ length: 1 + random.below(4) }, () => calls.next());
      const asRequests = made.map((call) => ({ ...call, isOrders: false }));
      const fault = random.chance(30) ? random.pick(FAULTS) : undefined;
      for (const { faulty } of banks) if (fault !== undefined) faulty.failNextAppend(fault);
      const told = await submitAll(columns, made);
      for (const twin of twins) {
        const expected = await submitAll(twin, asRequests);
        expect(told.map(plainly)).toEqual(expected.map(plainly));
        expect(digestOf(columns.ledger)).toBe(digestOf(twin.ledger));
        expect(columns.sequencer.committedPosition).toBe(twin.sequencer.committedPosition);
      }
      told.forEach((outcomes, i) => {
        if (made[i]!.isOrders) outcomes.forEach(count);
      });
      // What came in doubt took some to be settled.
      const endMs = Math.max(...banks.map(({ platform }) => platform.monotonicMs())) + random.below(50);
      for (const { platform } of banks) platform.advance(endMs - platform.monotonicMs());
    }
    for (const twin of twins) {
      expect(columns.committed.map(({ frame }) => frame)).toEqual(twin.committed.map(({ frame }) => frame));
      expect(columns.committed.at(-1)?.chainHash).toEqual(twin.committed.at(-1)?.chainHash);
    }
    expect(digestOf((await reopened(columns.disk)).replay.ledger)).toBe(digestOf(columns.ledger));
    expect(banks.flatMap(({ fatal }) => fatal)).toEqual([]);
  });
});

it.each(seeds(8))("requests of all kinds come out as if each was decided (seed %d)", async (seed) => {
  await withSeed(seed, FILE, async (random) => {
    const calls = new RandomCalls(random);
    const [quick, twin] = [await startWithAccounts(ACCOUNTS), await startSlow()];
    for (let round = 0; round < 4 * ROUNDS; round++) {
      const made = Array.from({ length: 1 + random.below(4) }, () => ({ ...calls.next(), isOrders: false }));
      const [told, expected] = [await submitAll(quick, made), await submitAll(twin, made)];
      // Here all of an outcome is told.
      expect(told).toEqual(expected);
      expect(digestOf(quick.ledger)).toBe(digestOf(twin.ledger));
    }
    expect(quick.committed.map(({ frame }) => frame)).toEqual(twin.committed.map(({ frame }) => frame));
  });
});

it.each(seeds(6))("movements in columns are what their requests are one by one (seed %d)", async (seed) => {
  await withSeed(seed, FILE, async (random) => {
    const calls = new RandomCalls(random);
    const columns = await startWithAccounts(ACCOUNTS);
    const twin = await startSlow();
    for (let round = 0; round < ROUNDS; round++) {
      const call = calls.next();
      const [told] = await submitAll(columns, [call]);
      const expected: Outcome[] = [];
      for (const one of call.requests) expected.push(await submitOne(twin.sequencer, one));
      expect(told!.map(plain)).toEqual(expected.map(plain));
      expect(digestOf(columns.ledger)).toBe(digestOf(twin.ledger));
    }
  });
});

afterAll(() => {
  // A single seed may be a quiet one.
  if (tally.rounds < 100) return;
  for (const said of TOLD) expect([...tally.told.keys()]).toContain(said);
  expect(tally.told.get("done")).toBeGreaterThan(200);
});

async function submitAll(fixture: Fixture, calls: readonly Call[]): Promise<(Outcome | Plain)[][]> {
  const { sequencer, platform } = fixture;
  tally.rounds++;
  const all = watch(
    Promise.all(
      calls.map(async ({ isOrders, requests }) =>
        isOrders ? outcomesOf(await sequencer.submitOrders(ordersOf(requests))) : sequencer.submit(requests),
      ),
    ),
  );
  await until(() => all.state !== "pending", { platform, what: "the outcomes" });
  if (all.value === undefined) throw all.reason;
  return all.value;
}

/** Position and journal time of a movement that was carried out now. */
type Plain = readonly [position: number, timeMs: number];

const plainly = (outcomes: readonly (Outcome | Plain)[]) => outcomes.map(plain);

/** All that columns tell of an outcome: of what was plainly done, no more than where and when. */
function plain(outcome: Outcome | Plain): unknown {
  if (!("kind" in outcome)) return outcome;
  if (outcome.kind === "answered" && !outcome.replayed && "debit" in outcome.record && outcome.record.kind <= 3)
    return [outcome.position, outcome.timeMs];
  if (outcome.kind === "answered") return outcome;
  return { refusal: outcome.error.refusal, message: outcome.error.message, position: outcome.position };
}

function count(outcome: Outcome | Plain): void {
  const said = "kind" in outcome ? short(outcome) : "done";
  tally.told.set(said, (tally.told.get(said) ?? 0) + 1);
}

/** Columns have no expected version; it is no part of what is asked. */
function unversioned(command: Command): Command {
  return "expectedVersion" in command ? { ...command, expectedVersion: undefined } : command;
}

/** Calls whose requests have few ids between them, so that many are retries, and some of another request. */
class RandomCalls {
  private readonly random: Random;
  private readonly asked: Request[] = [];
  /** Commands that columns can say. */
  private readonly columnar = new WeakSet<Command>();
  private ids = 0;

  constructor(random: Random) {
    this.random = random;
  }

  next(): Call {
    const { random } = this;
    const isOrders = random.chance(60);
    // Columns are of one caller at one branch, of which one is not registered.
    const actor = { principal: random.pick(["p", "q"]), branch: random.chance(8) ? 7 : 0 };
    const requests = Array.from({ length: 1 + random.below(isOrders ? 20 : 4) }, () => this.request(isOrders, actor));
    return { isOrders, requests };
  }

  private request(isMovement: boolean, actor: Pick<Request, "principal" | "branch">): Request {
    const { random } = this;
    const before = this.asked.length > 0 && random.chance(25) ? random.pick(this.asked) : undefined;
    const isSame = before !== undefined && random.chance(60) && (!isMovement || this.columnar.has(before.command));
    const command = isSame ? unversioned(before.command) : isMovement ? this.movement() : this.any();
    const made = { ...request(before?.id ?? numberedId(this.ids++), command), ...actor };
    this.asked.push(made);
    return made;
  }

  private any(): Command {
    const { random } = this;
    const account = 1 + random.below(ACCOUNTS);
    switch (random.below(10)) {
      case 0:
        return openAccount("Grace", random.pick(["USD", "JPY"]));
      case 1:
        return random.chance(40) ? freeze(account) : { kind: "unfreezeAccount", account: String(account) };
      case 2:
        return cancelRequest;
      case 3:
        return group(this.movement(), this.movement());
      case 4:
        return placeHold(account, 1 + random.below(20));
      case 5:
        return reverse(1 + random.below(40));
      case 6:
        return this.versioned();
      case 7:
      case 8:
        return this.odd(account);
      default:
        return this.movement();
    }
  }

  private versioned(): Command {
    const made = { ...this.movement(), expectedVersion: 1 + this.random.below(6) } as Command;
    this.columnar.add(made);
    return made;
  }

  /** Movements whose accounts or amounts are not just numbers of columns. */
  private odd(account: number): Command {
    const { random } = this;
    const odd = [`0${account}`, `${account} `, `+${account}`, `${account}.0`, `${account}e0`, "0", "", "\ud800"];
    const reference = random.pick([...odd, "cash/0/USD", "fees/0/USD", "900719925474099".repeat(2), `${2 ** 53}`]);
    return random.pick([
      deposit(reference, 1),
      withdraw(reference, 1),
      transfer(account, reference, 1),
      transfer(reference, account, 1),
      deposit(account, random.pick([0n, -1n, 2n ** 63n, 2n ** 64n + 1n, 1n - 2n ** 64n])),
      deposit(account, 1, "???"),
    ]);
  }

  private movement(): Command {
    const { random } = this;
    const account = 1 + random.below(ACCOUNTS + (random.chance(10) ? 3 : 0));
    const minor = 1 + random.below(100);
    const made = random.pick([
      deposit(account, minor, random.chance(5) ? "JPY" : "USD"),
      withdraw(account, minor),
      transfer(account, 1 + random.below(ACCOUNTS), minor),
      transfer(account, 1 + random.below(ACCOUNTS), minor),
    ]);
    this.columnar.add(made);
    return made;
  }
}
