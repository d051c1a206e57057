import { FORMAT_LEVEL_MAX, Ledger, type Position, toHex } from "@bank/core";
import { applyFrame, genesisHash, type Replay } from "@bank/journal";
import { sha256 } from "./manual-platform.ts";
import type { ServerClient } from "./server-client.ts";
import type { JournalRecord, WholeJournal } from "./whole-journal.ts";

/**
 * Reads a server's journal over the wire, from its first batch to the one that ends at the position, and replays it with
 * every check there is.
 *
 * @param afterBatch is given the state after each batch.
 */
export async function followJournal(
  { journal }: ServerClient,
  upTo: Position,
  afterBatch: (ledger: Ledger) => void = () => undefined,
): Promise<WholeJournal> {
  const records: JournalRecord[] = [];
  const batchSizes: number[] = [];
  const digests = new Map<Position, string>();
  let replay: Replay | undefined;
  for await (const { frame, chainHash, bankId } of journal.follow({
    follower: "a test",
    formatLevel: FORMAT_LEVEL_MAX,
  })) {
    replay ??= { ledger: new Ledger({ hashSeed: 7 }), bankId, chainHash: genesisHash(sha256, bankId) };
    const { ledger } = replay;
    if (frame.length > 0) {
      const { header, records: decoded } = applyFrame(replay, { frame, chainHash }, sha256);
      ledger.forgetUndo(ledger.position);
      decoded.slice().forEach((record, i) => {
        const { timeMs, epochId, firstPosition } = header;
        records.push({ position: firstPosition + i, timeMs, epochId, record });
      });
      batchSizes.push(decoded.length);
      digests.set(ledger.position, toHex(ledger.digestBytes()));
      afterBatch(ledger);
    }
    if (ledger.position >= upTo) return { records, batchSizes, digests, replay };
  }
  throw new Error(`the journal's stream ended before position ${upTo}`);
}
