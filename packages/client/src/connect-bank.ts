import { serverUrl } from "@bank/rpc";
import type { BankClient } from "./bank-client.ts";
import { BranchDirectory } from "./branch-directory.ts";
import type { CallerOptions } from "./caller.ts";
import { type Connect, Connections, connectQuickly } from "./connections.ts";
import { EpochMemory } from "./epoch-memory.ts";
import { readConsistencyOf, writePropagationOf } from "./messages/index.ts";
import { newSession } from "./new-session.ts";
import type { RetryNotice } from "./retry.ts";
import { RetryBudget } from "./retry-budget.ts";
import { ServerClient } from "./server-client.ts";
import { ServerPool } from "./server-pool.ts";
import type { AskedPropagation, Consistency } from "./types/index.ts";

const TIMEOUT_DEFAULT_MS = 10_000;
const RETRY_DELAY_MIN_MS = 25;
const RETRY_DELAY_MAX_MS = 500;

/** What a client is like, whatever it is connected to. */
export interface ClientOptions {
  /** How long all tries of a call together may take, 1 to 300,000 milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
  /** How current reads must be. Default: linearizable. */
  readonly consistency?: Consistency | undefined;
  /** How far mutations should have spread before they are answered. Default: bank. */
  readonly propagation?: AskedPropagation | undefined;
  /** The token of an earlier session, to go on with it. Default: a new session. */
  readonly session?: string | undefined;
  /** Told of every failed try that is followed by another. */
  readonly onRetry?: ((retry: RetryNotice) => void) | undefined;
  /** Smallest wait in milliseconds before servers are asked again; it doubles up to 500. Default: 25. */
  readonly retryDelayMs?: number | undefined;
  /** Opens a connection. Default: gRPC over HTTP/2. */
  readonly connect?: Connect | undefined;
}

/** Where to connect to, and what the client is like. */
export type ConnectOptions = ClientOptions &
  (
    | {
        /** The bank, or a branch: `HOST:PORT` or `http://HOST:PORT`. */
        readonly server: string;
      }
    | {
        /**
         * Servers of one bank, the preferred one first: where it does not answer, calls go to the next, and come back to
         * it a while after it works again. At least one.
         */
        readonly servers: readonly string[];
      }
  );

/**
 * A client of a bank or its branches. It connects with its first call, and again whenever a connection is lost. It must be
 * closed.
 *
 * Throws: `TypeError` for a server that is no address, for none, and for an unknown consistency or propagation;
 * `RangeError` for a timeout, or a number in them, out of range; `BankError` SESSION_INVALID for a token that is none.
 */
export function connectBank(options: ConnectOptions): BankClient {
  const connections = connectionsOf(options);
  return new ServerClient(callerOptions(options, connections), { connections, directory: new BranchDirectory() });
}

/** Makes the connections that these options ask for, once they are used. */
export function connectionsOf(options: ConnectOptions): Connections {
  const hasOthers = "servers" in options && options.servers.length > 1;
  return new Connections(options.connect ?? connectQuickly({ hasOthers }));
}

/** How calls are made as these options say. Throws as `connectBank`. */
export function callerOptions(options: ConnectOptions, connections: Connections): Omit<CallerOptions, "lifetime"> {
  const { timeoutMs = TIMEOUT_DEFAULT_MS, retryDelayMs = RETRY_DELAY_MIN_MS } = options;
  const { consistency = "linearizable", propagation = "bank" } = options;
  const urls = [...new Set(("servers" in options ? options.servers : [options.server]).map(serverUrl))];
  if (urls[0] === undefined) throw new TypeError("a client needs a server to connect to");
  return {
    pool: new ServerPool(urls.map((url) => connections.to(url))),
    session: newSession(options.session, urls[0]),
    epochs: new EpochMemory(),
    timeoutMs,
    consistency: readConsistencyOf(consistency),
    propagation: writePropagationOf(propagation),
    retry: {
      delayMinMs: retryDelayMs,
      delayMaxMs: Math.max(retryDelayMs, RETRY_DELAY_MAX_MS),
      budget: new RetryBudget(),
      onRetry: options.onRetry,
    },
  };
}
