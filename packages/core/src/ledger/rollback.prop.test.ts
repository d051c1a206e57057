import { describe, expect, it } from "vitest";
import { checkCommand } from "../check-command.ts";
import { hashCommand } from "../command-hash.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import type { LedgerRecord } from "../record.ts";
import type { Mark } from "./apply.ts";
import { apply, beginBatch, mark, rollback, unapply } from "./apply.ts";
import { decide } from "./decide.ts";
import { epochBegun, stateRoot } from "./ledger.test-util.ts";
import { Ledger } from "./ledger.ts";
import { checkSums, observe } from "./observe.test-util.ts";
import { BRANCHES, CURRENCIES, RandomRequests } from "./random-requests.test-util.ts";

const ROUNDS = 300;

interface Pending {
  readonly start: Mark;
  readonly records: readonly LedgerRecord[];
  readonly before: unknown;
}

describe("rollback", () => {
  it(`of random batches brings back everything that can be seen ${seeded("ledger/rollback.prop.test.ts")}`, () => {
    const random = new Random(SEED);
    const ledger = new Ledger({ hashSeed: random.word() });
    const requests = new RandomRequests(random, { accountsMax: 150 });
    const pending: Pending[] = [];

    const observed = () =>
      observe(ledger, {
        currencies: [...CURRENCIES, "CHF"],
        branches: [...BRANCHES, 9],
        accountsUpTo: 160,
      });

    /** One of the bank's own records, now and then. */
    const ownRecord = (): LedgerRecord | undefined => {
      if (random.chance(3))
        return epochBegun((ledger.currentEpoch()?.number ?? 0) + 1 + random.below(3), random.below(256));
      const newest = ledger.root?.position ?? 0;
      if (random.chance(3) && newest < ledger.position)
        return stateRoot(newest + 1 + random.below(ledger.position - newest), random.below(256));
      return undefined;
    };

    const executeBatch = () => {
      const start = mark(ledger);
      const before = observed();
      const records: LedgerRecord[] = [];
      beginBatch(ledger, ledger.timeMs + random.below(100));
      for (let left = random.below(25); left > 0; left--) {
        const own = ownRecord();
        const request = requests.next();
        const known =
          checkCommand(request.command) !== undefined || ledger.findRequest(request.principal, request.id) !== -1;
        const decided = known ? [] : decide(ledger, request, hashCommand(request.command));
        for (const record of own === undefined ? decided : [...decided, own]) {
          apply(ledger, record);
          records.push(record);
        }
      }
      pending.push({ start, records, before });
    };

    for (let round = 0; round < ROUNDS; round++) {
      for (let batches = 1 + random.below(3); batches > 0; batches--) executeBatch();
      checkSums(ledger);
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
    expect(ledger.root).toBeDefined();
  }, 120_000);

  it(`record by record goes through the very states that led there ${seeded("ledger/rollback.prop.test.ts")}`, () => {
    const random = new Random(SEED + 1);
    const ledger = new Ledger({ hashSeed: random.word() });
    const requests = new RandomRequests(random, { accountsMax: 20 });
    const states = [observe(ledger)];
    const records: LedgerRecord[] = [];
    while (records.length < 300) {
      const request = requests.next();
      if (checkCommand(request.command) !== undefined) continue;
      if (ledger.findRequest(request.principal, request.id) !== -1) continue;
      for (const record of decide(ledger, request, hashCommand(request.command))) {
        apply(ledger, record);
        records.push(record);
        states.push(observe(ledger));
      }
    }
    for (let n = records.length - 1; n >= 0; n--) {
      unapply(ledger, records[n] as LedgerRecord);
      if (n % 5 === 0) expect(observe(ledger)).toEqual(states[n]);
    }
  });
});
