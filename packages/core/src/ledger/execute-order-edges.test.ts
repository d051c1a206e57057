import { expect, it } from "vitest";
import { AccountType } from "../account.ts";
import type { Command } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import type { AccountIndex } from "../identifiers.ts";
import { AMOUNT_MAX, BALANCE_MIN } from "../limits.ts";
import { type MovementOrders, requestOfOrder } from "../movement-orders.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { type LedgerRecord, RecordKind } from "../record.ts";
import { RecordList } from "../record-list.ts";
import { apply, beginBatch } from "./apply.ts";
import { applyAll, mark, rollback } from "./apply-all.ts";
import { decide } from "./decide.ts";
import { OrderExecutor } from "./execute-order.ts";
import { newLedger, requestFor, requestId } from "./ledger.test-util.ts";
import type { Ledger } from "./ledger.ts";
import { formatLevelRaised } from "./ledger-bank.test-util.ts";
import { observe } from "./observe.test-util.ts";

const ROWS = 40;
const ROUNDS = 4;
/** Where 32, 51, 53 and 63 bits end. */
const BALANCES = [
  ...[0n, 1n, 5n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 51n - 1n, 2n ** 51n, 2n ** 51n + 1n, 2n ** 52n],
  ...[2n ** 53n, 2n ** 53n + 1n, AMOUNT_MAX - 1n, AMOUNT_MAX],
];
const AMOUNTS = [
  ...[1n, 2n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 50n, 2n ** 51n - 1n, 2n ** 51n, 2n ** 51n + 1n, AMOUNT_MAX],
];
const HELD = [1n, 7n, 2n ** 51n - 1n, 2n ** 51n + 3n];
const VERSIONS = [1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, 2 ** 45];
const POSITIONS = [100, 2 ** 31 - 3, 2 ** 32 - 5, 2 ** 32 + 7, 2 ** 41];

const open = (limits: object = {}): Command => ({
  ...({ kind: "openAccount", type: AccountType.CHECKING, owner: "A", displayName: "", currency: "USD" } as const),
  ...limits,
});
const ACCOUNTS = [
  open(),
  open(),
  open({ floor: BALANCE_MIN }),
  open({ floor: -(2n ** 52n) - 1n }),
  open({ ceiling: 2n ** 53n + 1n }),
  open({ ceiling: AMOUNT_MAX - 1n }),
  open({ floor: -(2n ** 51n) }),
];

interface Start {
  readonly position: number;
  readonly accounts: readonly { readonly posted: bigint; readonly version: number }[];
  readonly held: { readonly account: string; readonly minor: bigint };
}

function randomStart(random: Random): Start {
  const account = () => ({
    posted: random.pick(BALANCES) * (random.chance(40) ? -1n : 1n),
    version: random.pick(VERSIONS),
  });
  const held = { account: String(1 + random.below(4)), minor: random.pick(HELD) };
  return { position: random.pick(POSITIONS), accounts: Array.from({ length: ACCOUNTS.length + 1 }, account), held };
}

/** The accounts, and the cash behind them, as a snapshot could have them; nothing of it is taken back. */
function startAt({ position, accounts, held }: Start): Ledger {
  const ledger = newLedger();
  apply(ledger, formatLevelRaised(3));
  let id = 0;
  const run = (command: Command) =>
    decideAndApply(ledger, requestFor(command, { principal: "p", id: requestId(++id) }));
  for (const account of ACCOUNTS) run(account);
  run({ kind: "deposit", account: "1", amount: { currency: "USD", minor: 1n } });
  for (const [i, { posted, version }] of accounts.entries()) {
    const floor = ledger.accounts.floors[i] as bigint;
    const ceiling = ledger.accounts.ceilings[i] as bigint;
    const within = posted < floor ? floor : posted > ceiling ? ceiling : posted;
    ledger.restoreBalance(i as AccountIndex, within, version);
  }
  ledger.position = position;
  run({ kind: "placeHold", account: held.account, amount: { currency: "USD", minor: held.minor }, expiresMs: 0 });
  ledger.forgetUndo(ledger.position);
  return ledger;
}

function decideAndApply(ledger: Ledger, request: ReturnType<typeof requestFor>): LedgerRecord[] {
  const records = decide(ledger, request, hashCommand(request.command));
  for (const record of records) apply(ledger, record);
  return records;
}

function randomOrders(random: Random): MovementOrders {
  const account = () => random.below(ACCOUNTS.length + 1);
  const debits = Float64Array.from({ length: ROWS }, account);
  return {
    ...({ count: ROWS, principal: "p", branch: 0, currencies: ["USD"], currencyIndexes: undefined } as const),
    debits,
    credits: debits.map((debit) => (debit === 0 ? 1 + random.below(ACCOUNTS.length) : account())),
    amounts: BigInt64Array.from({ length: ROWS }, () => random.pick(AMOUNTS)),
    requestIds: Int32Array.from({ length: 4 * ROWS }, () => random.word()),
  };
}

it.each(Array.from({ length: 12 }, (_, i) => SEED + i))(
  `numbers at the ends of words are the same by columns, one by one and taken back (seed %d) ${seeded("ledger/execute-order-edges.test.ts")}`,
  (seed) => {
    const random = new Random(seed);
    const start = randomStart(random);
    const [quick, slow, follower] = [startAt(start), startAt(start), startAt(start)];
    for (let round = 0; round < ROUNDS; round++) {
      const orders = randomOrders(random);
      const marks = [quick, slow, follower].map((ledger) => ({ ledger, mark: mark(ledger) }));
      for (const { ledger } of marks) beginBatch(ledger, ledger.timeMs + 1);
      const list = new RecordList();
      const expected: LedgerRecord[] = [];
      const executor = new OrderExecutor(quick, orders, list);
      for (let i = 0; i < ROWS; i++) {
        const request = requestOfOrder(orders, i);
        const records = decideAndApply(slow, request);
        expected.push(...records);
        if (executor.execute(i)) expect(records.map(({ kind }) => kind <= RecordKind.TRANSFER)).toEqual([true]);
        else for (const record of decideAndApply(quick, request)) list.push(record);
        expect(quick.digestBytes()).toEqual(slow.digestBytes());
      }
      expect([...list]).toEqual(expected);
      applyAll(follower, list);
      expect(observe(quick)).toEqual(observe(slow));
      expect(observe(follower)).toEqual(observe(slow));
      if (random.chance(60))
        for (const { ledger, mark } of marks) rollback(ledger, mark, ledger === slow ? expected : list);
      expect(observe(quick)).toEqual(observe(slow));
    }
  },
);
