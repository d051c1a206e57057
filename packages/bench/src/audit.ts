import { type Ledger, RecordKind, totals } from "@bank/core";
import { decodeFrame } from "@bank/journal";
import { nodePlatform, silentLog } from "@bank/node";
import { recover } from "@bank/replica";
import { openStore } from "@bank/store";

/** What the journal says after a run. */
export interface Audit {
  readonly movements: number;
  readonly rejections: number;
  readonly position: number;
}

/**
 * Opens the journal that a stopped bank left, replays all of it (every batch against its chain hash and digest), and
 * adds everything up.
 * Rejects when a digest, a chain hash or a total is wrong, or the movements are not as many as were acknowledged.
 */
export async function audit(dataDir: string, acknowledged: number): Promise<Audit> {
  const store = openStore(`sqlite:${dataDir}`);
  const { bankId } = await store.open();
  try {
    if (bankId === undefined) throw new Error(`no bank lives in ${dataDir}`);
    const { replay } = await recover(store, bankId, nodePlatform(silentLog));
    requireZeroTotals(replay.ledger);
    let movements = 0;
    let rejections = 0;
    let position = 0;
    for (let batches = await store.read(0); batches.length > 0; batches = await store.read(position)) {
      for (const { frame, lastPosition } of batches) {
        position = lastPosition;
        for (const { kind } of decodeFrame(frame).records) {
          if (kind <= RecordKind.TRANSFER) movements++;
          if (kind === RecordKind.REJECTED) rejections++;
        }
      }
    }
    if (movements !== acknowledged)
      throw new Error(`${acknowledged} movements were acknowledged, and the journal holds ${movements}`);
    return { movements, rejections, position };
  } finally {
    await store.close();
  }
}

function requireZeroTotals(ledger: Ledger): void {
  for (const [currency, total] of totals(ledger))
    if (total !== 0n) throw new Error(`all accounts in ${currency} together hold ${total} and not 0`);
}
