import {
  type AccountOpenedRecord,
  AccountState,
  type AccountUpdatedRecord,
  assert,
  formatRate,
  formatRequestId,
  HoldState,
  type InterestAppliedRecord,
  isMovement,
  type Ledger,
  type LedgerRecord,
  type Position,
  postingOf,
  RecordKind,
  type RequestId,
} from "@bank/core";
import {
  type Account,
  AccountSchema,
  type AccountUpdate,
  AccountUpdateSchema,
  type BatchResult,
  BranchChangeSchema,
  type CommandOutcome,
  type Failure,
  type Hold,
  type Interest,
  InterestSchema,
  type Transaction,
  TransactionKind,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { failureFromPreview, failureFromRejection } from "./failure.ts";
import { currencyCode, currencyOf, durabilityMessage, holdMessage, metadataMessage, moneyMessage } from "./messages.ts";
import { timestampMessage } from "./time.ts";

/** A record that answers a request, with where and when it stands in the journal. */
export interface AnsweringRecord {
  readonly record: LedgerRecord;
  readonly position: Position;
  readonly timeMs: number;
  readonly replayed: boolean;
  /** Of a `GROUP_COMMITTED` record: those that carry the group out. They stand directly before it. */
  readonly groupRecords?: readonly LedgerRecord[] | undefined;
}

/**
 * The outcome that a record is. It follows from the record alone, and for a group from those before it: from the ledger
 * come only names and currencies, which never change, so that a replay years later gives the same reply.
 */
export function outcomeFromRecord(ledger: Ledger, answer: AnsweringRecord): CommandOutcome {
  return outcomeOf(resultFromRecord(ledger, answer), answer.position);
}

/** The result that a record is, likewise. */
export function resultFromRecord(ledger: Ledger, answer: AnsweringRecord): BatchResult {
  const { record, position, timeMs, replayed, groupRecords } = answer;
  const requestId = record.request?.id;
  const transaction = isMovement(record)
    ? transactionFromRecord(ledger, record, { position, timeMs, requestId })
    : undefined;
  if (transaction !== undefined) return resultOf({ case: "transaction", value: transaction }, replayed);
  const writer = new ResultWriter({ ledger, timeMs, requestId, isPreview: false });
  return resultOf(writer.answer(record, position, groupRecords), replayed);
}

/**
 * What would have been the result of records that were never written. What a command would make has no position yet.
 *
 * @param records all that the command would give; the last answers it.
 * @param ledger with the records applied.
 */
export function resultFromPreview(ledger: Ledger, records: readonly LedgerRecord[], timeMs: number): BatchResult {
  const record = records.at(-1);
  assert(record !== undefined, "a command gives a record");
  const writer = new ResultWriter({ ledger, timeMs, requestId: record.request?.id, isPreview: true });
  const group = record.kind === RecordKind.GROUP_COMMITTED ? records.slice(-1 - record.records, -1) : undefined;
  return resultOf(writer.answer(record, 0, group), false);
}

/**
 * The outcome of a command that left nothing in the journal.
 *
 * @param position the committed position that it was computed from; 0 where it follows from no state.
 */
export function outcomeFromFailure(failure: Failure, position: Position = 0): CommandOutcome {
  return outcomeOf(resultOf({ case: "failure", value: failure }, false), position);
}

// Literals, as in messages.ts: every command has these.

function outcomeOf(result: BatchResult, position: Position): CommandOutcome {
  return { $typeName: "bank.journal.v1.CommandOutcome", result, position: BigInt(position), epochId: NO_EPOCH };
}

function resultOf(result: Result, replayed: boolean): BatchResult {
  return { $typeName: "bank.v1.BatchResult", result, replayed };
}

const NO_EPOCH = new Uint8Array(0);

/**
 * The movement of money that a record is; undefined for one that moves none.
 *
 * @param requestId of the request that it answers, or of the group that it is in; undefined for none.
 */
export function transactionFromRecord(
  ledger: Ledger,
  record: LedgerRecord,
  at: { readonly position: Position; readonly timeMs: number; readonly requestId: RequestId | undefined },
): Transaction | undefined {
  const posting = postingOf(record);
  if (posting === undefined) return undefined;
  const { debit, credit, amount } = posting;
  return {
    $typeName: "bank.v1.Transaction",
    position: BigInt(at.position),
    kind: TRANSACTION_KINDS[record.kind] ?? TransactionKind.UNSPECIFIED,
    debitAccount: ledger.referenceOf(debit),
    creditAccount: ledger.referenceOf(credit),
    amount: moneyMessage(currencyOf(ledger, debit), amount),
    branch: record.branch,
    time: timestampMessage(at.timeMs),
    requestId: at.requestId === undefined ? "" : formatRequestId(at.requestId),
    reverses: record.kind === RecordKind.REVERSAL ? BigInt(record.original) : 0n,
    hold: record.kind === RecordKind.HOLD_CAPTURED ? BigInt(record.hold) : 0n,
    reversedBy: 0n,
  };
}

const TRANSACTION_KINDS: Partial<Record<RecordKind, TransactionKind>> = {
  [RecordKind.DEPOSIT]: TransactionKind.DEPOSIT,
  [RecordKind.WITHDRAWAL]: TransactionKind.WITHDRAWAL,
  [RecordKind.TRANSFER]: TransactionKind.TRANSFER,
  [RecordKind.REVERSAL]: TransactionKind.REVERSAL,
  [RecordKind.INTEREST_APPLIED]: TransactionKind.INTEREST,
  [RecordKind.HOLD_CAPTURED]: TransactionKind.CAPTURE,
};

type Result = BatchResult["result"];

/** Writes the results of one command. */
class ResultWriter {
  private readonly ledger: Ledger;
  private readonly timeMs: number;
  private readonly requestId: RequestId | undefined;
  private readonly isPreview: boolean;

  constructor(options: {
    readonly ledger: Ledger;
    readonly timeMs: number;
    readonly requestId: RequestId | undefined;
    readonly isPreview: boolean;
  }) {
    this.ledger = options.ledger;
    this.timeMs = options.timeMs;
    this.requestId = options.requestId;
    this.isPreview = options.isPreview;
  }

  answer(record: LedgerRecord, position: Position, group: readonly LedgerRecord[] | undefined): Result {
    if (record.kind !== RecordKind.GROUP_COMMITTED) return this.result(record, position);
    assert(group?.length === record.records, "a group comes with the records that carry it out");
    const first = position - record.records;
    const results = group.flatMap((one, i) =>
      isMain(one) ? [resultOf(this.result(one, this.isPreview ? 0 : first + i), false)] : [],
    );
    return { case: "group", value: { $typeName: "bank.v1.GroupResult", position: BigInt(position), results } };
  }

  private result(record: LedgerRecord, position: Position): Result {
    switch (record.kind) {
      case RecordKind.DEPOSIT:
      case RecordKind.WITHDRAWAL:
      case RecordKind.TRANSFER:
      case RecordKind.REVERSAL:
        return { case: "transaction", value: this.transaction(record, position) };
      case RecordKind.ACCOUNT_OPENED:
        return { case: "account", value: this.openedAccount(record, position) };
      case RecordKind.ACCOUNT_UPDATED:
        return { case: "accountUpdate", value: this.accountUpdate(record) };
      case RecordKind.ACCOUNT_STATE_CHANGED: {
        const account = this.ledger.referenceOf(record.account);
        const { state } = record;
        return { case: "stateChange", value: { $typeName: "bank.v1.AccountStateChange", account, state } };
      }
      case RecordKind.INTEREST_APPLIED:
        return { case: "interest", value: this.interest(record, position) };
      case RecordKind.HOLD_PLACED:
        return { case: "hold", value: this.hold({ ...record, hold: position }, HoldState.OPEN) };
      case RecordKind.HOLD_EXTENDED:
        return { case: "hold", value: this.hold(record, HoldState.OPEN) };
      case RecordKind.HOLD_RELEASED:
        return { case: "hold", value: this.hold(record, HoldState.RELEASED) };
      case RecordKind.HOLD_CAPTURED: {
        const transaction = this.transaction(record, position);
        const state = record.captured === record.held ? HoldState.CAPTURED : HoldState.OPEN;
        const hold = this.hold(record, state);
        return { case: "capture", value: { $typeName: "bank.v1.Capture", transaction, hold } };
      }
      case RecordKind.BRANCH_REGISTERED: {
        const { number, name } = record;
        return { case: "branchChange", value: create(BranchChangeSchema, { number, name }) };
      }
      case RecordKind.BRANCH_STATE_CHANGED: {
        const { target: number, state } = record;
        return { case: "branchChange", value: create(BranchChangeSchema, { number, state }) };
      }
      case RecordKind.DURABILITY_SET:
        return { case: "durability", value: durabilityMessage({ ...record, position }) };
      case RecordKind.REJECTED: {
        const { rejection } = record;
        const failure = this.isPreview ? failureFromPreview(rejection) : failureFromRejection(rejection, position);
        return { case: "failure", value: failure };
      }
      default:
        assert(false, `a record of kind ${record.kind} answers no customer`);
    }
  }

  private transaction(record: LedgerRecord, position: Position): Transaction {
    const { ledger, timeMs, requestId } = this;
    const transaction = transactionFromRecord(ledger, record, { position, timeMs, requestId });
    assert(transaction !== undefined, `a record of kind ${record.kind} moves money`);
    return transaction;
  }

  private openedAccount(record: AccountOpenedRecord, position: Position): Account {
    const currency = currencyCode(this.ledger, record.currency);
    const nothing = moneyMessage(currency, 0n);
    return create(AccountSchema, {
      number: String(record.number),
      type: record.type,
      owner: record.owner,
      displayName: record.displayName,
      currencyCode: currency,
      homeBranch: record.homeBranch,
      posted: nothing,
      version: 1n,
      openedAt: timestampMessage(this.timeMs),
      openedPosition: BigInt(position),
      alias: record.alias ?? "",
      state: AccountState.OPEN,
      metadata: metadataMessage(record.metadata ?? {}),
      held: nothing,
      available: nothing,
      floor: moneyMessage(currency, record.floor),
      ...(record.ceiling === undefined ? {} : { ceiling: moneyMessage(currency, record.ceiling) }),
    });
  }

  private accountUpdate({ account, displayName, metadata, floor, ceiling }: AccountUpdatedRecord): AccountUpdate {
    const currency = currencyOf(this.ledger, account);
    return create(AccountUpdateSchema, {
      account: this.ledger.referenceOf(account),
      displayName,
      metadata: metadataMessage(metadata),
      floor: moneyMessage(currency, floor),
      ...(ceiling === undefined ? {} : { ceiling: moneyMessage(currency, ceiling) }),
    });
  }

  private interest(record: InterestAppliedRecord, position: Position): Interest {
    const { account, rate, balance, amount } = record;
    const currency = currencyOf(this.ledger, account);
    return create(InterestSchema, {
      account: this.ledger.referenceOf(account),
      ratePercent: formatRate(rate),
      balance: moneyMessage(currency, balance),
      amount: moneyMessage(currency, amount),
      ...(amount === 0n ? {} : { transaction: this.transaction(record, position) }),
    });
  }

  private hold(record: Omit<Parameters<typeof holdMessage>[1], "state">, state: HoldState): Hold {
    return holdMessage(this.ledger, { ...record, state });
  }
}

/** Each item of a group has one main record; what it needs besides (a currency, an account of the bank) comes before. */
function isMain(record: LedgerRecord): boolean {
  if (record.kind === RecordKind.ACCOUNT_OPENED) return record.number !== 0;
  return record.kind !== RecordKind.CURRENCY_DEFINED;
}
