import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type DurabilityMember, type LedgerRecord, nextLine, type Position, RecordKind, toHex } from "@bank/core";
import type { Replay } from "@bank/journal";
import { type Log, recover } from "@bank/replica";
import { openStore } from "@bank/store";
import { AnchorFile } from "./anchor-file.ts";
import { COPY_ID_FILE, copyIdOfStore, journalFolder } from "./copy-id.ts";
import { syncFolder } from "./durable-file.ts";
import { EpochPromises } from "./epoch-promise.ts";
import { nodePlatform } from "./platform.ts";
import { type Candidate, lookAround, type OtherCopy } from "./promotion-candidates.ts";
import { branchStoreUrl, PromotionFile } from "./promotion-file.ts";
import { gatherPromises } from "./promotion-quorum.ts";
import { SYSTEM_ACTED, writeEpoch } from "./write-epoch.ts";

export interface PromoteOptions {
  /** Data folder of the branch. No server may be using it. */
  readonly dataDir: string;
  /** A store URL; `sqlite:` in the folder `journal` of the data folder where it is not said. */
  readonly store?: string;
  /** Further addresses where copies that count may be reached. */
  readonly memberUrls?: readonly string[];
  /** The operator's word that the old bank runs nowhere and never will. */
  readonly oldBankIsStopped: boolean;
  /** The operator's word that what only the old bank has, or copies that do not answer, is given up. */
  readonly acceptLoss: boolean;
  /** Go on although another copy holds more. */
  readonly evenThoughBehind: boolean;
  readonly log: Log;
}

/** What a promotion did. */
export interface Promoted {
  readonly bankId: Uint8Array;
  /** Where the branch's journal ended. */
  readonly position: Position;
  /** Number of the epoch that begins behind it. */
  readonly epoch: number;
  /** How many copies that count have promised to follow no older bank, of how many that were needed; 0 of 0 where none count. */
  readonly promises: { readonly given: number; readonly needed: number };
  /** Records that were taken from another copy, which held more. */
  readonly fetched: number;
  /** What a write must reach from now on. */
  readonly durability: { readonly copies: number; readonly branches: readonly number[] };
  /** Branches that were asked, and how far they are. */
  readonly others: readonly OtherCopy[];
  /** Store of the new bank. */
  readonly store: string;
}

/**
 * Makes the journal of a stopped branch the bank's. Where copies count towards durability, as many of them as any write
 * that was acknowledged must have reached promise to follow no older bank, and what they hold is taken over: nothing that
 * was acknowledged is lost. Where none count, nothing can keep the old bank from going on, and what had not reached this
 * branch is lost: the operator must say so.
 * Rejects with: `PromotionRefusedError`, which says what is missing, before anything is written but promises;
 * `StoreLockedError` while the branch runs; `CorruptStoreError`.
 */
export async function promote(options: PromoteOptions): Promise<Promoted> {
  const platform = nodePlatform(options.log);
  const promotion = new PromotionFile(options.dataDir).read();
  const storeUrl = promotion?.store ?? options.store ?? branchStoreUrl(options.dataDir);
  const folder = journalFolder(storeUrl);
  if (folder === undefined || !existsSync(join(folder, "journal.db")))
    throw new Error(`there is no journal of a branch in ${folder ?? storeUrl}`);
  const store = openStore(storeUrl);
  const { bankId } = await store.open();
  try {
    if (bankId === undefined) throw new Error(`the journal in ${folder} is of no bank: its branch never reached one`);
    const { replay } = await recover(store, bankId, platform);
    if ((replay.ledger.currentEpoch()?.number ?? 0) >= (promotion?.epoch ?? Number.POSITIVE_INFINITY))
      throw new Error(`the journal of ${options.dataDir} is the bank's already: start bank-server with it`);
    const copyId = copyIdOfStore(storeUrl, platform);
    return await begin(
      { store, storeUrl, folder, replay, copyId, platform, promises: new EpochPromises(folder) },
      options,
    );
  } finally {
    await store.close();
  }
}

/** The folder that is to be promoted, with its store open. */
export interface OpenCandidate extends Candidate {
  readonly storeUrl: string;
  readonly folder: string;
  readonly promises: EpochPromises;
}

async function begin(candidate: OpenCandidate, options: PromoteOptions): Promise<Promoted> {
  const { replay, store, storeUrl, copyId, platform, promises } = candidate;
  const { ledger } = replay;
  const before = ledger.position;
  const { others, quorum } =
    ledger.durability.copies > 0
      ? await gatherPromises(candidate, options)
      : { others: await lookAround(candidate, options), quorum: undefined };
  const position = ledger.position;
  const epoch = quorum?.epoch ?? nextLine(Math.max(ledger.currentEpoch()?.number ?? 0, promises.epoch));
  // Copies that gave no promise may never be there again, and no write would count without them.
  const remaining = quorum === undefined ? withoutCopies(replay) : withoutPromoted(replay, copyId);
  new PromotionFile(options.dataDir).write({ epoch, from: copyId, store: storeUrl });
  const begun = { number: epoch, lossAccepted: true, promotedFrom: copyId };
  await writeEpoch(store, replay, platform, begun, countedAnew(remaining));
  forgetCopyId(candidate.folder);
  await writeAnchor(replay, options);
  const { copies, members } = ledger.durability;
  return {
    bankId: replay.bankId,
    position,
    epoch,
    promises: { given: quorum?.given ?? 0, needed: quorum?.needed ?? 0 },
    fetched: position - before,
    durability: { copies, branches: members.map(({ branch }) => branch) },
    others,
    store: storeUrl,
  };
}

/**
 * The records by which other copies count, and one more, which says that these are committed. They need not be acknowledged
 * by those that counted before: of these, as many as a later promotion needs are among those that are left.
 */
function countedAnew(counted: Counted | undefined): readonly LedgerRecord[] {
  if (counted === undefined) return [];
  return [
    { ...SYSTEM_ACTED, kind: RecordKind.DURABILITY_SET, ...counted },
    { ...SYSTEM_ACTED, kind: RecordKind.TIME_TICKED },
  ];
}

interface Counted {
  readonly copies: number;
  readonly members: readonly DurabilityMember[];
}

/** None count any more; undefined where none did. */
function withoutCopies({ ledger }: Replay): Counted | undefined {
  return ledger.durability.copies === 0 ? undefined : { copies: 0, members: [] };
}

/**
 * The copies that count once this one is the bank's: it is no witness of itself any more. undefined where nothing changes.
 * As many of the others must have a write as before, or all of them where there are fewer.
 */
function withoutPromoted({ ledger }: Replay, copyId: Uint8Array): Counted | undefined {
  const own = toHex(copyId);
  const { copies, members } = ledger.durability;
  const others = members.filter((member) => toHex(member.copyId) !== own);
  return others.length === members.length ? undefined : { copies: Math.min(copies, others.length), members: others };
}

/** The bank's journal is another copy than the branch's was: whoever counted that one must not count this. */
function forgetCopyId(folder: string): void {
  rmSync(join(folder, COPY_ID_FILE), { force: true });
  syncFolder(folder);
}

async function writeAnchor({ ledger, bankId, chainHash }: Replay, { dataDir, log }: PromoteOptions): Promise<void> {
  const epochId = ledger.currentEpoch()?.id;
  const anchor = new AnchorFile(dataDir, log);
  if (epochId !== undefined) anchor.update({ bankId, epochId, position: ledger.position, chainHash });
  await anchor.close();
}
