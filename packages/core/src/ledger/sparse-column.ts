const CHUNK_BITS = 10;
const CHUNK_ENTRIES = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_ENTRIES - 1;

type Chunk<T> = (T | undefined)[];

/** A sparse column as it was at one moment. */
export interface FrozenSparseColumn<T> {
  at(index: number): T | undefined;
}

/**
 * What most accounts have not: an entry that is not there takes nothing, as long as all its neighbours have none either.
 * Chunks that a frozen column also shows are copied before they change.
 */
export class SparseColumn<T> {
  private readonly chunks: (Chunk<T> | undefined)[] = [];
  /** Which of the chunks a frozen column shows. */
  private readonly isShared: boolean[] = [];

  at(index: number): T | undefined {
    return this.chunks[index >>> CHUNK_BITS]?.[index & CHUNK_MASK];
  }

  /** Sets an entry, or takes it away. */
  set(index: number, value: T | undefined): void {
    const at = index >>> CHUNK_BITS;
    let chunk = this.chunks[at];
    if (chunk === undefined) {
      if (value === undefined) return;
      // No holes: V8 would make a slow dictionary of a list that is set far behind its end.
      while (this.chunks.length <= at) this.chunks.push(undefined);
      chunk = new Array<T | undefined>(CHUNK_ENTRIES).fill(undefined);
      this.chunks[at] = chunk;
      this.isShared[at] = false;
    } else if (this.isShared[at] === true) {
      chunk = chunk.slice();
      this.chunks[at] = chunk;
      this.isShared[at] = false;
    }
    chunk[index & CHUNK_MASK] = value;
  }

  /** The column as it is now, whatever becomes of it; at once, however long it is. */
  freeze(): FrozenSparseColumn<T> {
    const chunks = this.chunks.slice();
    this.isShared.fill(true);
    return { at: (index) => chunks[index >>> CHUNK_BITS]?.[index & CHUNK_MASK] };
  }
}
