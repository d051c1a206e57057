import { median } from "../harness/quantile.ts";
import { type IdKind, IdSource } from "./id-source.ts";
import { LedgerLoad } from "./ledger-load.ts";
import { arrayBufferBytes } from "./used-bytes.ts";

/** Not the seed of the load's own ids. */
const KNOWN_SEED = 2;
const UNKNOWN_SEED = 3;

/** Ids that are looked up or remembered for a figure in nanoseconds: so many blocks of so many. */
const BLOCKS = 20;
const BLOCK_IDS = 2_500;
const SAMPLE = BLOCKS * BLOCK_IDS;

/** What remembering so many request ids costs. Times in nanoseconds are medians of blocks. */
export interface RequestIdFigures {
  readonly kind: IdKind;
  /** How many are remembered. */
  readonly ids: number;
  /** Of an id that was never seen: looked up, then remembered. The making of the id is included. */
  readonly newNs: number;
  /** Of looking up one that is remembered. */
  readonly hitNs: number;
  /** Of looking up one that is not. */
  readonly missNs: number;
  /** Of one deposit: looked up, decided and applied. */
  readonly depositNs: number;
  /** Of all inserts since the size before, in milliseconds; other processes may have had the processor meanwhile. */
  readonly worstInsertMs: number;
  /** Memory of the process for array buffers, for each id. */
  readonly bytesPerId: number;
}

/**
 * Has a ledger remember ids up to each of the sizes, and measures it there.
 * Throws: when it finds what it does not hold, or does not find what it holds.
 *
 * @param sizes ascending, each at least 100,000 above the one before.
 */
export function measureRequestIds(kind: IdKind, sizes: readonly number[]): RequestIdFigures[] {
  const bytesBefore = arrayBufferBytes();
  const load = new LedgerLoad();
  const { requests } = load.ledger;
  const known = new IdSource(kind, KNOWN_SEED);
  const unknown = new IdSource(kind, UNKNOWN_SEED);
  let learned = 0;
  const learn = () => {
    const id = known.at(learned);
    if (requests.find(0, id) !== -1) throw new Error(`id ${learned} was found before it was there`);
    requests.push(0, id, learned + 1, learned, learned);
    learned++;
  };
  return sizes.map((ids) => {
    let worstInsertMs = 0;
    while (requests.count < ids - SAMPLE) worstInsertMs = Math.max(worstInsertMs, durationMs(learn));
    const newNs = nsEach(learn);
    const hitNs = nsEach((n) => {
      const id = scattered(n, learned);
      if (requests.find(0, known.at(id)) === -1) throw new Error(`id ${id} was not found`);
    });
    const missNs = nsEach((n) => {
      if (requests.find(0, unknown.at(n)) !== -1) throw new Error("an id was found that was never remembered");
    });
    const bytesPerId = (arrayBufferBytes() - bytesBefore) / requests.count;
    return { kind, ids, newNs, hitNs, missNs, depositNs: depositNs(load), worstInsertMs, bytesPerId };
  });
}

function depositNs(load: LedgerLoad): number {
  return median(
    Array.from({ length: BLOCKS }, () => {
      const requests = load.deposits();
      return (durationMs(() => load.execute(requests)) / requests.length) * 1e6;
    }),
  );
}

/** Entries in no order that a cache could foresee. */
function scattered(n: number, bound: number): number {
  return (Math.imul(n, 0x9e37_79b1) >>> 0) % bound;
}

function durationMs(operation: () => void): number {
  const startedMs = performance.now();
  operation();
  return performance.now() - startedMs;
}

/** Of one call in the middle one of the blocks. */
function nsEach(operation: (n: number) => void): number {
  const blocks = Array.from({ length: BLOCKS }, (_, block) =>
    durationMs(() => {
      for (let n = 0; n < BLOCK_IDS; n++) operation(block * BLOCK_IDS + n);
    }),
  );
  return (median(blocks) / BLOCK_IDS) * 1e6;
}
