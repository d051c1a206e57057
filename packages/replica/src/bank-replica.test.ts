import { MemoryJournalStore } from "@bank/store";
import { deposit, request, rest, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { book, openBank } from "./bank-replica.test-util.ts";
import { short } from "./sequencer.test-util.ts";

describe("closing", () => {
  it("answers what waits, and can be done twice", async () => {
    const opened = await openBank();
    const { bank, platform, store, disk } = opened;
    await book(opened, 1);
    const writes = [1, 2, 3].map((id) => watch(bank.submit([request(100 + id, deposit(1, 1))])));
    await Promise.all([bank.close(), bank.close()]);
    expect(writes.map(({ value }) => short(value![0]!))).toEqual(["done", "done", "done"]);
    await expect(bank.submit([request(500, deposit(1, 1))])).rejects.toMatchObject({
      refusal: { reason: "NOT_READY" },
    });
    expect(store.calls.saveSnapshot).toBe(1);
    await bank.close();
    expect(platform.log.lines).toEqual([]);
    expect(disk.holder).toBeUndefined();
  });

  it("logs a store that cannot be closed", async () => {
    const { bank, store, platform } = await openBank();
    store.before.close = async () => {
      throw new Error("the door jams");
    };
    await bank.close();
    expect(platform.log.about("store not closed cleanly")[0]?.fields).toEqual({ problem: "the door jams" });
  });
});

it("feeds followers from memory, batch by batch, as they are committed", async () => {
  const opened = await openBank();
  const seen: number[] = [];
  const following = watch(
    (async () => {
      for await (const { lastPosition } of opened.bank.feed.follow(0, new AbortController().signal))
        seen.push(lastPosition);
    })(),
  );
  await book(opened, 3);
  await rest();
  expect(seen).toEqual(opened.disk.batches.map(({ lastPosition }) => lastPosition));
  // Once, when it recovered.
  expect(opened.store.calls.read).toBe(1);
  expect(following.state).toBe("pending");
});

describe("the head", () => {
  it("is the newest committed position with its proof, or the proof of an earlier one", async () => {
    const opened = await openBank();
    const { bank, disk, store, heads } = opened;
    await book(opened, 2);
    const position = bank.committedPosition;
    const chainHash = disk.batches.at(-1)!.chainHash;
    const epochId = bank.ledger.currentEpoch()!.id;
    expect(await bank.head(0)).toEqual({ position, chainHash, epochId });
    expect(await bank.head(position)).toEqual({ position, chainHash, epochId });
    expect(heads.at(-1)).toEqual({ position, chainHash });
    const first = disk.batches[0]!;
    expect(await bank.head(first.lastPosition)).toEqual({ position, chainHash: first.chainHash, epochId });
    expect(await bank.head(first.firstPosition)).toEqual({ position, chainHash: undefined, epochId });
    expect(bank.readIndex()).toMatchObject({ position, epochId, epoch: 1 });
    // What is stored and not committed is nobody's business.
    store.holds = true;
    const write = watch(bank.submit([request(50, deposit(1, 1))]));
    await until(() => store.held.length > 0);
    const raw = new MemoryJournalStore(disk);
    disk.holder = raw;
    await raw.append(store.held[0]!.batches, { epoch: 1 });
    disk.holder = undefined;
    expect((await bank.head(position + 1)).chainHash).toBeUndefined();
    expect(bank.readIndex().position).toBe(position);
    expect(write.state).toBe("pending");
  });
});
