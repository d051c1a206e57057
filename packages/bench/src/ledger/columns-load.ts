import {
  type AccountIndex,
  AccountType,
  apply,
  applyAll,
  beginBatch,
  type CurrencyIndex,
  decide,
  FORMAT_LEVEL_MAX,
  hashCommand,
  Ledger,
  type LedgerRecord,
  type MovementOrders,
  mark,
  OrderExecutor,
  RecordKind,
  RecordList,
  requestOfOrder,
  rollback,
} from "@bank/core";
import { AccountChooser, type Distribution, QuickRandom } from "../harness/distribution.ts";

/** As many as a large call has. */
export const COLUMN_ROWS = 8_000;
const FLOOR = -1_000_000_000_000n;
const PRINCIPAL = "dev";
const TIME_MS = 1_700_000_000_000;

/** A ledger with so many customers' accounts, with the numbers from 1 on, which may be overdrawn. */
export function ledgerWithAccounts(accounts: number, floor = 0n): Ledger {
  const ledger = new Ledger({ hashSeed: 0x5eed });
  ledger.formatLevel = FORMAT_LEVEL_MAX;
  beginBatch(ledger, TIME_MS);
  const own = { principal: "", branch: 0, request: undefined } as const;
  const add = (record: LedgerRecord) => {
    apply(ledger, record);
    ledger.forgetUndo(ledger.position);
  };
  add({ ...own, kind: RecordKind.CURRENCY_DEFINED, currency: 0 as CurrencyIndex, code: "USD", decimals: 2 });
  const common = { owner: "", displayName: "", homeBranch: 0, currency: 0 as CurrencyIndex, name: "", floor };
  for (let i = 0; i < accounts; i++)
    add({
      ...own,
      ...common,
      kind: RecordKind.ACCOUNT_OPENED,
      account: i as AccountIndex,
      type: AccountType.SAVINGS,
      number: i + 1,
    });
  return ledger;
}

/** Transfers in columns on a ledger in memory: what the bank's one thread does with a large call besides encoding it. */
export class ColumnsLoad {
  private readonly ledger: Ledger;
  private readonly random = new QuickRandom(5);
  private readonly chooser: AccountChooser;
  private readonly accounts: number;

  constructor(accounts: number, distribution: Distribution) {
    this.accounts = accounts;
    this.ledger = ledgerWithAccounts(accounts, FLOOR);
    this.chooser = new AccountChooser(accounts, distribution, this.random);
    // The first request of a caller goes the long way, which makes him known.
    const request = requestOfOrder(this.orders(1), 0);
    for (const record of decide(this.ledger, request, hashCommand(request.command))) apply(this.ledger, record);
    this.commit();
  }

  /** Orders under ids of their own; not measured. */
  orders(count = COLUMN_ROWS): MovementOrders {
    const debits = new Float64Array(count);
    const credits = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      debits[i] = this.chooser.first();
      credits[i] = this.chooser.other(debits[i] as number);
    }
    return {
      count,
      principal: PRINCIPAL,
      branch: 0,
      currencies: ["USD"],
      currencyIndexes: undefined,
      debits,
      credits,
      amounts: new BigInt64Array(count).fill(1n),
      requestIds: Int32Array.from({ length: 4 * count }, () => this.random.int32()),
    };
  }

  /** Carries them out: looked up, hashed, decided, booked, with the digest. Throws when one is not plainly done. */
  execute(orders: MovementOrders): RecordList {
    const list = new RecordList(orders.count);
    const executor = new OrderExecutor(this.ledger, orders, list);
    for (let i = 0; i < orders.count; i++)
      if (!executor.execute(i)) throw new Error(`row ${i} is not plainly done among ${this.accounts} accounts`);
    return list;
  }

  /** Executed and taken back: what a follower is given, and what the ledger has not seen yet. */
  notYetApplied(): RecordList {
    const before = mark(this.ledger);
    const list = this.execute(this.orders());
    rollback(this.ledger, before, list);
    return list;
  }

  /** A follower's part. */
  apply(list: RecordList): void {
    applyAll(this.ledger, list);
    this.ledger.forgetUndo(this.ledger.position);
  }

  /** What was executed stays. */
  commit(): void {
    this.ledger.forgetUndo(this.ledger.position);
  }
}
