import { RefusalError } from "@bank/core";
import { connectErrorFromRefusal } from "@bank/rpc";
import { afterEach, expect } from "vitest";
import type { BankClient } from "./bank-client.ts";
import { BankError } from "./bank-error.ts";
import { type ConnectOptions, connectBank } from "./connect-bank.ts";
import type { FaultyConnection } from "./faulty-connection.test-util.ts";

export const usd = (minor: bigint) => ({ currency: "USD", minor });

/** The error of a server that refuses. */
export const said = (...refusal: ConstructorParameters<typeof RefusalError>) =>
  connectErrorFromRefusal(new RefusalError(...refusal));
export const storeRefused = () => said("STORE_REFUSED", { problem: "disk full" });
export const outcomeUnknown = () => said("OUTCOME_UNKNOWN", { problem: "it crashed", request_id: "x" });
export const overloaded = () => said("OVERLOADED", { waiting: "9" });

/** Ends a call at once, and did nothing. */
export const lossDetected = () => said("LOSS_DETECTED", { position: "1", witness: "branch 2", witness_position: "9" });

const open: BankClient[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

/** A client of servers in memory, each at `http://NAME`; the first is the one it connects to. Closed after the test. */
export function clientOf(
  servers: FaultyConnection | Readonly<Record<string, FaultyConnection>>,
  options: Partial<ConnectOptions> = {},
): BankClient {
  const byName = "transport" in servers ? { bank: servers as FaultyConnection } : servers;
  const client = connectBank({
    server: Object.keys(byName)[0] as string,
    retryDelayMs: 1,
    connect: (url) => byName[new URL(url).hostname] ?? expect.fail(`nobody is at ${url}`),
    ...options,
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
