import { bytesEqual } from "@bank/core";
import { decodeHeader, type Replay } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import type { Platform } from "./platform.ts";
import { type Recovered, replayTail } from "./recover.ts";

/**
 * Recovers from a state that this process has in memory already, by what is stored behind it alone. Gives undefined where it is not a
 * state that the store's journal leads to: nothing of it is used then, for the store is the truth.
 * Rejects with: `CorruptStoreError` when the journal behind it does not prove right; what the store's reads reject with.
 *
 * @param warm only of what was committed. It is not to be used by anybody else any more, whatever comes of it.
 */
export async function recoverWarm(
  store: JournalStore,
  { bankId, warm, platform }: { readonly bankId: Uint8Array; readonly warm: Replay; readonly platform: Platform },
): Promise<Recovered | undefined> {
  const startedMs = platform.monotonicMs();
  const { position: warmPosition } = warm.ledger;
  // A start from what is stored is as quick, or says what is wrong.
  if (warmPosition === 0 || (await store.gap()) !== undefined) return undefined;
  const problem = await whyNot(store, bankId, warm);
  if (problem !== undefined) {
    platform.log.error("what this server has in memory is not what is stored; it starts from what is stored", {
      position: warmPosition,
      problem,
    });
    return undefined;
  }
  const settled = await replayTail(store, warm, platform, "end");
  const { position } = warm.ledger;
  return {
    replay: warm,
    warmPosition,
    snapshotPosition: (await store.snapshotPositions()).find((at) => at <= position) ?? 0,
    ...settled,
    replayedRecords: position - warmPosition,
    elapsedMs: platform.monotonicMs() - startedMs,
  };
}

/** Why the store's journal does not lead to this state; undefined where it does. */
async function whyNot(store: JournalStore, bankId: Uint8Array, warm: Replay): Promise<string | undefined> {
  const { ledger, chainHash } = warm;
  const { position } = ledger;
  if (!bytesEqual(bankId, warm.bankId)) return "it is of another bank";
  const batch = await store.batchAt(position);
  if (batch === undefined) return "the store ends before it";
  if (batch.lastPosition !== position || !bytesEqual(batch.chainHash, chainHash))
    return "the store's journal is another one there";
  // By the very journal that led to it: then memory itself is damaged.
  if (!bytesEqual(decodeHeader(batch.frame).digestAfter, ledger.digestBytes()))
    return "it has not the state of its journal";
  return undefined;
}
