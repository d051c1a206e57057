import { describe, expect, it } from "vitest";
import { BranchState } from "../branch.ts";
import { checkCommand } from "../check-command.ts";
import type { Request } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { RefusalError } from "../reasons.ts";
import type { LedgerRecord } from "../record.ts";
import { RecordKind, SYSTEM_PRINCIPAL } from "../record.ts";
import { apply, beginBatch, unapply } from "./apply.ts";
import type { Mark } from "./apply-all.ts";
import { mark, rollback } from "./apply-all.ts";
import { compareEverything } from "./compare-banks.test-util.ts";
import { decide, dueHolds } from "./decide.ts";
import { epochBegun, stateRoot } from "./ledger.test-util.ts";
import { Ledger } from "./ledger.ts";
import { formatLevelRaised } from "./ledger-bank.test-util.ts";
import { NaiveBank } from "./naive-bank.test-util.ts";
import { checkSums, observe } from "./observe.test-util.ts";
import { BRANCHES, MORTAL_BRANCHES, NO_BRANCH } from "./random-branches.test-util.ts";
import { CURRENCIES, RandomRequests } from "./random-requests.test-util.ts";

const ROUNDS = 300;

interface Pending {
  readonly start: Mark;
  readonly twinStart: number;
  readonly records: readonly LedgerRecord[];
  readonly before: unknown;
}

/** A ledger that is given random requests, and the twin by which they are chosen. */
class Subject {
  readonly random: Random;
  readonly ledger: Ledger;
  readonly twin = new NaiveBank();
  onRecord: (() => void) | undefined;
  private readonly requests: RandomRequests;
  private readonly journal: LedgerRecord[] = [];

  constructor(seed: number, accountsMax: number) {
    this.random = new Random(seed);
    this.ledger = new Ledger({ hashSeed: this.random.word() });
    this.requests = new RandomRequests(this.random, this.twin.books, { accountsMax, currencies: CURRENCIES });
    this.own(formatLevelRaised(3));
  }

  passTime(timeMs: number): void {
    beginBatch(this.ledger, timeMs);
    for (let due = dueHolds(this.ledger); due !== undefined; due = dueHolds(this.ledger)) this.run(due);
    this.twin.passTime(timeMs);
  }

  /** One of the bank's own records. */
  own(record: LedgerRecord): void {
    this.run(record);
    this.twin.books.say("the bank's own record");
  }

  /** Carries out the next request, unless there is nothing to carry out. */
  next(): void {
    const { ledger } = this;
    const request = this.requests.next();
    if (checkCommand(request.command) !== undefined) return;
    if (ledger.findRequest(request.principal, request.id) !== -1) return;
    this.twin.submit(request);
    for (const record of this.decide(request)) this.run(record);
    if (ledger.position !== this.twin.books.position) throw new Error(`at ${ledger.position}, unlike the twin`);
  }

  since(position: number): readonly LedgerRecord[] {
    return this.journal.slice(position);
  }

  /** Forgets what was taken back from the ledger, and takes it back from the twin. */
  forget(twinStart: number): void {
    this.journal.length = this.ledger.position;
    this.twin.takeBack(twinStart);
  }

  private decide(request: Request): readonly LedgerRecord[] {
    try {
      return decide(this.ledger, request, hashCommand(request.command), (position) => this.journal[position - 1]);
    } catch (error) {
      if (error instanceof RefusalError) return [];
      throw error;
    }
  }

  private run(record: LedgerRecord): void {
    apply(this.ledger, record);
    this.journal.push(record);
    this.onRecord?.();
  }
}

