import { CorruptStoreError } from "../errors.ts";
import type { StoredBatch, StoreGap, StoreHead } from "../port.ts";
import type { PackedRows } from "./account-hashes.ts";
import { type Expected, GuardedWrites } from "./guarded-writes.ts";
import type { HeldLease } from "./held-lease.ts";
import { JournalParts } from "./journal-parts.ts";
import { type Facts, factFields, headFields, headText, hex, type Meta, sameHead } from "./meta.ts";
import type { Packable } from "./pack.ts";
import { readFailure } from "./redis-errors.ts";
import { SnapshotHashes } from "./snapshot-hashes.ts";
import { type LeasePlace, readMeta, type TakenLease } from "./take-lease.ts";

/** No batches, for rows of accounts without any. */
const NO_ROWS = Buffer.alloc(0);

/**
 * The time under one token: a way to the server, what was found there when the token was taken, and what was written since.
 * Only the holder of the token writes, so that what it remembers is what is there; each write has the server compare it.
 * Thrown away after a doubt.
 */
export class Tenure {
  readonly at: LeasePlace;
  readonly writes: GuardedWrites;
  readonly journal: JournalParts;
  readonly snapshots: SnapshotHashes;
  /** Position of the snapshot that is being saved. */
  savingSnapshot: number | undefined;
  #meta: Meta;
  /** Resolves when the write before is done: what one of them remembers is what the next compares. */
  #turn: Promise<unknown> = Promise.resolve();

  /** What is there now, of which nothing changes any more but by this tenure. Rejects with: `CorruptStoreError`; `StoreError`. */
  static async begin(at: LeasePlace, taken: TakenLease, lease: () => HeldLease): Promise<Tenure> {
    const meta = await readMeta(at);
    if (meta === undefined) throw new CorruptStoreError(`${at.place.name} is empty, but was not a moment ago`);
    const tenure = new Tenure(at, taken, lease, meta);
    try {
      await tenure.#checkEnds();
    } catch (error) {
      throw readFailure(error, `look into ${at.place.name}`);
    }
    return tenure;
  }

  private constructor(at: LeasePlace, taken: TakenLease, lease: () => HeldLease, meta: Meta) {
    const { link, keys, place, clock, ttlMs } = at;
    this.at = at;
    this.#meta = meta;
    this.journal = new JournalParts(link, keys, place.name);
    // As long as a beat: others see one in time behind it.
    const waitMs = Math.max(1, Math.floor(ttlMs / 5));
    const { token, beat } = taken;
    this.writes = new GuardedWrites({ link, keys, place, clock, waitMs, token, beat, lease, epoch: meta.facts.epoch });
    this.snapshots = new SnapshotHashes(link, keys, this.writes);
  }

  get facts(): Facts {
    return this.#meta.facts;
  }

  get head(): StoreHead | undefined {
    return this.#meta.head;
  }

  get clean(): boolean {
    return this.#meta.clean;
  }

  get gap(): StoreGap | undefined {
    const { facts, filled } = this.#meta;
    return facts.gap && { ...facts.gap, filled };
  }

