import { bytesEqual, type RequestId } from "@bank/core";

const ID_BYTES = 16;

/** How often an id is here. Ids with the same hash follow each other. */
interface Entry {
  readonly principal: string;
  readonly id: RequestId;
  count: number;
  next: Entry | undefined;
}

/** Counts ids of requests, for much less than texts of them would take: every request passes through here. */
export class JobIds {
  private readonly entries = new Map<number, Entry>();
  private readonly hash: (id: RequestId) => number;

  constructor(hash: (id: RequestId) => number) {
    this.hash = hash;
  }

  has(principal: string, id: RequestId): boolean {
    return this.find(this.entries.get(this.hash(id)), principal, id) !== undefined;
  }

  add(principal: string, id: RequestId): void {
    const hash = this.hash(id);
    const first = this.entries.get(hash);
    const entry = first && this.find(first, principal, id);
    if (entry === undefined) this.entries.set(hash, { principal, id, count: 1, next: first });
    else entry.count++;
  }

  /** Takes back one `add`. */
  remove(principal: string, id: RequestId): void {
    const hash = this.hash(id);
    const first = this.entries.get(hash);
    const entry = this.find(first, principal, id);
    if (first === undefined || entry === undefined || --entry.count > 0) return;
    if (entry !== first) {
      let before = first;
      while (before.next !== undefined && before.next !== entry) before = before.next;
      before.next = entry.next;
    } else if (entry.next !== undefined) this.entries.set(hash, entry.next);
    else this.entries.delete(hash);
  }

  private find(first: Entry | undefined, principal: string, id: RequestId): Entry | undefined {
    let entry = first;
    while (entry !== undefined && !(entry.principal === principal && bytesEqual(entry.id, id))) entry = entry.next;
    return entry;
  }
}

/**
 * A hash of ids under which nobody can choose ids that collide, as long as nobody knows the seed. Simple tabulation, as
 * the ledger's index of requests has it: each byte picks an entry of a table of its own, and the entries are XORed.
 *
 * @param seed any 32 bits, different in each process.
 */
export function idHash(seed: number): (id: RequestId) => number {
  const tables = new Int32Array(ID_BYTES * 256);
  let state = seed;
  for (let i = 0; i < tables.length; i++) {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    tables[i] = mixed ^ (mixed >>> 15);
  }
  return (id) => {
    let hash = 0;
    for (let i = 0; i < ID_BYTES; i++) hash ^= tables[i * 256 + (id[i] as number)] as number;
    return hash;
  };
}
