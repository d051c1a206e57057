import { randomUUID } from "node:crypto";
import type { AccountIndex, Ledger, Position } from "@bank/core";
import {
  type AccountTransaction,
  type BatchResult,
  type GetBalanceResponse,
  type ListTransactionsRequestSchema,
  TransactionKind,
} from "@bank/proto";
import { failureFromConnectError } from "@bank/rpc";
import { followJournal, NaiveHistory, type NaiveTransaction, type Random, type ServerClient } from "@bank/testkit";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type CallOptions, ConnectError } from "@connectrpc/connect";

/** The reason of a call that fails. Rejects where it does not. */
export async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
    if (failure === undefined) throw error;
    return failure.reason;
  }
  throw new Error("the call was expected to fail");
}

export function dollars(amountMinor: bigint) {
  return { currencyCode: "USD", amountMinor };
}

/** Commands of every kind that changes a balance; many of them are turned down. */
export class RandomMovements {
  private readonly random: Random;
  private readonly accounts: readonly string[];
  private readonly transactions: bigint[] = [];
  private readonly holds: bigint[] = [];

  constructor(random: Random, accounts: readonly string[]) {
    this.random = random;
    this.accounts = accounts;
  }

  /** Gives so many in one call, and remembers what they made. */
  async give(client: ServerClient, count: number): Promise<void> {
    const items = Array.from({ length: count }, () => {
      const item = this.random.chance(15) ? this.group() : this.single();
      item.command.value.requestId = randomUUID();
      return item;
    });
    const { results } = await client.transactions.executeBatch({ items }, { timeoutMs: 20_000 });
    for (const result of results) this.remember(result);
  }

  private group() {
    const items = Array.from({ length: 1 + this.random.below(3) }, () => this.single());
    return { command: { case: "group" as const, value: { requestId: "", items } } };
  }

  private single() {
    return { command: this.command() };
  }

  private command() {
    const { random } = this;
    const account = random.pick(this.accounts);
    const amount = dollars(BigInt(1 + random.below(60)));
    const requestId = "";
    const expiresAt = timestampFromMs(Date.now() + 50 + random.below(100_000));
    switch (random.below(9)) {
      case 0:
      case 1:
        return { case: "deposit" as const, value: { requestId, account, amount } };
      case 2:
        return { case: "withdraw" as const, value: { requestId, account, amount } };
      case 3: {
        const toAccount = random.pick([...this.accounts, "fees/0/USD"]);
        return { case: "transfer" as const, value: { requestId, fromAccount: account, toAccount, amount } };
      }
      case 4:
        return { case: "reverse" as const, value: { requestId, transaction: this.pick(this.transactions) } };
      case 5: {
        const ratePercent = random.pick(["0", "2.5", "12.5"]);
        return { case: "applyInterest" as const, value: { requestId, account, ratePercent } };
      }
      case 6:
        return { case: "placeHold" as const, value: { requestId, account, amount, expiresAt } };
      case 7: {
        const toAccount = random.pick(["", ...this.accounts]);
        return { case: "captureHold" as const, value: { requestId, hold: this.pick(this.holds), toAccount, amount } };
      }
      default:
        return { case: "releaseHold" as const, value: { requestId, hold: this.pick(this.holds) } };
    }
  }

  private remember({ result }: BatchResult): void {
    switch (result.case) {
      case "transaction":
        this.transactions.push(result.value.position);
        return;
      case "hold":
        this.holds.push(result.value.hold);
        return;
      case "group":
        for (const item of result.value.results) this.remember(item);
        return;
      default:
        return;
    }
  }

  /** One of the newest, which may have ended; 1 where there is none. */
  private pick(positions: readonly bigint[]): bigint {
    return positions.length === 0 ? 1n : this.random.pick(positions.slice(-8));
  }
}

/** The naive history of a server's journal, and the ledger for the names of its accounts. */
export async function naiveHistoryOf(
  client: ServerClient,
  upTo: Position,
): Promise<{ readonly naive: NaiveHistory; readonly ledger: Ledger }> {
  const journal = await followJournal(client, upTo);
  return { naive: NaiveHistory.of(journal), ledger: journal.replay.ledger };
}

/** Every page of a list. */
export async function listAll(
  { transactions }: ServerClient,
  request: MessageInitShape<typeof ListTransactionsRequestSchema>,
  options?: CallOptions,
): Promise<AccountTransaction[]> {
  const all: AccountTransaction[] = [];
  let pageToken = "";
  do {
    const page = await transactions.listTransactions({ ...request, pageToken }, options);
    all.push(...page.transactions);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

/** What a list says, in the words of the naive history. */
export function plain({ transaction, change, postedAfter }: AccountTransaction) {
  return {
    position: Number(transaction?.position),
    kind: transaction?.kind,
    debit: transaction?.debitAccount,
    credit: transaction?.creditAccount,
    amount: transaction?.amount?.amountMinor,
    branch: transaction?.branch,
    timeMs: transaction?.time === undefined ? undefined : timestampMs(transaction.time),
    reversedBy: Number(transaction?.reversedBy),
    change: change?.amountMinor,
    postedAfter: postedAfter?.amountMinor,
  };
}

type NaiveEntry = NaiveTransaction & { readonly reversedBy: Position | undefined; readonly postedAfter: bigint };

export function plainNaive(ledger: Ledger, account: AccountIndex, entry: NaiveEntry): ReturnType<typeof plain> {
  const { position, kind, debit, credit, amount, branch, timeMs, reversedBy = 0, postedAfter } = entry;
  return {
    position,
    kind: KINDS[kind],
    debit: ledger.referenceOf(debit),
    credit: ledger.referenceOf(credit),
    amount,
    branch,
    timeMs,
    reversedBy,
    change: debit === account ? -amount : amount,
    postedAfter,
  };
}

/** By the number of the record's kind. */
const KINDS: Readonly<Record<number, TransactionKind>> = {
  1: TransactionKind.DEPOSIT,
  2: TransactionKind.WITHDRAWAL,
  3: TransactionKind.TRANSFER,
  13: TransactionKind.REVERSAL,
  14: TransactionKind.INTEREST,
  16: TransactionKind.CAPTURE,
};

export function plainBalance({ posted, held, available, position, time }: GetBalanceResponse) {
  return {
    posted: posted?.amountMinor,
    held: held?.amountMinor,
    available: available?.amountMinor,
    position: Number(position),
    timeMs: time === undefined ? undefined : timestampMs(time),
  };
}
