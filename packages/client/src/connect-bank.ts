import { CONSISTENCY_MODES, type ConsistencyMode, serverUrl } from "@bank/rpc";
import type { BankClient } from "./bank-client.ts";
import { BranchDirectory } from "./branch-directory.ts";
import { type Connect, Connections } from "./connections.ts";
import { newSession } from "./new-session.ts";
import type { RetryNotice } from "./retry.ts";
import { ServerClient } from "./server-client.ts";

const TIMEOUT_DEFAULT_MS = 10_000;
const RETRY_DELAY_MIN_MS = 25;
const RETRY_DELAY_MAX_MS = 1_000;

export interface ConnectOptions {
  /** The bank, or a branch: `HOST:PORT` or `http://HOST:PORT`. */
  readonly server: string;
  /** How long all tries of a call together may take, 1 to 300,000 milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
  /** How current reads must be. Default: linearizable. */
  readonly consistency?: ConsistencyMode | undefined;
  /** The token of an earlier session, to go on with it. Default: a new session. */
  readonly session?: string | undefined;
  /** Told of every failed try that is followed by another. */
  readonly onRetry?: ((retry: RetryNotice) => void) | undefined;
  /** Smallest wait between two tries in milliseconds; it doubles up to 1,000. Default: 25. */
  readonly retryDelayMs?: number | undefined;
  /** Opens a connection. Default: gRPC over HTTP/2. */
  readonly connect?: Connect | undefined;
}

/**
 * A client of a bank or a branch. It connects with its first call, and again whenever the connection is lost. It must be
 * closed.
 *
 * Throws: `TypeError` for a server that is no address, or an unknown consistency; `RangeError` for a timeout out of
 * range; `BankError` SESSION_INVALID for a token that is none.
 */
export function connectBank(options: ConnectOptions): BankClient {
  const { timeoutMs = TIMEOUT_DEFAULT_MS, consistency = "linearizable", retryDelayMs = RETRY_DELAY_MIN_MS } = options;
  if (!CONSISTENCY_MODES.includes(consistency)) throw new TypeError(`there is no consistency ${String(consistency)}`);
  const connections = new Connections(options.connect);
  const url = serverUrl(options.server);
  return new ServerClient(
    {
      server: connections.to(url),
      session: newSession(options.session, url),
      timeoutMs,
      consistency,
      retry: {
        delayMinMs: retryDelayMs,
        delayMaxMs: Math.max(retryDelayMs, RETRY_DELAY_MAX_MS),
        onRetry: options.onRetry,
      },
    },
    { connections, directory: new BranchDirectory() },
  );
}
