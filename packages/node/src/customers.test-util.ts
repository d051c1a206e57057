import { randomUUID } from "node:crypto";
import { type BankClient, BankError, type Booked, connectBank, type Transaction } from "@bank/client";
import { RecordKind, totals } from "@bank/core";
import { openStore } from "@bank/store";
import { type Random, readWholeJournal, type WholeJournal } from "@bank/testkit";

/** What a customer was told of one request, for ever. */
export type Answer =
  | { readonly kind: "booked"; readonly transaction: Transaction }
  | { readonly kind: "rejected"; readonly reason: string };

export interface Asked {
  readonly requestId: string;
  readonly server: string;
  readonly move: Move;
}

export type Move =
  | { readonly kind: "deposit" | "withdraw"; readonly account: string; readonly minor: bigint }
  | { readonly kind: "transfer"; readonly from: string; readonly to: string; readonly minor: bigint };

/** Long enough for every restart of a test. */
const TIMEOUT_MS = 60_000;

/** Customers who ask until they have an answer, and remember all of them. */
export class Customers {
  readonly answers = new Map<string, { readonly asked: Asked; readonly answer: Answer }>();
  private readonly clients: BankClient[] = [];
  private readonly waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  private stopped = false;

  get answered(): number {
    return this.answers.size;
  }

  /** A customer of one server: asks for one random move after the other until `stop`. */
  async run(server: string, accounts: readonly string[], random: Random): Promise<void> {
    const client = this.connect(server);
    while (!this.stopped)
      await this.ask(client, { requestId: randomUUID(), server, move: randomMove(accounts, random) });
  }

  /** Resolves once so many requests have their answer. */
  whenAnswered(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push({ count, resolve });
    });
  }

  stop(): void {
    this.stopped = true;
  }

  /** Asks once more for what was answered, at another server. */
  askAgain(asked: Asked, server: string): Promise<Booked | BankError> {
    return book(this.connect(server), asked).catch((error: unknown) => {
      if (error instanceof BankError) return error;
      throw error;
    });
  }

  connect(server: string): BankClient {
    const client = connectBank({ server, timeoutMs: TIMEOUT_MS });
    this.clients.push(client);
    return client;
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  private remember(asked: Asked, answer: Answer): void {
    this.answers.set(asked.requestId, { asked, answer });
    for (const { count, resolve } of this.waiting) if (this.answers.size >= count) resolve();
  }

  /** Asks with one request id until the answer is final. */
  private async ask(client: BankClient, asked: Asked): Promise<void> {
    for (;;) {
      try {
        const { transaction } = await book(client, asked);
        this.remember(asked, { kind: "booked", transaction });
        return;
      } catch (error) {
        if (!(error instanceof BankError)) throw error;
        if (error.outcome !== "REJECTED") continue;
        this.remember(asked, { kind: "rejected", reason: error.reason });
        return;
      }
    }
  }
}

function book(client: BankClient, { requestId, move }: Asked): Promise<Booked> {
  const amount = { currency: "USD", minor: move.minor };
  switch (move.kind) {
    case "deposit":
      return client.deposit(move.account, amount, { requestId });
    case "withdraw":
      return client.withdraw(move.account, amount, { requestId });
    case "transfer":
      return client.transfer(move.from, move.to, amount, { requestId });
  }
}

function randomMove(accounts: readonly string[], random: Random): Move {
  const minor = BigInt(1 + random.below(30_000));
  const account = random.pick(accounts);
  switch (random.below(3)) {
    case 0:
      return { kind: "deposit", account, minor };
    case 1:
      return { kind: "withdraw", account, minor };
    default:
      return { kind: "transfer", from: account, to: random.pick(accounts.filter((other) => other !== account)), minor };
  }
}

/** Reads a stopped server's journal, replaying all of it with every check. */
export async function readJournal(folder: string): Promise<WholeJournal> {
  const store = openStore(`sqlite:${folder}`);
  const { bankId } = await store.open();
  try {
    if (bankId === undefined) throw new Error(`no bank lives in ${folder}`);
    return await readWholeJournal(store, bankId);
  } finally {
    await store.close();
  }
}

/**
 * Adds the journal up by itself, record by record: no customer's balance is ever negative, all accounts together always
 * hold zero, and the ledger's balances at the end are these. Throws otherwise.
 */
export function checkMoney({ records, replay: { ledger } }: WholeJournal): ReadonlyMap<string, bigint> {
  const balances = new Map<string, bigint>();
  let total = 0n;
  for (const { position, record } of records) {
    if (record.kind === RecordKind.ACCOUNT_OPENED) balances.set(ledger.referenceOf(record.account), 0n);
    if (record.kind > RecordKind.TRANSFER || !("debit" in record)) continue;
    for (const [index, minor] of [
      [record.debit, -record.amount],
      [record.credit, record.amount],
    ] as const) {
      const account = ledger.referenceOf(index);
      const balance = (balances.get(account) ?? 0n) + minor;
      if (balance < 0n && ledger.isCustomerAccount(index))
        throw new Error(`account ${account} is overdrawn at position ${position}: ${balance}`);
      balances.set(account, balance);
      total += minor;
    }
    if (total !== 0n) throw new Error(`all accounts together hold ${total} at position ${position}`);
  }
  for (const [account, balance] of balances) {
    const index = ledger.findAccount(account);
    if (index === undefined || ledger.viewAccount(index).posted !== balance)
      throw new Error(`the ledger and the sum of the journal differ about account ${account}`);
  }
  for (const [currency, sum] of totals(ledger)) if (sum !== 0n) throw new Error(`${currency} sums to ${sum}`);
  return balances;
}
