import { decodeFields } from "./hpack.ts";

/** What headers or trailers say about a call. */
export interface AnswerHead {
  readonly httpStatus: number | undefined;
  readonly grpcStatus: string | undefined;
  /** The message of a status, for people, with what belongs before it; empty for none. */
  readonly told: string;
}

/** A server answers most calls with the same two blocks, and with new ones once a second, when the date changes. */
const KEPT = 8;

/** Reads header blocks; those that came lately are known by their bytes. */
export class AnswerHeads {
  private readonly blocks: Buffer[] = [];
  private readonly heads: AnswerHead[] = [];
  private oldest = 0;

  /** Throws for what is no block, or one that refers to others. */
  read(bytes: Buffer, from: number, to: number): AnswerHead {
    for (let i = 0; i < this.blocks.length; i++)
      if (isSame(this.blocks[i] as Buffer, bytes, from, to)) return this.heads[i] as AnswerHead;
    const block = Buffer.from(bytes.subarray(from, to));
    const head = headOf(block);
    this.blocks[this.oldest] = block;
    this.heads[this.oldest] = head;
    this.oldest = (this.oldest + 1) % KEPT;
    return head;
  }
}

function isSame(block: Buffer, bytes: Buffer, from: number, to: number): boolean {
  const { length } = block;
  if (to - from !== length) return false;
  for (let i = 0; i < length; i++) if (block[i] !== bytes[from + i]) return false;
  return true;
}

function headOf(block: Buffer): AnswerHead {
  const fields = new Map(decodeFields(block));
  const http = fields.get(":status");
  const message = fields.get("grpc-message") ?? "";
  return {
    httpStatus: http === undefined ? undefined : Number(http),
    grpcStatus: fields.get("grpc-status"),
    told: message === "" ? "" : `: ${plain(message)}`,
  };
}

function plain(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    // It was not encoded as it should have been: as it came, it still says something.
    return message;
  }
}
