import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Ledger, type Position, RecordKind, toHex } from "@bank/core";
import { applyFrame, decodeFrame, type Replay } from "@bank/journal";
import { BankReplica, findLosses, type Log, type Platform, recover, type Witness } from "@bank/replica";
import { type JournalStore, openStore } from "@bank/store";
import { AnchorFile } from "./anchor-file.ts";
import { askBranches } from "./ask-branches.ts";
import { RemoteJournal } from "./bank-link.ts";
import { nodePlatform } from "./platform.ts";
import { SNAPSHOT_EVERY_RECORDS, WITNESS_TIMEOUT_MS } from "./start-bank.ts";

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
  const exported = { records: 0, file: undefined as string | undefined };
  let position = 0;
  const bank = await BankReplica.open({
    store,
    platform,
    snapshotEveryRecords: SNAPSHOT_EVERY_RECORDS,
    acceptLoss: true,
    askWitnesses: async (ledger) => {
      position = ledger.position;
      const witnesses = await askAll(ledger, anchor, options, platform);
      const losses = await findLosses(store, ledger, witnesses);
      if (losses.length === 0) throw new Error("nothing is missing: no witness knows more than this journal holds");
      for (const { witness } of losses) await exportRecords(ledger, witness, store, options, exported);
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
  return { position, exportedRecords: exported.records, exportFile: exported.file };
}

async function askAll(
  ledger: Ledger,
  anchor: AnchorFile,
  { witnessTimeoutMs = WITNESS_TIMEOUT_MS }: LossOptions,
  platform: Platform,
): Promise<readonly Witness[]> {
  const anchored = await anchor.read();
  const testified = await askBranches(ledger, { timeoutMs: witnessTimeoutMs, required: 0, platform });
  return anchored === undefined ? testified : [anchored, ...testified];
}

async function copyTail(store: JournalStore, replay: Replay, url: string, platform: Platform): Promise<void> {
  const journal = new RemoteJournal(url, "the bank, healing");
  const done = new AbortController();
  try {
    const { position: target } = await journal.witness(url, platform.timeout(WITNESS_TIMEOUT_MS));
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

/** Writes what a branch holds behind the end of this journal to a file beside it, one record a line. */
async function exportRecords(
  ledger: Ledger,
  witness: Witness,
  store: JournalStore,
  options: LossOptions,
  exported: { records: number; file: string | undefined },
): Promise<void> {
  const url = /at (http\S+)$/.exec(witness.name)?.[1];
  // The anchor file knows that records existed, and holds none.
  if (url === undefined || exported.file !== undefined) return;
  const platform = nodePlatform(options.log);
  const chainHash = await store.chainHashAt(ledger.position);
  if (chainHash === undefined) return;
  const journal = new RemoteJournal(url, "the bank, exporting");
  const done = new AbortController();
  const path = join(options.dataDir, `given-up-after-${ledger.position}-${platform.wallMs()}.jsonl`);
  const file = await open(path, "wx", 0o600);
  try {
    const from = { position: ledger.position, chainHash, bankId: undefined, epochId: ledger.currentEpoch()?.id };
    for await (const { received, lastPosition } of journal.openJournal(from, done.signal)) {
      if (received === undefined) continue;
      const { header, records } = decodeFrame(received.frame);
      for (const [i, record] of records.entries())
        await file.write(`${recordLine(record, header.firstPosition + i, header.timeMs)}\n`);
      exported.records += records.length;
      if (lastPosition >= witness.position) break;
    }
    await file.sync();
    exported.file = path;
  } finally {
    await file.close();
    done.abort(new Error("the export is done"));
    journal.close();
  }
}

function recordLine(record: object, position: Position, timeMs: number): string {
  return JSON.stringify({ position: String(position), time_ms: timeMs, record }, (_key, value: unknown) => {
    if (typeof value === "bigint") return value.toString();
    return value instanceof Uint8Array ? toHex(value) : value;
  });
}