  /**
   * Begins a write of the journal or the facts when the one before is done, so that it sees what that one left.
   * Rejects besides with: `AppendUnknownError` where nobody knows what that was.
   */
  inTurn<T>(write: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(() => {
      this.writes.requireNoDoubt("wait for the write before");
      return write();
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Appends batches that were checked to continue the journal. */
  async append(batches: readonly StoredBatch[], rows: PackedRows | undefined): Promise<void> {
    const last = batches.at(-1);
    if (last === undefined) return;
    const { keys } = this.at;
    const part = this.facts.parts.at(-1) ?? 1;
    const head = { position: last.lastPosition, chainHash: new Uint8Array(last.chainHash) };
    const count = this.#meta.batches + batches.length;
    const stream = keys.journal(part);
    const before = String(this.head?.position ?? 0);
    const shown = rows === undefined ? [] : [keys.accounts, before, String(head.position)];
    const what = `append positions ${batches[0]?.firstPosition} to ${last.lastPosition}`;
    const expected = this.#unchanged({ types: [stream, "stream"], lengths: [stream, String(this.#meta.batches)] });
    await this.writes.call("append", what, expected, {
      plan: (beat) => [
        entriesOf(stream, batches),
        [...headFields(head), "batches", String(count), "clean", "0", ...beat],
        shown,
      ],
      args: [rows === undefined ? NO_ROWS : rows.packed(), ...batches.map(frameOf)],
    });
    this.#meta = { ...this.#meta, head, batches: count, clean: false };
    await this.writes.replicated(what);
  }

  /** Stores batches that were checked to fill the gap. */
  async fill(batches: readonly StoredBatch[]): Promise<void> {
    const last = batches.at(-1);
    const { gap, parts } = this.facts;
    if (last === undefined || gap === undefined) return;
    // The part before the newest ends where the gap begins, and goes on from there.
    const stream = this.at.keys.journal(parts.at(-2) ?? 1);
    const closes = last.lastPosition === gap.upTo.position;
    const filled = closes ? undefined : { position: last.lastPosition, chainHash: new Uint8Array(last.chainHash) };
    const facts = closes ? { ...this.facts, gap: undefined } : this.facts;
    const what = `fill positions ${batches[0]?.firstPosition} to ${last.lastPosition}`;
    await this.writes.call("append", what, this.#unchanged({ types: [stream, "stream"] }), {
      plan: (beat) => [
        entriesOf(stream, batches),
        [...factFields(facts), "filled", headText(filled), "clean", "0", ...beat],
        [],
      ],
      args: [NO_ROWS, ...batches.map(frameOf)],
    });
    this.#meta = { ...this.#meta, facts, filled, clean: false };
    await this.writes.replicated(what);
  }

  /** Whose store it is, and from which epoch on. */
  async changeFacts(what: string, change: Partial<Pick<Facts, "bankId" | "epoch">>): Promise<void> {
    const facts = { ...this.facts, ...change };
    await this.writes.write(what, this.#unchanged({}), [], [...factFields(facts), "clean", "0"]);
    this.writes.epoch = facts.epoch;
    this.#meta = { ...this.#meta, facts, clean: false };
    await this.writes.replicated(what);
  }

  /** Says before the first write of another kind that the store is in use. */
  async beginToWrite(): Promise<void> {
    if (!this.clean) return;
    await this.inTurn(async () => {
      if (!this.clean) return;
      await this.writes.write("say that the store is in use", {}, [], ["clean", "0"]);
      this.#meta = { ...this.#meta, clean: false };
    });
  }

  /** The last step of `seed`: with the commands that make the snapshot whole, the journal goes on from it. */
  async goOnFrom(upTo: StoreHead, commands: readonly Packable[]): Promise<void> {
    const { facts, head } = this.#meta;
    const gap = { after: head?.position ?? 0, upTo };
    const next: Facts = { ...facts, gap, parts: [...facts.parts, upTo.position + 1] };
    await this.writes.write(`begin from the snapshot at ${upTo.position}`, this.#unchanged({}), commands, [
      ...factFields(next),
      ...headFields(upTo),
      ...["batches", "0", "filled", headText(head), "clean", "0"],
    ]);
    this.#meta = { ...this.#meta, facts: next, head: upTo, batches: 0, filled: head, clean: false };
  }

  /** Gives the lease back. */
  async release(options: { readonly isClean: boolean }): Promise<void> {
    await this.writes.release(options.isClean ? ["clean", "1"] : []);
  }

  /** That the journal is as this tenure left it. */
  #unchanged({ types = [], lengths = [] }: Pick<Expected, "types" | "lengths">): Expected {
    const { head, batches, filled } = this.#meta;
    return {
      types,
      lengths,
      facts: [...headFields(head), "batches", String(batches), "filled", headText(filled)],
    };
  }

  /** Whether the journal ends as the store says of itself, and its parts begin where they should. */
  async #checkEnds(): Promise<void> {
    const { facts, head, batches, filled } = this.#meta;
    const { link, keys, place } = this.at;
    const { parts, gap } = facts;
    const last = parts.at(-1) ?? 1;
    const previous = parts.at(-2);
    const before = previous === undefined ? undefined : await this.journal.endOf(previous, undefined);
    const corrupt = (problem: string) => new CorruptStoreError(`${place.name} ${problem}`);
    if (gap !== undefined && !sameHead(before, filled)) throw corrupt("does not have what it says to fill its gap");
    if (gap === undefined && before !== undefined && before.position !== last - 1)
      throw corrupt(`ends at ${before.position}, and goes on at ${last}`);
    const end = await this.journal.endOf(last, gap?.upTo ?? before);
    if (!sameHead(end ?? gap?.upTo, head) && !(end === undefined && gap === undefined && sameHead(before, head)))
      throw corrupt(
        `says that its journal ends at ${head?.position ?? 0} with hash ${head === undefined ? "none" : hex(head.chainHash).slice(0, 16)}, ` +
          `but that ends at ${end?.position ?? 0}`,
      );
    const count = await link.call(["XLEN", keys.journal(last)]);
    if (count !== batches) throw corrupt(`has ${String(count)} batches where it had ${batches}: its journal lost some`);
    const newest = (await this.snapshots.positions())[0];
    if (newest !== undefined && newest > (head?.position ?? 0))
      throw corrupt(
        `ends at position ${head?.position ?? 0}, but has a snapshot of ${newest}: the journal lost its end`,
      );
  }
}

function entriesOf(stream: string, batches: readonly StoredBatch[]): Packable[] {
  return batches.map(({ firstPosition, lastPosition, previousHash, chainHash }) => [
    stream,
    `${lastPosition}-0`,
    String(firstPosition),
    previousHash,
    chainHash,
  ]);
}

/** The same bytes, as the client library wants them. */
function frameOf({ frame }: StoredBatch): Buffer {
  return Buffer.from(frame.buffer, frame.byteOffset, frame.length);
}
