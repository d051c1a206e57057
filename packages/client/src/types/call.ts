import type { Consistency } from "./consistency.ts";
import type { AskedPropagation, Propagation } from "./propagation.ts";

/** Options of every call. */
export interface CallOptions {
  /** How long all tries together may take, 1 to 300,000 milliseconds. Default: the client's. */
  readonly timeoutMs?: number | undefined;
  /** Ends the call: it rejects with `CANCELED`. A mutation that was under way then has an unknown outcome. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of every read. */
export interface ReadOptions extends CallOptions {
  /** How current the answer must be. Default: the client's. */
  readonly consistency?: Consistency | undefined;
}

/** Options of every list. */
export interface ListOptions extends ReadOptions {
  /** Entries a page; more than 1,000 means 1,000, a negative number is INVALID_REQUEST. Default: 100. */
  readonly pageSize?: number | undefined;
}

/** Options of a list of which one page is asked for. */
export interface PageOptions {
  /** From the page before, of the same list with the same options. Default: the first page. */
  readonly pageToken?: string | undefined;
}

/** Options of every call that changes something. */
export interface WriteOptions extends CallOptions {
  /** How far it should have spread before it is answered. Default: the client's. */
  readonly propagation?: AskedPropagation | undefined;
}

/** Options of every mutation. */
export interface MutationOptions extends WriteOptions {
  /**
   * A UUID that names this mutation for ever. Default: a new one for each call, kept over all its tries. Give the id of
   * an earlier call to find out what became of it: it is carried out once at the most.
   */
  readonly requestId?: string | undefined;
  /**
   * A preview: only tells what would happen, changes nothing and does not use up the request id. What would be rejected
   * rejects with that reason, and with the outcome NOT_APPLIED. Default: no.
   */
  readonly validateOnly?: boolean | undefined;
}

/** Options of the mutations of one account, for those who read before they write. */
export interface VersionedOptions extends MutationOptions {
  /**
   * The version that the account has in the caller's eyes, from 1: where it has another one, the call rejects with
   * STALE_VERSION, nothing is done and the request id is not used up. It is no part of what is asked: a retry under the
   * same id may name another. Of a transfer it is the account that pays, of a hold the account that it is on, of a
   * reversal the customer's account that the original is on (of a transfer, the one that paid). Default: any version.
   */
  readonly expectedVersion?: number | undefined;
}

/** What every answer says about the state that it was taken from. */
export interface ReadInfo {
  /** Position of that state: everything up to it, nothing behind it. */
  readonly position: number;
  /**
   * Journal time of that position, Unix milliseconds. Every read tells it. A mutation tells it where its answer shows
   * when it was done: undefined for changes of accounts and holds that move no money, and for previews.
   */
  readonly timeMs: number | undefined;
  /** Upper bound, in milliseconds, on how long ago that state was the newest; undefined when it cannot be known. */
  readonly stalenessMs: number | undefined;
  /** Whether the server that answered had a live link to the bank, by its own clock. The bank itself always has. */
  readonly connected: boolean;
  /** Number of the epoch of that position, from 1: each start of the bank, and each take-over, begins one. */
  readonly epoch: number;
  /**
   * What a reader of that state has seen, as an opaque token: `withSession` of another client goes on from it. The
   * client's own session holds it already. Undefined where the server does not say it.
   */
  readonly session: string | undefined;
}

/** What every page of a list says. */
export interface Page extends ReadInfo {
  /** Asks for the next page; undefined on the last. Opaque. */
  readonly nextPageToken: string | undefined;
}

/** What every done mutation says. */
export interface Done extends ReadInfo {
  readonly requestId: string;
  /** True when this answers a repeated request id: nothing was done again. */
  readonly replayed: boolean;
  /**
   * True when it was only asked what would happen: nothing was done. What it would have made (an account, a
   * transaction, a hold, a group) has no position, and says 0 for it; the answer's own `position` is that of the state
   * from which it was told. Where `replayed` is true too, the request id was answered before, and this is that answer.
   */
  readonly preview: boolean;
  /** How far it had spread when it was answered; undefined where no more was asked for than `bank`. */
  readonly propagation: Propagation | undefined;
}
