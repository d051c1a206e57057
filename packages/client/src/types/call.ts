import type { ConsistencyMode } from "@bank/rpc";

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
  readonly consistency?: ConsistencyMode | undefined;
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

/** Options of every mutation. */
export interface MutationOptions extends CallOptions {
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
  /** Upper bound on its age in milliseconds; undefined when the branch cannot know. */
  readonly stalenessMs: number | undefined;
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
}
