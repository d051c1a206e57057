import { RefusalError } from "@bank/core";
import { connectErrorFromRefusal } from "@bank/rpc";
import { afterEach, expect } from "vitest";
import type { BankClient } from "./bank-client.ts";
import { BankError } from "./bank-error.ts";
import { type ClientOptions, connectBank } from "./connect-bank.ts";
import type { FaultyConnection } from "./faulty-connection.test-util.ts";

export const usd = (minor: bigint) => ({ currency: "USD", minor });

/** The error of a server that refuses. */
export const said = (...refusal: ConstructorParameters<typeof RefusalError>) =>
  connectErrorFromRefusal(new RefusalError(...refusal));
export const storeRefused = () => said("STORE_REFUSED", {});
export const outcomeUnknown = () => said("OUTCOME_UNKNOWN", { problem: "it crashed", request_id: "x" });
export const overloaded = () => said("OVERLOADED", { waiting: "9" });

/** Ends a call at once, and did nothing. */
export const lossDetected = () => said("LOSS_DETECTED", { position: "1", witness: "branch 2", witness_position: "9" });

const open: BankClient[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

/** Servers in memory, each at `http://NAME`. */
type Named = Readonly<Record<string, FaultyConnection>>;

/** A client of the first of these servers; it finds the others as branches. Closed after the test. */
export function clientOf(servers: FaultyConnection | Named, options: ClientOptions = {}): BankClient {
  const byName: Named = "transport" in servers ? { bank: servers as FaultyConnection } : servers;
  return connected(byName, { server: Object.keys(byName)[0] as string }, options);
}

/** A client of all of these servers, which prefers them in their order. Closed after the test. */
export function clientOfAll(servers: Named, options: ClientOptions = {}): BankClient {
  return connected(servers, { servers: Object.keys(servers) }, options);
}

function connected(
  byName: Named,
  where: { readonly server: string } | { readonly servers: readonly string[] },
  options: ClientOptions,
): BankClient {
  const client = connectBank({
    retryDelayMs: 1,
    connect: (url) => byName[new URL(url).hostname] ?? expect.fail(`nobody is at ${url}`),
    ...options,
    ...where,
  });
  open.push(client);
  return client;
}

/** The error that a call must reject with. */
export async function failure(call: Promise<unknown>): Promise<BankError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BankError);
  return error as BankError;
}
