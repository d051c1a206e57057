import { describe, expect, it } from "vitest";
import { AccountType } from "../account.ts";
import { BranchState } from "../branch.ts";
import type { Command } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import { toHex } from "../identifiers.ts";
import { BALANCE_MIN } from "../limits.ts";
import { type MovementOrders, requestOfOrder } from "../movement-orders.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { RefusalError } from "../reasons.ts";
import type { LedgerRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { RecordList } from "../record-list.ts";
import { apply, beginBatch } from "./apply.ts";
import { applyAll, mark, rollback } from "./apply-all.ts";
import { decide } from "./decide.ts";
import { OrderExecutor } from "./execute-order.ts";
import { branch, newLedger, requestFor } from "./ledger.test-util.ts";
import type { Ledger } from "./ledger.ts";
import { formatLevelRaised } from "./ledger-bank.test-util.ts";
import { checkSums, observe } from "./observe.test-util.ts";
import { RandomOrders } from "./random-orders.test-util.ts";

const ROUNDS = 150;
const ORDERS_PER_ROUND = 40;
/** Accounts by number, some of them by an alias that is one. 11 and 999 there are not. */
const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 777, 999, 11, 2 ** 53 - 1];

const open: Extract<Command, { kind: "openAccount" }> = {
  kind: "openAccount",
  type: AccountType.CHECKING,
  owner: "Ada",
  displayName: "",
  currency: "USD",
};

/** What is there before the first order. */
const BEGINNING: readonly Command[] = [
  branch(1),
  branch(2),
  ...[open, open, open, open].map((command) => ({ ...command })),
  { ...open, floor: -200n },
  { ...open, ceiling: 5_000n },
  { ...open, floor: BALANCE_MIN },
  { ...open, currency: "EUR" },
  { ...open, currency: "EUR" },
  { ...open, currency: "EUR", floor: BALANCE_MIN },
  { ...open, alias: "777" },
];

/** A ledger with the records that made it what it is. */
class Side {
  readonly ledger: Ledger = newLedger();
  records = new RecordList();

  run(record: LedgerRecord): void {
    apply(this.ledger, record);
    this.records.push(record);
  }

  /** What is decided of a request by the ordinary way: why not, or undefined for yes or a replay. */
  decide(request: Parameters<typeof decide>[1]): string | undefined {
    const hash = hashCommand(request.command);
    const entry = this.ledger.findRequest(request.principal, request.id);
    if (entry !== -1) return this.ledger.requests.hasHash(entry, hash.low, hash.high) ? "replay" : "id of another";
    let records: readonly LedgerRecord[];
    try {
      records = decide(this.ledger, request, hash);
    } catch (error) {
      if (error instanceof RefusalError) return error.refusal.reason;
      throw error;
    }
    for (const record of records) this.run(record);
    const last = records.at(-1);
    return last?.kind === RecordKind.REJECTED ? last.rejection.reason : undefined;
  }
}

/** Something else happens to both between two orders. */
function event(random: Random, { holds: table }: Ledger): Command {
  const holds = Array.from({ length: Math.min(table.count, 3) }, (_, i) => table.viewAt(table.count - 1 - i).hold);
  const account = String(random.pick(NUMBERS.slice(0, 11)));
  const amount = { currency: random.pick(["USD", "EUR"]), minor: BigInt(1 + random.below(200)) };
  switch (random.below(9)) {
    case 0:
      return random.chance(50) ? { kind: "freezeAccount", account } : { kind: "unfreezeAccount", account };
    case 1:
    case 2:
    case 3:
      return { kind: "unfreezeAccount", account };
    case 4:
      return { kind: "placeHold", account, amount, expiresMs: 0 };
    case 5:
      return { kind: "updateAccount", account, floor: random.chance(60) ? 0n : BigInt(random.below(300) - 250) };
    case 6:
      return { kind: "updateAccount", account, ceiling: random.chance(30) ? null : BigInt(1 + random.below(2_000)) };
    case 7:
      return { kind: "releaseHold", hold: random.pick(holds) ?? 1 };
    default:
      return { kind: "deposit", account, amount: { ...amount, minor: amount.minor * 20n } };
  }
}

