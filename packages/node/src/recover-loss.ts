import { open } from "node:fs/promises";
import { join } from "node:path";
import { bytesEqual, type Ledger, nextLine, type Position, RecordKind, toHex } from "@bank/core";
import { applyFrame, decodeFrame, type Replay } from "@bank/journal";
import { BankReplica, errorText, findLosses, type Log, type Platform, recover } from "@bank/replica";
import { type JournalStore, openStore } from "@bank/store";
import { AnchorFile } from "./anchor-file.ts";
import { urlOf } from "./ask-branches.ts";
import { askWitnesses, WITNESS_TIMEOUT_MS } from "./ask-witnesses.ts";
import { RemoteJournal } from "./bank-link.ts";
import { nodePlatform } from "./platform.ts";
import { SNAPSHOT_EVERY_RECORDS } from "./start-bank.ts";

/** A question to a branch that takes longer has failed. */
const CALL_TIMEOUT_MS = 5_000;

export interface LossOptions {
  /** The bank's data folder. No server may be using it. */
  readonly dataDir: string;
  /** A store URL; `sqlite:` in the data folder where it is not said. */
  readonly store?: string;
  readonly log: Log;
  readonly witnessTimeoutMs?: number;
}

/** What `healFrom` did. */
export interface Healed {
  readonly from: Position;
  readonly to: Position;
}

/**
 * Takes the records that this bank has lost from a branch that has them. Each batch must continue the bank's own chain,
 * so that nothing can come in that the bank did not once commit.
 * Rejects when the branch cannot be reached, or its journal does not continue this one.
 */
export async function healFrom(url: string, options: LossOptions): Promise<Healed> {
  const platform = nodePlatform(options.log);
  const store = openStore(options.store ?? `sqlite:${options.dataDir}`);
  const { bankId } = await store.open();
  try {
    if (bankId === undefined) throw new Error(`no bank lives in ${options.dataDir}`);
    const { replay } = await recover(store, bankId, platform);
    const from = replay.ledger.position;
    await copyTail(store, replay, url, platform);
    return { from, to: replay.ledger.position };
  } finally {
    await store.close();
  }
}

/** What `acceptLoss` did. */
export interface AcceptedLoss {
  /** Where the journal ended, and the new epoch begins behind. */
  readonly position: Position;
  /** Records that branches still hold and the bank gave up. */
  readonly exportedRecords: number;
  /** Where they were written, as JSON lines; undefined if no branch could give any. */
  readonly exportFile: string | undefined;
}

/**
 * Gives up what witnesses have and this journal lacks: exports the records that branches still hold, and begins an
 * epoch that says so. Branches that hold such records put their copies aside when they next connect.
 * Rejects when nothing is missing.
 */
export async function acceptLoss(options: LossOptions): Promise<AcceptedLoss> {
  const platform = nodePlatform(options.log);
  const anchor = new AnchorFile(options.dataDir, options.log);
  const store = openStore(options.store ?? `sqlite:${options.dataDir}`);
  let exported: Exported | undefined;
  let position = 0;
  const bank = await BankReplica.open({
    store,
    platform,
    snapshotEveryRecords: SNAPSHOT_EVERY_RECORDS,
    acceptLoss: true,
    raiseFormatLevel: false,
    askWitnesses: async (ledger) => {
      position = ledger.position;
      const witnesses = await askWitnesses(ledger, { store, anchor, timeoutMs: options.witnessTimeoutMs, platform });
      const losses = await findLosses(store, ledger, witnesses);
      if (losses.length === 0) throw new Error("nothing is missing: no witness knows more than this journal holds");
      // The one that holds most comes first; another is asked only where that one is gone again.
      for (const { witness } of losses) {
        const url = urlOf(witness);
        if (url !== undefined && exported === undefined)
          exported = await tryExport(url, ledger, store, options, platform);
      }
      return witnesses;
    },
    onFatal: () => undefined,
    onCommitted: () => undefined,
  });
  const { position: end, chainHash, epochId } = await bank.head(0);
  if (chainHash !== undefined && epochId !== undefined)
    anchor.update({ bankId: bank.bankId, epochId, position: end, chainHash });
  await anchor.close();
  await bank.close();
  return { position, exportedRecords: exported?.records ?? 0, exportFile: exported?.file };
}

