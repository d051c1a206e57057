import { bytesEqual, Ledger, RecordKind, type RecordList, toHex, totals } from "@bank/core";
import { applyFrame, genesisHash, type Replay } from "@bank/journal";
import { nodePlatform, sha256, silentLog } from "@bank/node";
import { recover } from "@bank/replica";
import { openStore } from "@bank/store";

/** What the journal says after a run. */
export interface Audit {
  readonly movements: number;
  readonly position: number;
  readonly accounts: number;
  /** Snapshots that were saved while it ran: the journal names the root of each. */
  readonly snapshots: number;
}

/** How many movements there must be: exactly so many, or, where calls were under way when a server was killed, a range. */
export type Acknowledged = number | { readonly atLeast: number; readonly atMost: number };

/**
 * Opens the journal that a stopped bank left, replays all of it from the first record (every batch against its chain hash
 * and the digest of the state), adds everything up, and compares the state with what a server would recover from the newest
 * snapshot.
 * Rejects when a digest, a chain hash or a total is wrong, or the movements are not as many as were acknowledged.
 */
export async function audit(dataDir: string, acknowledged: Acknowledged): Promise<Audit> {
  return auditStore(`sqlite:${dataDir}`, acknowledged);
}

/** The same of a store by its URL. */
export async function auditStore(url: string, acknowledged: Acknowledged): Promise<Audit> {
  const store = openStore(url);
  const { bankId } = await store.open();
  try {
    if (bankId === undefined) throw new Error(`no bank lives in ${url}`);
    const replay: Replay = { ledger: new Ledger({ hashSeed: 1 }), bankId, chainHash: genesisHash(sha256, bankId) };
    const { ledger } = replay;
    const counts = { movements: 0, snapshots: 0 };
    for (let batches = await store.read(0); batches.length > 0; batches = await store.read(ledger.position))
      for (const batch of batches) {
        const { records } = applyFrame(replay, batch, sha256);
        ledger.forgetUndo(ledger.position);
        count(records, counts);
      }
    requireZeroTotals(ledger);
    requireAcknowledged(counts.movements, acknowledged);
    const recovered = await recover(store, bankId, nodePlatform(silentLog));
    requireSameState(ledger, recovered.replay.ledger);
    return { ...counts, position: ledger.position, accounts: ledger.accounts.count };
  } finally {
    await store.close();
  }
}

/** Adds what a batch holds. */
export function count({ kinds, length }: RecordList, counts: { movements: number; snapshots: number }): void {
  for (let i = 0; i < length; i++) {
    const kind = kinds[i] as number;
    if (kind <= RecordKind.TRANSFER) counts.movements++;
    else if (kind === RecordKind.STATE_ROOT) counts.snapshots++;
  }
}

export function requireAcknowledged(movements: number, acknowledged: Acknowledged): void {
  const { atLeast, atMost } =
    typeof acknowledged === "number" ? { atLeast: acknowledged, atMost: acknowledged } : acknowledged;
  if (movements < atLeast || movements > atMost)
    throw new Error(`${atLeast} to ${atMost} movements were acknowledged, and the journal holds ${movements}`);
}

export function requireZeroTotals(ledger: Ledger): void {
  for (const [currency, total] of totals(ledger))
    if (total !== 0n) throw new Error(`all accounts in ${currency} together hold ${total} and not 0`);
}

function requireSameState(replayed: Ledger, recovered: Ledger): void {
  const digests = [replayed.digestBytes(), recovered.digestBytes()] as const;
  if (replayed.position !== recovered.position || !bytesEqual(...digests))
    throw new Error(
      `the whole journal leads to ${toHex(digests[0])} at ${replayed.position}, and a start recovers ` +
        `${toHex(digests[1])} at ${recovered.position}`,
    );
}
