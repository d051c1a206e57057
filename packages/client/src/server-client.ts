import type { Money } from "@bank/core";
import type { ReadInfo as WireReadInfo, Transaction as WireTransaction } from "@bank/proto";
import type { BankClient } from "./bank-client.ts";
import { executeBatch } from "./batch.ts";
import type { BranchDirectory } from "./branch-directory.ts";
import { Caller, type CallerOptions } from "./caller.ts";
import type { Connections } from "./connections.ts";
import {
  accountOf,
  branchOf,
  moneyMessage,
  moneyOf,
  newAccountMessage,
  readInfoOf,
  safeNumber,
  transactionOf,
} from "./messages.ts";
import { newSession } from "./new-session.ts";
import { EndedCall } from "./retry.ts";
import type * as sdk from "./types/index.ts";

/** What all clients of one `connectBank` share. */
export interface Family {
  readonly connections: Connections;
  readonly directory: BranchDirectory;
}

/** The clients of one server: they differ in their sessions. */
export class ServerClient implements BankClient {
  private readonly caller: Caller;
  private readonly family: Family;
  private readonly ending = new AbortController();
  /** The client that `connectBank` gave has none. */
  private readonly parent: AbortSignal | undefined;

  constructor(options: Omit<CallerOptions, "lifetime">, family: Family, parent?: AbortSignal) {
    const own = this.ending.signal;
    this.caller = new Caller({ ...options, lifetime: parent === undefined ? own : AbortSignal.any([parent, own]) });
    this.family = family;
    this.parent = parent;
  }

  get server(): string {
    return this.caller.server.url;
  }

  get session(): string | undefined {
    return this.caller.options.session.token;
  }

  openAccount(account: sdk.NewAccount, options: sdk.MutationOptions = {}): Promise<sdk.AccountOpened> {
    return this.caller.mutate(
      options,
      (requestId, sending) => this.accounts.openAccount({ ...newAccountMessage(account), requestId }, sending),
      (reply, requestId) => ({ account: accountOf(reply.account), ...done(reply, requestId) }),
    );
  }

  getAccount(account: string, options: sdk.ReadOptions = {}): Promise<sdk.AccountReading> {
    return this.caller.read(
      options,
      (sending) => this.accounts.getAccount({ account }, sending),
      (reply) => ({ account: accountOf(reply.account), ...readInfoOf(reply.readInfo) }),
    );
  }

  async *listAccounts(options: sdk.ListAccountsOptions = {}): AsyncIterable<sdk.Account> {
    let pageToken: string | undefined;
    do {
      const page: sdk.AccountPage = await this.listAccountsPage({ ...options, pageToken });
      yield* page.accounts;
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
  }

  listAccountsPage(
    options: sdk.ListAccountsOptions & { readonly pageToken?: string | undefined } = {},
  ): Promise<sdk.AccountPage> {
    const { pageSize = 0, pageToken = "", includeInternal = false } = options;
    return this.caller.read(
      options,
      (sending) => this.accounts.listAccounts({ pageSize, pageToken, includeInternal }, sending),
      (reply) => ({
        accounts: reply.accounts.map(accountOf),
        nextPageToken: reply.nextPageToken === "" ? undefined : reply.nextPageToken,
        ...readInfoOf(reply.readInfo),
      }),
    );
  }

  balance(account: string, options: sdk.ReadOptions = {}): Promise<sdk.BalanceReading> {
    return this.caller.read(
      options,
      (sending) => this.accounts.getBalance({ account }, sending),
      ({ posted, version, readInfo }) => ({
        account,
        balance: moneyOf(posted),
        version: safeNumber(version),
        ...readInfoOf(readInfo),
      }),
    );
  }

  deposit(account: string, amount: Money, options: sdk.MutationOptions = {}): Promise<sdk.Booked> {
    return this.caller.mutate(
      options,
      async (requestId, sending) =>
        this.transactions.deposit({ requestId, account, amount: moneyMessage(amount) }, sending),
      booked,
    );
  }

  withdraw(account: string, amount: Money, options: sdk.MutationOptions = {}): Promise<sdk.Booked> {
    return this.caller.mutate(
      options,
      async (requestId, sending) =>
        this.transactions.withdraw({ requestId, account, amount: moneyMessage(amount) }, sending),
      booked,
    );
  }

  transfer(from: string, to: string, amount: Money, options: sdk.MutationOptions = {}): Promise<sdk.Booked> {
    return this.caller.mutate(
      options,
      async (requestId, sending) =>
        this.transactions.transfer(
          { requestId, fromAccount: from, toAccount: to, amount: moneyMessage(amount) },
          sending,
        ),
      booked,
    );
  }

  executeBatch(
    commands: readonly sdk.BatchCommand[],
    options: sdk.CallOptions = {},
  ): Promise<readonly sdk.BatchResult[]> {
    return executeBatch(this.caller, commands, options);
  }

  async branches(options: sdk.ReadOptions = {}): Promise<sdk.BranchList> {
    const list = await this.caller.read(
      options,
      (sending) => this.caller.server.branches.listBranches({}, sending),
      (reply) => ({ branches: reply.branches.map(branchOf), ...readInfoOf(reply.readInfo) }),
    );
    this.family.directory.learn(list.branches);
    return list;
  }

  thisBranch(options: sdk.ReadOptions = {}): Promise<sdk.BranchReading> {
    return this.caller.read(
      options,
      (sending) => this.caller.server.branches.getBranch({}, sending),
      (reply) => ({ branch: branchOf(reply.branch), ...readInfoOf(reply.readInfo) }),
    );
  }

  async branch(number: number, options: sdk.ReadOptions = {}): Promise<BankClient> {
    const { directory, connections } = this.family;
    const url = await directory.urlOf(number, this.server, {
      list: () => this.branches(options),
      self: () => this.thisBranch(options),
    });
    const { session, retry } = this.caller.options;
    const onRetry: typeof retry.onRetry = (notice) => {
      if (notice.reason === "CONNECTION_FAILED") directory.forget(url);
      retry.onRetry?.(notice);
    };
    return this.derived({ server: connections.to(url), session, retry: { ...retry, onRetry } });
  }

  withSession(token?: string): BankClient {
    return this.derived({ session: newSession(token, this.server) });
  }

  close(): void {
    this.ending.abort(new EndedCall("CLIENT_CLOSED"));
    if (this.parent === undefined) this.family.connections.close();
  }

  private get accounts() {
    return this.caller.server.accounts;
  }

  private get transactions() {
    return this.caller.server.transactions;
  }

  private derived(changes: Partial<Omit<CallerOptions, "lifetime">>): ServerClient {
    const { lifetime, ...options } = this.caller.options;
    return new ServerClient({ ...options, ...changes }, this.family, lifetime);
  }
}

interface MutationReply {
  readonly replayed: boolean;
  readonly readInfo?: WireReadInfo | undefined;
}

function done({ replayed, readInfo }: MutationReply, requestId: string): sdk.Done {
  return { requestId, replayed, ...readInfoOf(readInfo) };
}

function booked(
  reply: MutationReply & { readonly transaction?: WireTransaction | undefined },
  requestId: string,
): sdk.Booked {
  return { transaction: transactionOf(reply.transaction), ...done(reply, requestId) };
}
