import { assert, bytesEqual, FRAME_BYTES_MAX, type Position, toHex } from "@bank/core";
import { decodeHeader, nextHash, type ReceivedFrame, type Sha256 } from "@bank/journal";
import type { StoredBatch } from "@bank/store";

/** A bank has one batch in flight, and one more for each start that was not committed: this is many times as much. */
const TAIL_BYTES_MAX = 8 * FRAME_BYTES_MAX;

/** The newest batch that a follower has. */
interface End {
  readonly position: Position;
  readonly chainHash: Uint8Array;
}

/**
 * What a follower has received, and may have on its disk, and does not show: batches that are not known to be committed.
 * What was there before the stream of the moment began is trusted only once that stream has brought the same again: another
 * bank may have gone on differently, and what it then says to be committed is its own.
 */
export class UncommittedTail {
  private readonly batches: StoredBatch[];
  private bytes = 0;
  private verified: Position = 0;

  /** @param stored what a restart found. */
  constructor(stored: readonly StoredBatch[]) {
    this.batches = [...stored];
    for (const { frame } of stored) this.bytes += frame.length;
  }

  get isEmpty(): boolean {
    return this.batches.length === 0;
  }

  /** The newest batch; undefined where there is none. */
  get last(): StoredBatch | undefined {
    return this.batches.at(-1);
  }

  /** A stream begins behind what is applied: it has to bring all of this again. */
  beginStream(): void {
    this.verified = 0;
  }

  /**
   * Takes a batch from the stream. Gives it where it is new, and undefined where it was there already.
   * Throws: `ContradictedTailError` when the stream's journal goes on in another way than this tail; an error for what no
   * sender could send.
   *
   * @param applied where the tail begins.
   */
  take(applied: End, received: ReceivedFrame, sha256: Sha256): StoredBatch | undefined {
    const { firstPosition, count } = decodeHeader(received.frame);
    const lastPosition = firstPosition + count - 1;
    const end =
      this.last === undefined ? applied : { position: this.last.lastPosition, chainHash: this.last.chainHash };
    if (firstPosition <= end.position) {
      this.verify(firstPosition, received);
      return undefined;
    }
    if (firstPosition !== end.position + 1)
      throw new Error(`a batch begins at ${firstPosition}, and ${end.position + 1} comes next`);
    const chainHash = nextHash(sha256, end.chainHash, received.frame);
    if (!bytesEqual(chainHash, received.chainHash))
      throw new Error(
        `the batch behind position ${end.position} has chain hash ${toHex(received.chainHash)}, ` +
          `and its bytes give ${toHex(chainHash)}`,
      );
    if (this.bytes + received.frame.length > TAIL_BYTES_MAX)
      throw new Error(`more than ${TAIL_BYTES_MAX} bytes are not committed behind position ${applied.position}`);
    const batch = { firstPosition, lastPosition, frame: received.frame, previousHash: end.chainHash, chainHash };
    this.batches.push(batch);
    this.bytes += received.frame.length;
    this.verified = lastPosition;
    return batch;
  }

  /** Takes the next batch out that is committed and that the stream of the moment has brought. */
  nextCommitted(committed: Position): StoredBatch | undefined {
    const [first] = this.batches;
    if (first === undefined || first.lastPosition > Math.min(committed, this.verified)) return undefined;
    this.batches.shift();
    this.bytes -= first.frame.length;
    return first;
  }

  private verify(firstPosition: Position, { chainHash }: ReceivedFrame): void {
    assert(this.batches.length > 0, "a stream begins behind what is applied");
    const known = this.batches.find((batch) => batch.firstPosition === firstPosition);
    if (known === undefined || !bytesEqual(known.chainHash, chainHash)) throw new ContradictedTailError(firstPosition);
    this.verified = Math.max(this.verified, known.lastPosition);
  }
}

/** The bank went on in another way than the batches that this follower has beyond what is committed. */
export class ContradictedTailError extends Error {
  override readonly name = "ContradictedTailError";

  constructor(position: Position) {
    super(`from position ${position} on the bank's journal is another one; what is here was never committed`);
  }
}
