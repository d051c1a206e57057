import { readFileSync } from "node:fs";
import type { BranchEntry, LedgerRecord } from "@bank/core";
import { BRANCH_STATE_WORDS, formatRequestId, toHex, totals } from "@bank/core";
import type { Batch } from "./frame.ts";
import { decodeFrame } from "./frame.ts";
import { concatenate } from "./raw-frame.test-util.ts";
import type { ReceivedFrame, Replay } from "./replay.ts";
import type { Snapshot } from "./snapshot.ts";

/** Files of the recorded journals: what they hold says README.md beside them. */
export const FIXTURE = new URL("../testdata/format-1/", import.meta.url);
export const FIXTURE_LEVEL_2 = new URL("../testdata/format-1-level-2/", import.meta.url);
export const FIXTURE_LEVEL_3 = new URL("../testdata/format-1-level-3/", import.meta.url);

/** What the recorded journal has to lead to. Bytes are in hexadecimal. */
export interface Expected {
  readonly bankId: string;
  readonly batches: number;
  readonly position: number;
  readonly timeMs: number;
  readonly digest: string;
  readonly chainHash: string;
  readonly accounts: number;
  readonly requests: number;
  readonly totals: Readonly<Record<string, string>>;
  readonly snapshot: { readonly batches: number; readonly position: number; readonly root: string };
}

/** And what it has to lead to at level 2. */
export interface ExpectedLevel2 extends Expected {
  readonly formatLevel: number;
  readonly aliases: number;
  readonly holds: number;
  readonly reversals: number;
}

/** And at level 3. */
export interface ExpectedLevel3 extends ExpectedLevel2 {
  /** Number, name and state of each branch. */
  readonly branches: readonly string[];
  readonly durability: { readonly copies: number; readonly members: readonly string[]; readonly position: number };
  /** Of each epoch, where a promotion came from; empty for none. */
  readonly promotions: readonly string[];
}

/** What a replay has led to, in the words of `ExpectedLevel2`. */
export function summaryOf({ ledger, chainHash }: Replay): Omit<ExpectedLevel2, "bankId" | "batches" | "snapshot"> {
  return {
    position: ledger.position,
    timeMs: ledger.timeMs,
    digest: toHex(ledger.digestBytes()),
    chainHash: toHex(chainHash),
    accounts: ledger.accounts.count,
    requests: ledger.requests.count,
    totals: Object.fromEntries([...totals(ledger)].map(([currency, sum]) => [currency, String(sum)])),
    formatLevel: ledger.formatLevel,
    aliases: ledger.accounts.aliasCount,
    holds: ledger.holds.count,
    reversals: ledger.reversals.size,
  };
}

/** What of it came with level 3. */
export function summaryOfBranches({ ledger }: Replay): Pick<ExpectedLevel3, "branches" | "durability" | "promotions"> {
  const { copies, members, position } = ledger.durability;
  return {
    branches: ledger.branchNumbers().map((number) => {
      const { name, state } = ledger.branches.get(number) as BranchEntry;
      return `${number} ${name}: ${BRANCH_STATE_WORDS[state]}`;
    }),
    durability: { copies, members: members.map(({ branch, copyId }) => `${branch} ${toHex(copyId)}`), position },
    promotions: ledger.epochs.map(({ promotedFrom }) => (promotedFrom === undefined ? "" : toHex(promotedFrom))),
  };
}

export function readExpected(): Expected {
  return readJson(FIXTURE) as Expected;
}

export function readExpectedLevel2(): ExpectedLevel2 {
  return readJson(FIXTURE_LEVEL_2) as ExpectedLevel2;
}

export function readExpectedLevel3(): ExpectedLevel3 {
  return readJson(FIXTURE_LEVEL_3) as ExpectedLevel3;
}

function readJson(folder: URL): unknown {
  return JSON.parse(readFileSync(new URL("expected.json", folder), "utf8"));
}

/** Each block with its length before it, in four bytes, little-endian. */
export function packBlocks(blocks: readonly Uint8Array[]): Uint8Array {
  return concatenate(
    ...blocks.flatMap((block) => {
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, block.length, true);
      return [length, block];
    }),
  );
}

function readBlocks(file: string, folder: URL): Uint8Array[] {
  const bytes = new Uint8Array(readFileSync(new URL(file, folder)));
  const view = new DataView(bytes.buffer);
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + view.getUint32(at, true);
    blocks.push(bytes.slice(at + 4, end));
    at = end;
  }
  return blocks;
}

/** The frames, each with the chain hash that was recorded with it. */
export function readJournal(folder = FIXTURE): ReceivedFrame[] {
  const blocks = readBlocks("journal.bin", folder);
  return Array.from({ length: blocks.length / 2 }, (_, i) => ({
    frame: blocks[2 * i] as Uint8Array,
    chainHash: blocks[2 * i + 1] as Uint8Array,
  }));
}

export function readSnapshot(folder = FIXTURE): Pick<Snapshot, "header" | "pages"> {
  const [header, ...pages] = readBlocks("snapshot.bin", folder);
  return { header: header as Uint8Array, pages };
}

export function readDump(folder = FIXTURE): string {
  return readFileSync(new URL("dump.txt", folder), "utf8");
}

/** A journal as text: each batch with everything in its header, each record with everything in it. */
export function dump(frames: readonly ReceivedFrame[]): string {
  return frames.map(({ frame, chainHash }) => dumpBatch(decodeFrame(frame), chainHash)).join("\n");
}

function dumpBatch({ header, records }: Batch, chainHash: Uint8Array): string {
  const { firstPosition, count, timeMs, epochId, digestAfter, committedPosition } = header;
  const lines = [
    `batch ${firstPosition}..${firstPosition + count - 1} time ${timeMs} committed ${committedPosition}`,
    `  epoch ${toHex(epochId)} digest ${toHex(digestAfter)}`,
    `  chain ${toHex(chainHash)}`,
    ...[...records].map((record, i) => `  ${firstPosition + i} ${dumpRecord(record)}`),
  ];
  return `${lines.join("\n")}\n`;
}

function dumpRecord({ kind, principal, branch, request, ...content }: LedgerRecord): string {
  const answers = request === undefined ? "-" : `${formatRequestId(request.id)}/${request.hashLow}/${request.hashHigh}`;
  return `kind ${kind} by ${JSON.stringify(principal)} at ${branch} answers ${answers} ${JSON.stringify(content, plain)}`;
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  return value instanceof Uint8Array ? toHex(value) : value;
}