describe("rollback", () => {
  it(`of random batches brings back everything that can be seen ${seeded("ledger/rollback.prop.test.ts")}`, () => {
    const subject = new Subject(SEED, 150);
    const { ledger, random, twin } = subject;
    const pending: Pending[] = [];

    const observed = () =>
      observe(ledger, {
        currencies: [...CURRENCIES, "CHF"],
        branches: [...BRANCHES, ...MORTAL_BRANCHES, NO_BRANCH],
        accountsUpTo: 160,
      });

    /** One of the bank's own records, now and then. */
    const ownRecord = (): LedgerRecord | undefined => {
      if (random.chance(3))
        return {
          ...epochBegun((ledger.currentEpoch()?.number ?? 0) + 1 + random.below(3), random.below(256)),
          ...(random.chance(50) ? { promotedFrom: random.requestId() } : {}),
        };
      if (random.chance(2))
        return { kind: RecordKind.TIME_TICKED, principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined };
      const newest = ledger.root?.position ?? 0;
      if (random.chance(3) && newest < ledger.position)
        return stateRoot(newest + 1 + random.below(ledger.position - newest), random.below(256));
      return undefined;
    };

    const executeBatch = () => {
      const start = mark(ledger);
      const twinStart = twin.mark();
      const before = observed();
      subject.passTime(ledger.timeMs + random.below(3000));
      for (let left = random.below(25); left > 0; left--) {
        subject.next();
        const own = ownRecord();
        if (own !== undefined) subject.own(own);
      }
      pending.push({ start, twinStart, records: subject.since(start.position), before });
    };

    for (let round = 0; round < ROUNDS; round++) {
      for (let batches = 1 + random.below(3); batches > 0; batches--) executeBatch();
      checkSums(ledger);
      // What was taken back shows nowhere in what came after it.
      compareEverything(ledger, twin.books);
      if (random.chance(40)) {
        // Refused: the oldest of some pending batches, and with it all that were executed on it, in one go or one by one.
        const from = random.below(pending.length);
        const gone = pending.splice(from);
        const oldest = gone[0] as Pending;
        if (random.chance(50))
          rollback(
            ledger,
            oldest.start,
            gone.flatMap(({ records }) => records),
          );
        else for (const { start, records } of gone.reverse()) rollback(ledger, start, records);
        subject.forget(oldest.twinStart);
        expect(observed()).toEqual(oldest.before);
        for (const { principal, request } of gone.flatMap(({ records }) => records))
          if (request !== undefined) expect(ledger.findRequest(principal, request.id)).toBe(-1);
        checkSums(ledger);
      }
      if (random.chance(30) && pending.length > 0) {
        // Committed: the oldest of them.
        const committed = pending.splice(0, 1 + random.below(pending.length));
        const last = committed.at(-1) as Pending;
        ledger.forgetUndo(last.start.position + last.records.length);
        checkSums(ledger);
      }
    }
    expect(ledger.position).toBeGreaterThan(ROUNDS);
    expect(ledger.epochs.length).toBeGreaterThan(3);
    expect(ledger.epochs.some(({ promotedFrom }) => promotedFrom !== undefined)).toBe(true);
    expect(ledger.durability.position).toBeGreaterThan(0);
    // Few are retired: with some seeds nobody is.
    expect([...ledger.branches.values()].some(({ state }) => state !== BranchState.ACTIVE)).toBe(true);
    expect(ledger.root).toBeDefined();
    expect(ledger.holds.count).toBeGreaterThan(ROUNDS / 50);
    expect(ledger.reversals.size).toBeGreaterThan(ROUNDS / 50);
  }, 120_000);

  it(`record by record goes through the very states that led there ${seeded("ledger/rollback.prop.test.ts")}`, () => {
    const subject = new Subject(SEED + 1, 20);
    const { ledger, random } = subject;
    const first = ledger.position;
    const states = [observe(ledger)];
    const times = [ledger.timeMs];
    subject.onRecord = () => {
      states.push(observe(ledger));
      times.push(ledger.timeMs);
    };
    while (ledger.position < first + 400) {
      if (random.chance(5)) subject.passTime(ledger.timeMs + random.below(3000));
      subject.next();
    }
    const records = subject.since(first);
    for (let n = records.length - 1; n >= 0; n--) {
      unapply(ledger, records[n] as LedgerRecord);
      // Time goes back with the batch, which is not a record's business.
      ledger.timeMs = times[n] as number;
      if (n % 5 === 0) expect(observe(ledger)).toEqual(states[n]);
    }
    expect(new Set(records.map(({ kind }) => kind)).size).toBeGreaterThan(9);
  });
});
