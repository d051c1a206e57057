import type { Money } from "@bank/core";
import type { BankClient } from "./bank-client.ts";
import { executeBatch } from "./batch.ts";
import type { BranchDirectory } from "./branch-directory.ts";
import { Caller, type CallerOptions } from "./caller.ts";
import type { Connections } from "./connections.ts";
import * as wire from "./messages/index.ts";
import { MovementQueue } from "./movement-queue.ts";
import { newSession } from "./new-session.ts";
import { entriesOfPages } from "./pages.ts";
import { cancelRequest, readOutcome } from "./request-outcome.ts";
import { EndedCall } from "./retry.ts";
import { ServerPool } from "./server-pool.ts";
import type * as sdk from "./types/index.ts";

/** What all clients of one `connectBank` share. */
export interface Family {
  readonly connections: Connections;
  readonly directory: BranchDirectory;
}

/** A client of one server, or of several that stand in for each other. */
export class ServerClient implements BankClient {
  private readonly caller: Caller;
  private readonly movements: MovementQueue;
  private readonly family: Family;
  private readonly ending = new AbortController();
  /** The client that `connectBank` gave has none. */
  private readonly parent: AbortSignal | undefined;

  constructor(options: Omit<CallerOptions, "lifetime">, family: Family, parent?: AbortSignal) {
    const own = this.ending.signal;
    this.caller = new Caller({ ...options, lifetime: parent === undefined ? own : AbortSignal.any([parent, own]) });
    this.movements = new MovementQueue(this.caller);
    this.family = family;
    this.parent = parent;
  }

  get server(): string {
    return this.caller.server.url;
  }

  get servers(): readonly string[] {
    return this.caller.options.pool.servers.map(({ url }) => url);
  }

  get session(): string | undefined {
    return this.caller.options.session.token;
  }

  openAccount(account: sdk.NewAccount, options: sdk.MutationOptions = {}): Promise<sdk.AccountOpened> {
    return this.caller.mutate(
      options,
      (head, sending, server) => server.accounts.openAccount(wire.openAccountMessage(account, head), sending),
      ({ account: opened }) => ({ account: wire.accountOf(opened) }),
    );
  }

  updateAccount(
    account: string,
    changes: sdk.AccountChanges,
    options: sdk.VersionedOptions = {},
  ): Promise<sdk.AccountUpdated> {
    const command = { ...changes, account, expectedVersion: options.expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.accounts.updateAccount(wire.updateAccountMessage(command, head), sending),
      ({ update }) => ({ update: wire.accountUpdateOf(update) }),
    );
  }

  freezeAccount(account: string, options: sdk.VersionedOptions = {}): Promise<sdk.AccountStateChanged> {
    const command = { account, expectedVersion: options.expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.accounts.freezeAccount(wire.accountFields(command, head), sending),
      ({ change }) => ({ change: wire.accountStateChangeOf(change) }),
    );
  }

  unfreezeAccount(account: string, options: sdk.VersionedOptions = {}): Promise<sdk.AccountStateChanged> {
    const command = { account, expectedVersion: options.expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.accounts.unfreezeAccount(wire.accountFields(command, head), sending),
      ({ change }) => ({ change: wire.accountStateChangeOf(change) }),
    );
  }

  closeAccount(account: string, options: sdk.VersionedOptions = {}): Promise<sdk.AccountStateChanged> {
    const command = { account, expectedVersion: options.expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.accounts.closeAccount(wire.accountFields(command, head), sending),
      ({ change }) => ({ change: wire.accountStateChangeOf(change) }),
    );
  }

  getAccount(account: string, options: sdk.ReadOptions = {}): Promise<sdk.AccountReading> {
    return this.caller.read(
      options,
      (sending, server) => server.accounts.getAccount({ account }, sending),
      (reply) => ({ account: wire.accountOf(reply.account), ...wire.readInfoOf(reply.readInfo) }),
    );
  }

  listAccounts(options: sdk.ListAccountsOptions = {}): AsyncIterable<sdk.Account> {
    return entriesOfPages(
      (pageToken) => this.listAccountsPage({ ...options, pageToken }),
      ({ accounts }) => accounts,
    );
  }

  listAccountsPage(options: sdk.ListAccountsOptions & sdk.PageOptions = {}): Promise<sdk.AccountPage> {
    const { pageSize = 0, pageToken = "", includeInternal = false } = options;
    return this.caller.read(
      options,
      async (sending, server) => {
        const request = { pageSize: wire.pageSizeMessage(pageSize), pageToken, includeInternal };
        return server.accounts.listAccounts(request, sending);
      },
      (reply) => ({ accounts: reply.accounts.map(wire.accountOf), ...wire.pageOf(reply) }),
    );
  }

