import { AppendUnknownError, StoreClosedError, StoreError } from "../errors.ts";
import type { HeldLease } from "./held-lease.ts";
import type { Session } from "./session.ts";

export type Phase =
  /** Holds nothing. Left by `open`. */
  | { readonly kind: "closed" }
  /** All is well. Left by `close`, by `recover`, and by a write of which nobody knows whether it was stored. */
  | { readonly kind: "open"; readonly session: Session }
  /** A write is in doubt. Reads still show what was acknowledged before it; no write until `recover`. */
  | { readonly kind: "doubtful"; readonly session: Session; readonly cause: unknown }
  /** `recover` gave up every connection, and has not gone on yet. `token` is the one that it puts in the lease. */
  | { readonly kind: "dropped"; readonly lease: HeldLease; readonly token: Buffer; readonly cause: unknown };

/** Throws: `StoreClosedError`; `StoreError` while it is not recovered. */
export function readableSession(phase: Phase, name: string): Session {
  switch (phase.kind) {
    case "closed":
      throw notOpen(name);
    case "dropped":
      throw new StoreError(`the store at ${name} is not recovered: recover it`, { cause: phase.cause });
    case "open":
    case "doubtful":
      return phase.session;
  }
}

/** Throws: `StoreClosedError`; `AppendUnknownError` while a write is in doubt. */
export function writableSession(phase: Phase, name: string): Session {
  switch (phase.kind) {
    case "closed":
      throw notOpen(name);
    case "dropped":
    case "doubtful":
      throw new AppendUnknownError(`an earlier write to ${name} is in doubt: recover the store first`, {
        cause: phase.cause,
      });
    case "open":
      return phase.session;
  }
}

export function notOpen(name: string): StoreClosedError {
  return new StoreClosedError(`the store at ${name} is not open`);
}