describe("OrderExecutor", () => {
  it(`with what it leaves to decide does all that decide does ${seeded("ledger/execute-order.prop.test.ts")}`, () => {
    const random = new Random(SEED);
    const makeOrders = new RandomOrders(random);
    const quick = new Side();
    const slow = new Side();
    const follower = newLedger();
    const said = new Map<string, number>();
    const rows = { quick: 0, slow: 0 };

    const both = (command: Command, options = {}) => {
      const request = requestFor(command, options);
      expect(quick.decide(request)).toBe(slow.decide(request));
    };
    const execute = (orders: MovementOrders) => {
      const executor = new OrderExecutor(quick.ledger, orders, quick.records);
      for (let i = 0; i < orders.count; i++) {
        const request = requestOfOrder(orders, i);
        const expected = slow.decide(request);
        const before = toHex(quick.ledger.digestBytes());
        if (executor.execute(i)) {
          expect(expected, "what the quick way says yes to").toBeUndefined();
          rows.quick++;
        } else {
          expect(toHex(quick.ledger.digestBytes()), "nothing has changed").toBe(before);
          expect(quick.decide(request)).toBe(expected);
          rows.slow++;
        }
        said.set(expected ?? "yes", (said.get(expected ?? "yes") ?? 0) + 1);
        if (random.chance(8)) both(event(random, slow.ledger), { principal: "clerk", branch: random.below(2) });
      }
    };

    for (const side of [quick, slow]) side.run(formatLevelRaised(3));
    for (const command of BEGINNING) both(command);
    both({ kind: "closeAccount", account: "4" });
    for (let round = 0; round < ROUNDS; round++) {
      const frozen = [quick.ledger, follower].map(({ accounts }) => {
        const columns = accounts.freeze();
        return { columns, was: columns.rows(0, columns.count) };
      });
      const start = mark(quick.ledger);
      const largeAmounts = random.pick([0, 0, 3, 20]);
      for (const { ledger } of [quick, slow]) beginBatch(ledger, round);
      if (round >= ROUNDS / 2 && !quick.ledger.isRetired(2))
        both({ kind: "setBranchState", target: 2, state: BranchState.RETIRED });
      execute(
        makeOrders.next(ORDERS_PER_ROUND, {
          numbers: random.chance(75) ? [1, 2, 3, 5, 6, 7] : NUMBERS,
          currencies: random.pick([["USD"], ["USD", "EUR"], ["EUR", "USD", "CHF"]]),
          // A principal is new each time that the batch of its first request is refused.
          principals: ["ada", "bob", `new ${round >> 3}`],
          branches: [0, 0, 0, 1, 1, 1, 2, 9],
          largeAmounts,
        }),
      );
      expect(quick.records.slice()).toEqual(slow.records.slice());
      expect(toHex(quick.ledger.digestBytes())).toBe(toHex(slow.ledger.digestBytes()));

      // A follower takes the same in columns, and gives it back.
      const followed = mark(follower);
      beginBatch(follower, round);
      applyAll(follower, quick.records);
      expect(toHex(follower.digestBytes())).toBe(toHex(quick.ledger.digestBytes()));
      // What is near the end of the range would go the ordinary way from then on: it is mostly taken back.
      const isTooEarly = largeAmounts > 0 && round < (ROUNDS * 3) / 4;
      for (const { columns, was } of frozen) {
        expect(columns.rows(0, columns.count), "what was frozen before").toEqual(was);
        columns.release();
      }
      if (round > 0 && (isTooEarly || random.chance(30))) {
        rollback(quick.ledger, start, quick.records);
        rollback(slow.ledger, start, slow.records.slice());
        rollback(follower, followed, quick.records);
        expect(toHex(quick.ledger.digestBytes())).toBe(toHex(start.digest));
      } else if (random.chance(50)) {
        for (const { ledger } of [quick, slow]) ledger.forgetUndo(ledger.position);
      }
      for (const side of [quick, slow]) side.records = new RecordList();
    }
    checkSums(quick.ledger);
    expect(observe(quick.ledger)).toEqual(observe(slow.ledger));
    expect(observe(follower)).toEqual(observe(slow.ledger));
    // All of it was there.
    expect(rows.quick).toBeGreaterThan(200);
    expect([...said.keys()]).toEqual(
      expect.arrayContaining([
        "yes",
        "replay",
        "id of another",
        "ACCOUNT_NOT_FOUND",
        "ACCOUNT_CLOSED",
        "ACCOUNT_FROZEN",
        "BRANCH_NOT_FOUND",
        "BRANCH_RETIRED",
        "CEILING_EXCEEDED",
        "CURRENCY_MISMATCH",
        "INSUFFICIENT_FUNDS",
        "SAME_ACCOUNT",
      ]),
    );
  });
});
