import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Copied, catchUpRows, copyStore, type Log, recover, type Verified, verifyStore } from "@bank/replica";
import {
  CorruptStoreError,
  openStore,
  StoreError,
  StoreLockedError,
  type StoreState,
  withoutPassword,
} from "@bank/store";
import { journalFolder } from "./copy-id.ts";
import { nodePlatform } from "./platform.ts";

export interface VerifyStoreOptions {
  /** A store URL. No server may be using it. */
  readonly store: string;
  /** Write the rows of accounts anew where they are not those of the ledger, and the engine keeps some. */
  readonly repairRows?: boolean;
  readonly log: Log;
}

/** What a check has found. */
export type StoreReport =
  /** The store could be gone through. */
  | {
      readonly kind: "verified";
      readonly bankId: Uint8Array;
      /** Whether the rows of accounts were wrong, and were written anew. */
      readonly rowsRepaired: boolean;
      /** The epoch that the store is fenced to. */
      readonly fencedTo: number;
      readonly verified: Verified;
    }
  /** It contradicts itself so much that it cannot be opened. */
  | { readonly kind: "unreadable"; readonly problem: string };

/**
 * Checks a store from its first record to its end, with nobody using it meanwhile. The journal and the snapshots are only read.
 * Rejects with: `StoreError` while a server uses it, and where it cannot be reached; an `Error` where there is no bank.
 */
export async function verifyStoreAt({ store: url, repairRows = false, log }: VerifyStoreOptions): Promise<StoreReport> {
  requireJournal(url);
  const platform = nodePlatform(log);
  const store = openStore(url);
  let state: StoreState;
  try {
    state = await openAlone(() => store.open());
  } catch (error) {
    if (!(error instanceof CorruptStoreError)) throw error;
    return { kind: "unreadable", problem: error.message };
  }
  try {
    const { bankId } = state;
    if (bankId === undefined) throw new Error(`no bank lives in ${withoutPassword(url)}`);
    let verified = await verifyStore(store, state, platform);
    const rowsRepaired = repairRows && verified.damages.some(({ what }) => what === "account rows");
    if (rowsRepaired) {
      const { replay } = await recover(store, bankId, platform);
      await catchUpRows(store, replay.ledger, log, { always: true });
      verified = await verifyStore(store, state, platform);
    }
    return { kind: "verified", bankId, rowsRepaired, fencedTo: state.epoch, verified };
  } finally {
    await store.close();
  }
}

export interface CopyStoreOptions {
  /** A store URL. No server may be using it. */
  readonly from: string;
  /** A store URL: empty, or what an earlier copy of the same bank has come to. */
  readonly to: string;
  /** Let a bank start from the source after this. */
  readonly keepSourceUsable: boolean;
  readonly log: Log;
}

/**
 * Copies a bank to another store: see `copyStore`.
 * Rejects with: what that rejects with; `StoreError` while a server uses one of both.
 */
export async function copyStoreTo({ from, to, keepSourceUsable, log }: CopyStoreOptions): Promise<Copied> {
  requireJournal(from);
  if (from === to) throw new Error("--from and --to name the same store");
  const platform = nodePlatform(log);
  const source = openStore(from);
  const sourceState = await openAlone(() => source.open());
  try {
    const target = openStore(to);
    const targetState = await openAlone(() => target.open());
    try {
      return await copyStore(
        { store: source, state: sourceState },
        { store: target, state: targetState },
        { keepSourceUsable, platform },
      );
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Whether a journal was ever made there. Looks without opening the store, which would make one. */
export function holdsJournal(storeUrl: string): boolean {
  const folder = journalFolder(storeUrl);
  return folder === undefined || existsSync(join(folder, "journal.db")) || existsSync(join(folder, "lock.db"));
}

/** Throws where no journal was ever made. */
export function requireJournal(url: string): void {
  if (!holdsJournal(url)) throw new Error(`there is no journal in ${withoutPassword(url)}`);
}

/** Opens a store for a tool. Rejects with: `StoreError` while a server uses it. */
export async function openAlone(open: () => Promise<StoreState>): Promise<StoreState> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof StoreLockedError)) throw error;
    throw new StoreError(`the bank has to be stopped for this: ${error.message}`, { cause: error });
  }
}
