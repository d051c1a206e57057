import { createHash } from "node:crypto";
import { BANK_ID_BYTES, HASH_BYTES } from "../arguments.ts";
import { equalBytes } from "../bytes.ts";
import { CorruptStoreError, StoreVersionError } from "../errors.ts";
import type { StoreGap, StoreHead } from "../port.ts";
import type { Reply } from "./connection.ts";

/** Counts up with every change of what is stored that an older program could not handle. */
export const LAYOUT_VERSION = 1;

/** What the store knows of itself and seldom changes. A checksum covers it. */
export interface Facts {
  readonly bankId: Uint8Array | undefined;
  readonly epoch: number;
  /** Where the parts of the journal begin, ascending; the first at 1. */
  readonly parts: readonly number[];
  /** What is missing, however much of it is there again. */
  readonly gap: Omit<StoreGap, "filled"> | undefined;
}

/** One holder of the lease: who writes says that it is this one. */
export interface LeaseFields {
  /** Of the holder, 32 hexadecimal digits; empty where nobody holds it. */
  readonly token: string;
  /** Where the holder can be reached; empty where it has not said. */
  readonly address: string;
  /** Changes with everything that the holder writes. */
  readonly beat: number;
}

/** The meta hash. Every number is written in decimal, and every comparison in the server is of whole texts. */
export interface Meta {
  readonly facts: Facts;
  readonly lease: LeaseFields;
  readonly head: StoreHead | undefined;
  /** Entries of the journal's last part. */
  readonly batches: number;
  /** The last batch of what fills the gap. */
  readonly filled: StoreHead | undefined;
  readonly clean: boolean;
}

/** Fields with their new values, as `HSET` takes them. */
export type Fields = readonly string[];

export const EMPTY_FACTS: Facts = { bankId: undefined, epoch: 0, parts: [1], gap: undefined };

/** The fields of a new store, without those of the lease. */
export function newStoreFields(): Fields {
  return [
    ...factFields(EMPTY_FACTS),
    ...headFields(undefined),
    "batches",
    "0",
    "filled",
    "",
    "clean",
    "1",
    "accounts",
    "0",
  ];
}

export function factFields(facts: Facts): Fields {
  return [
    ...["layout", String(LAYOUT_VERSION)],
    ...["bank", facts.bankId === undefined ? "" : hex(facts.bankId)],
    ...["epoch", String(facts.epoch)],
    ...["parts", facts.parts.join(" ")],
    ...["gap", facts.gap === undefined ? "" : `${facts.gap.after} ${headText(facts.gap.upTo)}`],
    ...["checksum", checksum(facts)],
  ];
}

export function headFields(head: StoreHead | undefined): Fields {
  return ["position", String(head?.position ?? 0), "hash", head === undefined ? "" : hex(head.chainHash)];
}

/** One text for a position and the chain hash there; empty for none. */
export function headText(head: StoreHead | undefined): string {
  return head === undefined ? "" : `${head.position} ${hex(head.chainHash)}`;
}

/**
 * Reads what `HGETALL` gave of the meta hash; undefined where there is none.
 * Throws: `StoreVersionError`; `CorruptStoreError` where it is damaged.
 */
export function parseMeta(reply: Reply, name: string): Meta | undefined {
  const texts = Array.isArray(reply) ? reply.map(String) : [];
  if (texts.length === 0) return undefined;
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < texts.length; i += 2) fields.set(texts[i] as string, texts[i + 1] as string);
  const reader = new FieldReader(fields, name);
  const layout = reader.number("layout", 1);
  if (layout > LAYOUT_VERSION)
    throw new StoreVersionError(
      `${name} has layout ${layout}, written by a newer program; this one knows layouts up to ${LAYOUT_VERSION}: ` +
        "use the newer program",
    );
  const facts = parseFacts(reader);
  if (fields.get("checksum") !== checksum(facts))
    throw new CorruptStoreError(`what ${name} says of itself was altered: its checksum does not agree`);
  const position = reader.number("position", 0);
  if (position === 0 && reader.text("hash") !== "") throw reader.damaged("hash");
  const head = position === 0 ? undefined : { position, chainHash: reader.bytes("hash", HASH_BYTES) };
  return {
    facts,
    lease: { token: reader.text("token"), address: reader.text("address"), beat: reader.number("beat", 0) },
    head,
    batches: reader.number("batches", 0),
    filled: reader.head("filled"),
    clean: reader.number("clean", 0) === 1,
  };
}

function parseFacts(reader: FieldReader): Facts {
  const parts = reader.text("parts").split(" ").map(Number);
  const isAscending = parts.every((part, i) => Number.isSafeInteger(part) && part > (parts[i - 1] ?? 0));
  if (parts[0] !== 1 || !isAscending) throw reader.damaged("parts");
  const gap = reader.text("gap");
  return {
    bankId: reader.text("bank") === "" ? undefined : reader.bytes("bank", BANK_ID_BYTES),
    epoch: reader.number("epoch", 0),
    parts,
    gap: gap === "" ? undefined : parseGap(reader, gap),
  };
}

function parseGap(reader: FieldReader, text: string): Facts["gap"] {
  const space = text.indexOf(" ");
  const after = Number(text.slice(0, space));
  const upTo = parseHead(text.slice(space + 1));
  if (!Number.isSafeInteger(after) || upTo === undefined || upTo.position <= after) throw reader.damaged("gap");
  return { after, upTo };
}

function parseHead(text: string): StoreHead | undefined {
  const match = /^([1-9][0-9]{0,15}) ([0-9a-f]{64})$/.exec(text);
  const position = Number(match?.[1]);
  return Number.isSafeInteger(position) ? { position, chainHash: unhex(match?.[2] ?? "") } : undefined;
}

class FieldReader {
  readonly #fields: ReadonlyMap<string, string>;
  readonly #name: string;

  constructor(fields: ReadonlyMap<string, string>, name: string) {
    this.#fields = fields;
    this.#name = name;
  }

  text(field: string): string {
    const text = this.#fields.get(field);
    if (text === undefined) throw this.damaged(field);
    return text;
  }

  number(field: string, from: number): number {
    const text = this.text(field);
    const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
    if (!(Number.isSafeInteger(value) && value >= from)) throw this.damaged(field);
    return value;
  }

  bytes(field: string, length: number): Uint8Array {
    const text = this.text(field);
    if (text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) throw this.damaged(field);
    return unhex(text);
  }

  head(field: string): StoreHead | undefined {
    const text = this.text(field);
    const head = parseHead(text);
    if (head === undefined && text !== "") throw this.damaged(field);
    return head;
  }

  damaged(field: string): CorruptStoreError {
    return new CorruptStoreError(`what ${this.#name} says of itself is damaged: its "${field}" is impossible`);
  }
}

function checksum({ bankId, epoch, parts, gap }: Facts): string {
  const gapText = gap === undefined ? "" : `${gap.after} ${headText(gap.upTo)}`;
  const text = [LAYOUT_VERSION, bankId === undefined ? "" : hex(bankId), epoch, parts.join(" "), gapText].join("\n");
  return createHash("sha256").update(`bank store meta\n${text}`).digest("hex");
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

export function sameHead(a: StoreHead | undefined, b: StoreHead | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.position === b.position && equalBytes(a.chainHash, b.chainHash);
}
