import { randomUUID } from "node:crypto";
import type { GroupItem } from "@bank/core";
import type { BatchItem, Failure } from "@bank/proto";
import { failureFromConnectError, itemFromCommand } from "@bank/rpc";
import type { ServerClient } from "@bank/testkit";
import { ConnectError } from "@connectrpc/connect";
import { clientOf, startFollowing, startTestBank, type TestBank, type TestBranches } from "./servers.test-util.ts";

/** What the error of a call says, and the error itself. Rejects when the call succeeds, or fails without a reason. */
export async function failureOf(call: Promise<unknown>): Promise<Failure & { readonly error: ConnectError }> {
  try {
    await call;
  } catch (error) {
    const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
    if (failure === undefined) throw error;
    return { ...failure, error: error as ConnectError };
  }
  throw new Error("the call was expected to fail");
}

/** The reason of a failed call alone. */
export async function reasonOf(call: Promise<unknown>): Promise<string> {
  return (await failureOf(call)).reason;
}

/** Dollars. */
export function usd(minor: bigint | number) {
  return { currencyCode: "USD", amountMinor: BigInt(minor) };
}

/** Under an id of its own, as every mutation is asked for. */
export function asked<T extends object>(request: T): T & { readonly requestId: string } {
  return { requestId: randomUUID(), ...request };
}

/** An item of a batch, under an id of its own. */
export function item(command: GroupItem, requestId = randomUUID()): BatchItem {
  return itemFromCommand(command, { requestId });
}

/** A bank with a branch, and clients of both. */
export interface TestServers {
  readonly bank: TestBank;
  readonly branch: TestBranches;
  readonly atBank: ServerClient;
  readonly atBranch: ServerClient;
}

export async function startServers(options: Parameters<typeof startTestBank>[0] = {}): Promise<TestServers> {
  const bank = await startTestBank(options);
  const branch = await startFollowing(bank.url, [1]);
  return { bank, branch, atBank: clientOf(bank.url), atBranch: clientOf(branch.url) };
}

/** Everything is asked for in the same way at the bank and at a branch: which of them a test asks. */
export const PLACES = [
  { place: "the bank", branch: 0 },
  { place: "a branch", branch: 1 },
] as const;

/** The client of that place. */
export function clientAt({ atBank, atBranch }: TestServers, branch: number): ServerClient {
  return branch === 0 ? atBank : atBranch;
}

/** A new dollar account with so much money. Gives its number. */
export async function accountWith({ accounts, transactions }: ServerClient, minor: number): Promise<string> {
  const { account } = await accounts.openAccount(asked({ owner: "Ada", currencyCode: "USD" }));
  if (account === undefined) throw new Error("an account was opened");
  if (minor > 0) await transactions.deposit(asked({ account: account.number, amount: usd(minor) }));
  return account.number;
}

/** Digest of everything that a server knows, with the position that it is of. */
export async function digestAt(client: ServerClient): Promise<string> {
  const { digest, appliedPosition } = await client.status();
  return `${appliedPosition}: ${digest}`;
}