  balance(account: string, options: sdk.ReadOptions = {}): Promise<sdk.BalanceReading> {
    return this.caller.read(
      options,
      (sending, server) => server.accounts.getBalance({ account }, sending),
      (reply) => wire.balanceOf(account, reply),
    );
  }

  deposit(account: string, amount: Money, options: sdk.VersionedOptions = {}): Promise<sdk.Booked> {
    return this.movements.book(undefined, account, amount, options);
  }

  withdraw(account: string, amount: Money, options: sdk.VersionedOptions = {}): Promise<sdk.Booked> {
    return this.movements.book(account, undefined, amount, options);
  }

  transfer(from: string, to: string, amount: Money, options: sdk.VersionedOptions = {}): Promise<sdk.Booked> {
    return this.movements.book(from, to, amount, options);
  }

  whenRoom(): Promise<void> {
    return this.movements.whenRoom();
  }

  reverse(transaction: number, options: sdk.VersionedOptions = {}): Promise<sdk.Booked> {
    const command = { transaction, expectedVersion: options.expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.transactions.reverseTransaction(wire.reverseMessage(command, head), sending),
      ({ transaction }) => ({ transaction: wire.transactionOf(transaction) }),
    );
  }

  applyInterest(account: string, rate: string, options: sdk.VersionedOptions = {}): Promise<sdk.InterestApplied> {
    const command = { account, rate, expectedVersion: options.expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.transactions.applyInterest(wire.applyInterestMessage(command, head), sending),
      ({ interest }) => ({ interest: wire.interestOf(interest) }),
    );
  }

  placeHold(account: string, amount: Money, options: sdk.PlaceHoldOptions = {}): Promise<sdk.HoldChanged> {
    const { expiresAtMs, expectedVersion } = options;
    const command = { account, amount, expiresAtMs, expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.holds.placeHold(wire.placeHoldMessage(command, head), sending),
      ({ hold }) => ({ hold: wire.holdOf(hold) }),
    );
  }

  captureHold(hold: number, options: sdk.CaptureHoldOptions = {}): Promise<sdk.HoldCaptured> {
    const { amount, to, expectedVersion } = options;
    const command = { hold, amount, to, expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.holds.captureHold(wire.captureHoldMessage(command, head), sending),
      ({ capture }) => ({ capture: wire.captureOf(capture) }),
    );
  }

  releaseHold(hold: number, options: sdk.VersionedOptions = {}): Promise<sdk.HoldChanged> {
    const command = { hold, expectedVersion: options.expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.holds.releaseHold(wire.releaseHoldMessage(command, head), sending),
      ({ hold }) => ({ hold: wire.holdOf(hold) }),
    );
  }

  extendHold(hold: number, expiresAtMs: number, options: sdk.VersionedOptions = {}): Promise<sdk.HoldChanged> {
    const command = { hold, expiresAtMs, expectedVersion: options.expectedVersion };
    return this.caller.mutate(
      options,
      (head, sending, server) => server.holds.extendHold(wire.extendHoldMessage(command, head), sending),
      ({ hold }) => ({ hold: wire.holdOf(hold) }),
    );
  }

  getHold(hold: number, options: sdk.ReadOptions = {}): Promise<sdk.HoldReading> {
    return this.caller.read(
      options,
      async (sending, server) => server.holds.getHold({ hold: wire.ordinalMessage("hold", hold) }, sending),
      (reply) => ({ hold: wire.holdOf(reply.hold), ...wire.readInfoOf(reply.readInfo) }),
    );
  }

  holds(account: string, options: sdk.ListOptions = {}): AsyncIterable<sdk.Hold> {
    return entriesOfPages(
      (pageToken) => this.holdsPage(account, { ...options, pageToken }),
      ({ holds }) => holds,
    );
  }

  holdsPage(account: string, options: sdk.ListOptions & sdk.PageOptions = {}): Promise<sdk.HoldPage> {
    const { pageSize = 0, pageToken = "" } = options;
    return this.caller.read(
      options,
      async (sending, server) => {
        const request = { account, pageSize: wire.pageSizeMessage(pageSize), pageToken };
        return server.holds.listHolds(request, sending);
      },
      (reply) => ({ holds: reply.holds.map(wire.holdOf), ...wire.pageOf(reply) }),
    );
  }

  executeGroup(commands: readonly sdk.GroupCommand[], options: sdk.MutationOptions = {}): Promise<sdk.GroupExecuted> {
    return this.caller.mutate(
      options,
      (head, sending, server) => server.transactions.executeGroup(wire.groupMessage(commands, head), sending),
      ({ group }) => ({ group: wire.resultOfGroup(commands, group) }),
    );
  }

  executeBatch(
    commands: readonly sdk.BatchCommand[],
    options: sdk.WriteOptions = {},
  ): Promise<readonly sdk.BatchResult[]> {
    return executeBatch(this.caller, commands, options);
  }

