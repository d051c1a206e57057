import { FORMAT_LEVEL_MAX, Ledger } from "@bank/core";
import { applyFrame, genesisHash, type Replay } from "@bank/journal";
import { sha256 } from "@bank/node";
import { JournalService } from "@bank/proto";
import { connectToServer } from "@bank/rpc";
import { createClient } from "@connectrpc/connect";
import { type Audit, count, requireAcknowledged, requireZeroTotals } from "./audit.ts";

/**
 * The audit of a bank whose journal is gone with its process: reads all of it over the wire, as a branch does, while the bank
 * still runs, and replays it with every check there is.
 */
export async function auditOverWire(url: string, acknowledged: number): Promise<Audit> {
  const connection = connectToServer(url);
  const journal = createClient(JournalService, connection.transport);
  const over = new AbortController();
  try {
    const { position: upTo } = await journal.getPosition({});
    let replay: Replay | undefined;
    const counts = { movements: 0, snapshots: 0 };
    const request = { follower: "the audit of a benchmark", formatLevel: FORMAT_LEVEL_MAX };
    for await (const { frame, chainHash, bankId } of journal.follow(request, { signal: over.signal })) {
      replay ??= { ledger: new Ledger({ hashSeed: 1 }), bankId, chainHash: genesisHash(sha256, bankId) };
      const { ledger } = replay;
      if (frame.length === 0) continue;
      const { records } = applyFrame(replay, { frame, chainHash }, sha256);
      ledger.forgetUndo(ledger.position);
      count(records, counts);
      if (ledger.position < Number(upTo)) continue;
      requireZeroTotals(ledger);
      requireAcknowledged(counts.movements, acknowledged);
      return { ...counts, position: ledger.position, accounts: ledger.accounts.count };
    }
    throw new Error(`the journal's stream ended before position ${upTo}`);
  } finally {
    over.abort();
    connection.close();
  }
}
