import { HASH_BYTES } from "../arguments.ts";
import { copyBytes, equalBytes } from "../bytes.ts";
import { CorruptStoreError } from "../errors.ts";
import type { ReadLimits, StoredBatch, StoreHead } from "../port.ts";
import type { Reply } from "./connection.ts";
import type { Keys } from "./keys.ts";
import type { Link } from "./link.ts";

/** The server is busy while it reads, and has the answer twice in memory: so much at a time. */
const READ_BYTES_AT_ONCE = 4 * 1024 * 1024;
const READ_BATCHES_AT_ONCE = 256;

/** From which position to which, both included. */
interface Span {
  readonly from: number;
  readonly end: number;
}

/**
 * The streams of a journal. Each holds the batches of some positions, in order, with no gap: the first those from 1 on, each
 * other one those behind a snapshot that the journal went on from. Checks the links between what it reads, never the frames
 * themselves.
 */
export class JournalParts {
  readonly #link: Link;
  readonly #keys: Keys;
  readonly #name: string;

  constructor(link: Link, keys: Keys, name: string) {
    this.#link = link;
    this.#keys = keys;
    this.#name = name;
  }

  /** Batches from the one that contains `from` to the one that ends at `end`, as far as the limits go. */
  async read(parts: readonly number[], span: Span, limits: Required<ReadLimits>): Promise<StoredBatch[]> {
    const found: StoredBatch[] = [];
    let bytes = 0;
    let from = span.from;
    while (from <= span.end && found.length < limits.maxBatches) {
      const left = Math.max(0, limits.maxBytes - bytes);
      const step = {
        maxBytes: Math.min(left, READ_BYTES_AT_ONCE),
        maxBatches: Math.min(limits.maxBatches - found.length, READ_BATCHES_AT_ONCE),
      };
      const batches = await this.#readPart(parts, { from, end: span.end }, step);
      for (const batch of batches) {
        const before = found.at(-1);
        if (before === undefined) this.#requireContains(batch, from);
        else this.#requireLink(before, batch);
        bytes += batch.frame.length;
        if (bytes > limits.maxBytes && found.length > 0) return found;
        found.push(batch);
      }
      const last = found.at(-1);
      if (batches.length === 0 || last === undefined)
        throw new CorruptStoreError(
          `the journal in ${this.#name} ends before ${from}, but ended at ${span.end} before`,
        );
      from = last.lastPosition + 1;
    }
    return found;
  }

  /** The batch that contains `position`, which must not be beyond the end. */
  async batchContaining(parts: readonly number[], position: number): Promise<StoredBatch> {
    const [batch] = await this.#readPart(parts, { from: position, end: Number.MAX_SAFE_INTEGER }, ONE);
    if (batch === undefined) throw new CorruptStoreError(`the batch that contains position ${position} is missing`);
    this.#requireContains(batch, position);
    return batch;
  }

  /** The chain hash behind the batch that ends at `position`; undefined where none does. */
  async chainHashAt(parts: readonly number[], position: number): Promise<Uint8Array | undefined> {
    const key = this.#keys.journal(partOf(parts, position));
    const id = `${position}-0`;
    const [entry] = asList(await this.#link.run("read", key, [id, id, "0", "1", "0"]));
    return entry === undefined ? undefined : copyBytes(this.#field(asList(asList(entry)[1]), "hash", 2, HASH_BYTES));
  }

  /**
   * The end of one part: its last batch, after a look at the one before that and at the first. What is lost somewhere else is
   * found by `read`.
   *
   * @param before what leads to the part's first batch; undefined where that is not known.
   */
  async endOf(part: number, before: StoreHead | undefined): Promise<StoreHead | undefined> {
    const key = this.#keys.journal(part);
    const newest = asList(await this.#link.call(["XREVRANGE", key, "+", "-", "COUNT", "2"]));
    const [last, previous] = newest.map((entry) => this.#batch(entry));
    if (last === undefined) return undefined;
    const [first] = asList(await this.#link.call(["XRANGE", key, "-", "+", "COUNT", "1"])).map((entry) =>
      this.#batch(entry),
    );
    if (first?.firstPosition !== part || (before !== undefined && !equalBytes(first.previousHash, before.chainHash)))
      throw new CorruptStoreError(`the journal in ${this.#name} has lost what begins at position ${part}`);
    if (previous !== undefined) this.#requireLink(previous, last);
    return { position: last.lastPosition, chainHash: last.chainHash };
  }

  async #readPart(parts: readonly number[], { from, end }: Span, limits: Required<ReadLimits>): Promise<StoredBatch[]> {
    const part = partOf(parts, from);
    const next = parts.find((each) => each > part);
    const last = next === undefined ? end : Math.min(end, next - 1);
    const reply = await this.#link.run("read", this.#keys.journal(part), [
      `${from}-0`,
      `${last}-0`,
      String(limits.maxBytes),
      String(limits.maxBatches),
      "1",
    ]);
    return asList(reply).map((entry) => this.#batch(entry));
  }

  /** An entry of a stream: its id, and its fields with their values in a row. */
  #batch(entry: Reply): StoredBatch {
    const [id, list] = asList(entry);
    const fields = asList(list);
    const lastPosition = position(/^([1-9][0-9]{0,15})-0$/.exec(String(id))?.[1]);
    const firstPosition = position(String(this.#field(fields, "first", 0)));
    if (lastPosition === undefined || firstPosition === undefined || firstPosition > lastPosition)
      throw new CorruptStoreError(`the journal in ${this.#name} has an entry ${String(id)} with impossible positions`);
    return {
      firstPosition,
      lastPosition,
      previousHash: copyBytes(this.#field(fields, "prev", 1, HASH_BYTES)),
      chainHash: copyBytes(this.#field(fields, "hash", 2, HASH_BYTES)),
      frame: copyBytes(this.#field(fields, "frame", 3)),
    };
  }

  #field(fields: readonly Reply[], name: string, index: number, length?: number): Buffer {
    const value = fields[2 * index + 1];
    const isThere = String(fields[2 * index]) === name && Buffer.isBuffer(value);
    if (isThere && (length === undefined ? value.length > 0 : value.length === length)) return value;
    throw new CorruptStoreError(`the journal in ${this.#name} has an entry whose "${name}" is damaged`);
  }

  #requireContains(batch: StoredBatch, position: number): void {
    if (batch.firstPosition <= position && position <= batch.lastPosition) return;
    throw new CorruptStoreError(
      `position ${position} is missing in ${this.#name}: the next batch is ${batch.firstPosition} to ${batch.lastPosition}`,
    );
  }

  #requireLink(before: StoredBatch, batch: StoredBatch): void {
    if (batch.firstPosition !== before.lastPosition + 1)
      throw new CorruptStoreError(
        `the journal in ${this.#name} has a gap or an overlap: behind ${before.lastPosition} comes ${batch.firstPosition}`,
      );
    if (!equalBytes(before.chainHash, batch.previousHash))
      throw new CorruptStoreError(
        `the batch at ${batch.firstPosition} does not continue the hash of the one before it`,
      );
  }
}

const ONE = { maxBytes: 0, maxBatches: 1 };

/** Where the part begins in which a position is. */
export function partOf(parts: readonly number[], position: number): number {
  return parts.findLast((part) => part <= position) ?? 1;
}

function asList(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

function position(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 1 ? value : undefined;
}