  transaction(transaction: number, options: sdk.ReadOptions = {}): Promise<sdk.TransactionReading> {
    return this.caller.read(
      options,
      async (sending, server) => {
        const request = { transaction: wire.ordinalMessage("transaction", transaction) };
        return server.transactions.getTransaction(request, sending);
      },
      (reply) => ({ transaction: wire.transactionOf(reply.transaction), ...wire.readInfoOf(reply.readInfo) }),
    );
  }

  transactions(account: string, options: sdk.ListTransactionsOptions = {}): AsyncIterable<sdk.AccountTransaction> {
    return entriesOfPages(
      (pageToken) => this.transactionsPage(account, { ...options, pageToken }),
      ({ transactions }) => transactions,
    );
  }

  transactionsPage(
    account: string,
    options: sdk.ListTransactionsOptions & sdk.PageOptions = {},
  ): Promise<sdk.TransactionPage> {
    const { pageSize = 0, pageToken = "", oldestFirst = false } = options;
    return this.caller.read(
      options,
      async (sending, server) => {
        const filter = wire.transactionFilterMessage(options);
        const request = { account, pageSize: wire.pageSizeMessage(pageSize), pageToken, oldestFirst, filter };
        return server.transactions.listTransactions(request, sending);
      },
      (reply) => ({ transactions: reply.transactions.map(wire.accountTransactionOf), ...wire.pageOf(reply) }),
    );
  }

  outcome(requestId: string, options: sdk.ReadOptions = {}): Promise<sdk.RequestOutcome> {
    return readOutcome(this.caller, requestId, options);
  }

  cancelRequest(requestId: string, options: sdk.CallOptions = {}): Promise<sdk.FinalOutcome> {
    return cancelRequest(this.caller, requestId, options);
  }

  async branches(options: sdk.ReadOptions = {}): Promise<sdk.BranchList> {
    const list = await this.caller.read(
      options,
      (sending, server) => server.branches.listBranches({}, sending),
      (reply) => ({
        branches: reply.branches.map(wire.branchOf),
        durability: wire.durabilityOf(reply.durability),
        ...wire.readInfoOf(reply.readInfo),
      }),
    );
    this.family.directory.learn(list.branches);
    return list;
  }

  thisBranch(options: sdk.ReadOptions = {}): Promise<sdk.BranchReading> {
    return this.caller.read(
      options,
      (sending, server) => server.branches.getBranch({}, sending),
      (reply) => ({ branch: wire.branchOf(reply.branch), ...wire.readInfoOf(reply.readInfo) }),
    );
  }

  updateBranch(
    number: number,
    change: sdk.BranchChange,
    options: Omit<sdk.MutationOptions, "validateOnly"> = {},
  ): Promise<sdk.BranchUpdated> {
    return this.caller.mutate(
      options,
      async ({ requestId }, sending, server) =>
        server.branches.updateBranch(wire.updateBranchMessage(number, change, requestId), sending),
      ({ branch }) => ({ branch: wire.branchOf(branch) }),
    );
  }

  setDurability(
    durability: Pick<sdk.Durability, "copies" | "branches">,
    options: Omit<sdk.MutationOptions, "validateOnly"> = {},
  ): Promise<sdk.DurabilitySet> {
    return this.caller.mutate(
      options,
      async ({ requestId }, sending, server) =>
        server.branches.setDurability(wire.setDurabilityMessage(durability, requestId), sending),
      (reply) => ({ durability: wire.durabilityOf(reply.durability) }),
    );
  }

  async branch(number: number, options: sdk.ReadOptions = {}): Promise<BankClient> {
    const { directory, connections } = this.family;
    const url = await directory.urlOf(number, this.servers, {
      list: () => this.branches(options),
      self: (server) => this.at(server).thisBranch(options),
    });
    const { session, retry } = this.caller.options;
    const onRetry: typeof retry.onRetry = (notice) => {
      if (notice.reason === "CONNECTION_FAILED") directory.forget(url);
      retry.onRetry?.(notice);
    };
    return this.derived({ pool: new ServerPool([connections.to(url)]), session, retry: { ...retry, onRetry } });
  }

  withSession(token?: string): BankClient {
    return this.derived({ session: newSession(token, this.server) });
  }

  close(): void {
    this.ending.abort(new EndedCall("CLIENT_CLOSED"));
    if (this.parent === undefined) this.family.connections.close();
  }

  /** The same client at one of its servers alone. */
  private at(server: string): ServerClient {
    return this.derived({ pool: new ServerPool([this.family.connections.to(server)]) });
  }

  private derived(changes: Partial<Omit<CallerOptions, "lifetime">>): ServerClient {
    const { lifetime, ...options } = this.caller.options;
    return new ServerClient({ ...options, ...changes }, this.family, lifetime);
  }
}