/** Takes what a branch has behind the end of an open store, and checks that it continues the journal there. */
export async function copyTail(store: JournalStore, replay: Replay, url: string, platform: Platform): Promise<void> {
  const journal = new RemoteJournal(url, "the bank, healing");
  const done = new AbortController();
  try {
    const { position: target, newestEpoch } = await journal.head(platform.timeout(WITNESS_TIMEOUT_MS));
    requireSameLine(replay, newestEpoch, url);
    const head = { position: replay.ledger.position, chainHash: replay.chainHash };
    if (target <= head.position) return;
    const from = { ...head, bankId: replay.bankId, epochId: replay.ledger.currentEpoch()?.id };
    for await (const { received } of journal.openJournal(from, done.signal)) {
      if (received === undefined) continue;
      const previousHash = replay.chainHash;
      const { header, records } = applyFrame(replay, received, platform.sha256);
      replay.ledger.forgetUndo(replay.ledger.position);
      for (const record of records) if (record.kind === RecordKind.EPOCH_BEGUN) await store.fence(record.number);
      const { frame, chainHash } = received;
      const lastPosition = replay.ledger.position;
      await store.append([{ firstPosition: header.firstPosition, lastPosition, frame, previousHash, chainHash }], {
        epoch: replay.ledger.currentEpoch()?.number ?? 0,
      });
      if (lastPosition >= target) return;
    }
  } finally {
    done.abort(new Error("healing is done"));
    journal.close();
  }
}

/** With the records of a bank that has taken its place, a bank would go on as a second one. */
function requireSameLine({ ledger }: Replay, newestEpoch: number, url: string): void {
  const own = ledger.currentEpoch()?.number ?? 0;
  if (newestEpoch < nextLine(own)) return;
  throw new Error(
    `${url} is of epoch ${newestEpoch}, and this journal ends in epoch ${own}: another bank has taken its place since. ` +
      "Start a branch with a new data folder instead of the bank.",
  );
}

interface Exported {
  readonly records: number;
  readonly file: string;
}

async function tryExport(...args: Parameters<typeof exportRecords>): Promise<Exported | undefined> {
  const [url, , , { log }] = args;
  try {
    return await exportRecords(...args);
  } catch (error) {
    // What is given up is kept by its branch too, which puts its copy aside.
    log.error("records not exported", { from: url, problem: errorText(error) });
    return undefined;
  }
}

/** Writes what a branch holds behind the last batch that both have to a file in the data folder, one record a line. */
async function exportRecords(
  url: string,
  ledger: Ledger,
  store: JournalStore,
  options: LossOptions,
  platform: Platform,
): Promise<Exported> {
  const journal = new RemoteJournal(url, "the bank, exporting");
  const done = new AbortController();
  try {
    const { position: target, bankId, epochId } = await journal.head(platform.timeout(CALL_TIMEOUT_MS));
    const fork = await findFork(journal, store, Math.min(ledger.position, target), platform);
    const path = join(options.dataDir, `given-up-after-${fork.position}-${platform.wallMs()}.jsonl`);
    const file = await open(path, "wx", 0o600);
    let count = 0;
    try {
      const from = { ...fork, bankId, epochId };
      for await (const { received, lastPosition } of journal.openJournal(from, done.signal)) {
        if (received === undefined) continue;
        const { header, records } = decodeFrame(received.frame);
        for (const [i, record] of records.slice().entries())
          await file.write(`${recordLine(record, header.firstPosition + i, header.timeMs)}\n`);
        count += records.length;
        if (lastPosition >= target) break;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    return { records: count, file: path };
  } finally {
    done.abort(new Error("the export is done"));
    journal.close();
  }
}

/**
 * The last batch end, up to a position, at which two journals agree. They agree on everything before it and on nothing
 * behind it, so that halving finds it.
 */
async function findFork(
  journal: RemoteJournal,
  store: JournalStore,
  upTo: Position,
  platform: Platform,
): Promise<{ position: Position; chainHash: Uint8Array }> {
  let agreed: { position: Position; chainHash: Uint8Array } = { position: 0, chainHash: new Uint8Array(0) };
  let end = upTo;
  for (let probe = end; agreed.position < end; probe = Math.ceil((agreed.position + end) / 2)) {
    const batch = await store.batchAt(probe);
    if (batch === undefined) throw new Error(`the store has no batch at position ${probe}`);
    const { firstPosition, lastPosition: position, chainHash } = batch;
    const theirs = await journal.chainHashAt(position, platform.timeout(CALL_TIMEOUT_MS));
    if (theirs !== undefined && bytesEqual(theirs, chainHash)) agreed = { position, chainHash };
    else end = firstPosition - 1;
  }
  return agreed;
}

function recordLine(record: object, position: Position, timeMs: number): string {
  return JSON.stringify({ position: String(position), time_ms: timeMs, record }, (_key, value: unknown) => {
    if (typeof value === "bigint") return value.toString();
    return value instanceof Uint8Array ? toHex(value) : value;
  });
}
