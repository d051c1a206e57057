import { apply, beginBatch, RecordKind, SYSTEM_PRINCIPAL } from "@bank/core";
import { encodeFrame, nextHash } from "@bank/journal";
import { MemoryDisk, MemoryJournalStore } from "@bank/store";
import { ManualPlatform } from "@bank/testkit";
import { emptyReplay } from "./recover.ts";
import { BANK_ID, type Fixture, startSequencer } from "./sequencer.test-util.ts";

/** A journal of a program that knew no more than level 1 of the format: it holds one epoch, and nothing was done yet. */
export async function writeOldJournal(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = new MemoryJournalStore(disk);
  const platform = new ManualPlatform({ seed: 4 });
  await store.open();
  await store.initialize(BANK_ID);
  await store.fence(1);
  const { ledger, chainHash: previousHash } = emptyReplay(BANK_ID, platform);
  const id = platform.randomBytes(16);
  const timeMs = platform.wallMs();
  const begun = { kind: RecordKind.EPOCH_BEGUN, number: 1, id, bankId: BANK_ID, lossAccepted: false } as const;
  const record = { ...begun, principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined };
  beginBatch(ledger, timeMs);
  apply(ledger, record);
  const header = { epochId: id, firstPosition: 1, timeMs, digestAfter: ledger.digestBytes(), committedPosition: 0 };
  const frame = encodeFrame(header, [record]);
  const chainHash = nextHash(platform.sha256, previousHash, frame);
  await store.append([{ firstPosition: 1, lastPosition: 1, frame, previousHash, chainHash }], { epoch: 1 });
  await store.close();
  return disk;
}

/** A sequencer that goes on with such a journal. */
export async function startOldSequencer(options: Parameters<typeof startSequencer>[0] = {}): Promise<Fixture> {
  return startSequencer({ ...options, disk: options.disk ?? (await writeOldJournal()) });
}
