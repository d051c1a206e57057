import type { Replay } from "@bank/journal";
import { applyFrame } from "@bank/journal";
import { MemoryJournalStore } from "@bank/store";
import { deposit, HeldStore, ManualPlatform, request, sha256 } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { book, cutOff, type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { emptyReplay } from "./recover.ts";
import { balanceOf, digestOf } from "./sequencer.test-util.ts";

/** What a standby has that has followed a bank up to a position. */
function warmAt({ bank, disk }: OpenedBank, position: number): Replay {
  const replay = emptyReplay(bank.bankId, new ManualPlatform({ seed: 77 }));
  for (const batch of disk.batches) {
    if (batch.lastPosition > position) break;
    applyFrame(replay, batch, sha256);
    replay.ledger.forgetUndo(replay.ledger.position);
  }
  return replay;
}

async function written(deposits = 30): Promise<OpenedBank> {
  const opened = await openBank({ snapshotEveryRecords: 10 });
  await book(opened, deposits);
  return opened;
}

/** A store that counts what is read of it. */
class CountingStore extends MemoryJournalStore {
  batches = 0;
  pages = 0;

  override async read(...asked: Parameters<MemoryJournalStore["read"]>): ReturnType<MemoryJournalStore["read"]> {
    const batches = await super.read(...asked);
    this.batches += batches.length;
    return batches;
  }

  override snapshotPage(...asked: Parameters<MemoryJournalStore["snapshotPage"]>) {
    this.pages++;
    return super.snapshotPage(...asked);
  }
}

async function takenOver(old: OpenedBank, warm: Replay | undefined) {
  const counting = new CountingStore(old.disk);
  const store = new HeldStore(counting);
  const next = await openBank({ disk: old.disk, store, headStart: async () => warm });
  return { ...next, counting };
}

describe("a bank that had the journal in memory when its turn came", () => {
  it("reads what lies behind that, and nothing else", async () => {
    const old = await written();
    const position = old.bank.committedPosition;
    const next = await takenOver(old, warmAt(old, position - 3));
    expect(next.counting).toMatchObject({ batches: 3, pages: 0 });
    expect(next.bank.recovered).toMatchObject({ warmPosition: position - 3, replayedRecords: 3 });
    expect(balanceOf(next.bank.ledger, 1)).toBe(30n);
    expect(next.bank.ledger.currentEpoch()?.number).toBe(2);
    // It goes on as any other: an answer of before is found, and a later start agrees with it.
    expect(await next.bank.submit([request(1, deposit(1, 1))])).toMatchObject([{ replayed: true }]);
    await book(next, 5, 500);
    const cold = await takenOver(next, undefined);
    expect(cold.counting.pages).toBeGreaterThan(0);
    expect(balanceOf(cold.bank.ledger, 1)).toBe(35n);
    expect(cold.bank.recovered.warmPosition).toBeUndefined();
  });

  it("reads nothing where nothing lies behind that, and counts its snapshots from the newest that is stored", async () => {
    const old = await written();
    const next = await takenOver(old, warmAt(old, old.bank.committedPosition));
    expect(next.counting.batches).toBe(0);
    expect(next.bank.recovered.snapshotPosition).toBe(Math.max(...old.disk.snapshots.map(({ position }) => position)));
  });

  it("is no bank where the store has not the whole journal, whatever it had", async () => {
    const old = await written();
    const store = new HeldStore(new CountingStore(old.disk));
    const upTo = { position: 3, chainHash: new Uint8Array(32) };
    vi.spyOn(store, "gap").mockResolvedValue({ after: 0, upTo, filled: undefined });
    const opening = openBank({ disk: old.disk, store, headStart: async () => warmAt(old, 20) });
    await expect(opening).rejects.toThrow(/a bank needs the whole journal/);
  });

  it.each([
    {
      what: "of more than is stored",
      problem: /ends before it/,
      warm: (old: OpenedBank) => {
        const warm = warmAt(old, old.bank.committedPosition);
        cutOff(old.disk, 2);
        return warm;
      },
    },
    {
      what: "of another end than is stored",
      problem: /another one there/,
      warm: (old: OpenedBank, other: OpenedBank) => {
        const warm = warmAt(old, old.bank.committedPosition);
        // As long, and of the same bank, but with other hashes.
        warm.chainHash = warmAt(other, old.bank.committedPosition).chainHash;
        return warm;
      },
    },
    {
      what: "of a position at which no batch ends",
      problem: /another one there/,
      warm: (old: OpenedBank) => {
        const warm = warmAt(old, 5);
        warm.ledger.position = 2;
        return warm;
      },
    },
    {
      what: "of another state than its journal leads to",
      problem: /not the state/,
      warm: (old: OpenedBank) => {
        const warm = warmAt(old, 9);
        const { chainHash } = warmAt(old, 10);
        warm.ledger.position = 10;
        warm.chainHash = chainHash;
        return warm;
      },
    },
    {
      what: "of another bank",
      problem: /another bank/,
      warm: (_old: OpenedBank, other: OpenedBank) => warmAt(other, 10),
    },
  ])("uses nothing that is $what: it starts from what is stored", async ({ warm, problem }) => {
    const old = await written();
    const other = await openBank({ platform: new ManualPlatform({ seed: 99 }) });
    await book(other, 40);
    const state = warm(old, other);
    const next = await takenOver(old, state);
    expect(next.bank.recovered.warmPosition).toBeUndefined();
    const [told] = next.platform.log.about("is not what is stored");
    expect(told).toMatchObject({ level: "error", fields: { problem: expect.stringMatching(problem) } });
    await book(next, 2, 700);
    const cold = await takenOver(next, undefined);
    expect(digestOf(cold.bank.ledger)).not.toBe("");
    expect(balanceOf(cold.bank.ledger, 1)).toBe(balanceOf(next.bank.ledger, 1));
  });
});
