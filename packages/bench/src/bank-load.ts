import { randomUUID } from "node:crypto";
import type { Position } from "@bank/core";
import {
  AccountService,
  AccountType,
  BatchItemSchema,
  DepositRequestSchema,
  JournalService,
  TransactionService,
  TransferRequestSchema,
} from "@bank/proto";
import { connectToServer } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";

/** Accounts that the load moves money between. */
export const ACCOUNTS = 1_000;
const OPENING_MINOR = 1_000_000_000n;
const SETUP_IN_FLIGHT = 64;

/** Asks a bank for deposits and transfers, and counts what it acknowledged. */
export class BankLoad {
  /** Movements that were acknowledged. */
  acknowledged = 0;
  private readonly transactions: Client<typeof TransactionService>;
  private readonly accounts: Client<typeof AccountService>;
  private readonly journal: Client<typeof JournalService>;
  private readonly connection: ReturnType<typeof connectToServer>;
  private next = 0;

  constructor(url: string) {
    this.connection = connectToServer(url);
    this.transactions = createClient(TransactionService, this.connection.transport);
    this.accounts = createClient(AccountService, this.connection.transport);
    this.journal = createClient(JournalService, this.connection.transport);
  }

  /** Opens the accounts and pays something into each. */
  async setUp(): Promise<void> {
    let opened = 0;
    const worker = async () => {
      while (opened < ACCOUNTS) {
        opened++;
        await this.accounts.openAccount({ requestId: randomUUID(), type: AccountType.SAVINGS, currencyCode: "USD" });
      }
    };
    await Promise.all(Array.from({ length: SETUP_IN_FLIGHT }, worker));
    const items = Array.from({ length: ACCOUNTS }, (_, i) =>
      create(BatchItemSchema, {
        command: { case: "deposit", value: deposit(String(i + 1), OPENING_MINOR) },
      }),
    );
    await this.executeBatch(items);
  }

  /** One deposit by a call of its own. */
  async deposit(): Promise<void> {
    await this.transactions.deposit(deposit(this.nextAccount(), 1n));
    this.acknowledged++;
  }

  /** So many transfers in one call. */
  async transfers(count: number): Promise<void> {
    const items = Array.from({ length: count }, () =>
      create(BatchItemSchema, {
        command: {
          case: "transfer",
          value: create(TransferRequestSchema, {
            requestId: randomUUID(),
            fromAccount: this.nextAccount(),
            toAccount: this.nextAccount(),
            amount: { currencyCode: "USD", amountMinor: 1n },
          }),
        },
      }),
    );
    await this.executeBatch(items);
  }

  /** How far the bank's journal goes. */
  async position(): Promise<Position> {
    const { position } = await this.journal.getPosition({});
    return Number(position);
  }

  close(): void {
    this.connection.close();
  }

  private async executeBatch(items: Parameters<typeof this.transactions.executeBatch>[0]["items"]): Promise<void> {
    const { results } = await this.transactions.executeBatch({ items: items ?? [] });
    for (const { result } of results) {
      if (result.case === "failure") throw new Error(`an item failed: ${result.value.message}`);
      if (result.case !== "transaction") throw new Error(`an item ended as ${result.case}`);
      this.acknowledged++;
    }
  }

  /** Round robin: two neighbours are never the same account. */
  private nextAccount(): string {
    this.next = (this.next % ACCOUNTS) + 1;
    return String(this.next);
  }
}

function deposit(account: string, amountMinor: bigint) {
  return create(DepositRequestSchema, {
    requestId: randomUUID(),
    account,
    amount: { currencyCode: "USD", amountMinor },
  });
}
