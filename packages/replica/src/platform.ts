import type { Sha256 } from "@bank/journal";

/** What the logic of a replica needs from its surroundings. The simulator has its own. */
export interface Platform {
  /** Unix milliseconds; may jump. */
  wallMs(): number;
  /** Milliseconds since some moment; never jumps. */
  monotonicMs(): number;
  /** Cryptographically random bytes. */
  randomBytes(count: number): Uint8Array;
  /** Evenly distributed in [0, 1); for jitter. */
  random(): number;
  /** Runs the function after everything that is ready now has run. */
  defer(run: () => void): void;
  /** Resolves after the time, or rejects with the signal's reason. */
  delay(ms: number, signal: AbortSignal): Promise<void>;
  /** A signal that aborts after the time. */
  timeout(ms: number): AbortSignal;
  readonly sha256: Sha256;
  readonly log: Log;
}

/** Structured log lines, one event each. */
export interface Log {
  info(event: string, fields?: Readonly<Record<string, string | number>>): void;
  warn(event: string, fields?: Readonly<Record<string, string | number>>): void;
  error(event: string, fields?: Readonly<Record<string, string | number>>): void;
}

/** Text of whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
