import { PositionWatch } from "@bank/replica";
import { ManualPlatform, Random, rest, until } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { GATHER_MS, MESSAGE_BYTES_MAX, MESSAGES_IN_FLIGHT_MAX, WAITING_BYTES_MAX } from "./limits.ts";
import type { Frames } from "./projection.ts";
import { Pump } from "./pump.ts";
import { RandomJournal, type TestBatch } from "./random-journal.test-util.ts";
import { TestJournal } from "./test-journal.test-util.ts";

/** Batches with frames of about this many bytes, which the pump never looks into. */
function batchesOf(count: number, bytes: number): TestBatch[] {
  const journal = new RandomJournal(new Random(1));
  return Array.from({ length: count }, () => ({ ...journal.grow(), frame: new Uint8Array(bytes) }));
}

class Rig {
  readonly journal = new TestJournal();
  readonly projected = new PositionWatch(0);
  readonly messages: Frames[] = [];
  readonly platform = new ManualPlatform();
  readonly pump: Pump;
  readonly stop = new AbortController();
  private acknowledged = 0;

  constructor() {
    const { journal, projected, platform } = this;
    this.pump = new Pump({ journal, projected, platform, project: (frames) => this.messages.push(frames) });
  }

  run(): Promise<void> {
    return this.pump.run(this.stop.signal);
  }

  /** Frames of each message. */
  sizes(): number[] {
    return this.messages.map(({ frames }) => frames.length);
  }

  /** What a worker does when it is through with a message. */
  acknowledge(): void {
    const message = this.messages[this.acknowledged++]!;
    const batch = this.journal.batches.find(({ chainHash }) => Buffer.compare(chainHash, message.chainHash) === 0)!;
    this.projected.advance(batch.lastPosition);
    this.pump.acknowledge();
  }
}

describe("the pump", () => {
  it("gathers for a moment what nobody waits for", async () => {
    const rig = new Rig();
    const running = rig.run();
    const [first, second, third] = batchesOf(3, 100) as [TestBatch, TestBatch, TestBatch];
    rig.journal.append(first);
    await rest();
    rig.platform.advance(GATHER_MS - 1);
    rig.journal.append(second);
    await rest();
    expect(rig.sizes()).toEqual([]);
    rig.platform.advance(1);
    await rest();
    expect(rig.sizes()).toEqual([2]);
    rig.journal.append(third);
    await rest();
    rig.platform.advance(GATHER_MS - 1);
    await rest();
    expect(rig.sizes()).toEqual([2]);
    rig.platform.advance(1);
    await rest();
    expect(rig.sizes()).toEqual([2, 1]);
    rig.stop.abort(new Error("stopped"));
    await expect(running).rejects.toThrow("stopped");
  });

  it("asks the journal for nothing while it gathers, however much comes, and then for all of it", async () => {
    const rig = new Rig();
    const running = rig.run();
    const batches = batchesOf(9, 100);
    for (const batch of batches.slice(0, 6)) {
      rig.journal.append(batch);
      await rest();
    }
    expect(rig.journal.read).toBe(1);
    rig.platform.advance(GATHER_MS);
    await rest();
    expect([rig.journal.read, ...rig.sizes()]).toEqual([6, 6]);
    for (const batch of batches.slice(6)) {
      rig.journal.append(batch);
      await rest();
    }
    expect(rig.journal.read).toBe(6);
    rig.pump.want(batches[7]!.lastPosition);
    await rest();
    expect([rig.journal.read, ...rig.sizes()]).toEqual([9, 6, 1]);
    rig.acknowledge();
    expect(rig.sizes()).toEqual([6, 1, 2]);
    rig.stop.abort(new Error("stopped"));
    await expect(running).rejects.toThrow("stopped");
  });

  it("sends at once what somebody waits for, before and after it comes, and gathers again behind it", async () => {
    const rig = new Rig();
    const running = rig.run();
    const batches = batchesOf(5, 100);
    rig.journal.append(...batches.slice(0, 2));
    await rest();
    rig.pump.want(1);
    expect(rig.sizes()).toEqual([2]);
    rig.pump.want(batches[3]!.lastPosition);
    for (const batch of batches.slice(2)) {
      rig.journal.append(batch);
      await rest();
    }
    rig.acknowledge();
    expect(rig.sizes()).toEqual([2, 1, 2]);
    rig.stop.abort();
    await expect(running).rejects.toThrow();
  });

  it("gathers what comes while the projection is at work, up to a limit", async () => {
    const rig = new Rig();
    const running = rig.run();
    rig.pump.want(Number.MAX_SAFE_INTEGER);
    rig.journal.append(...batchesOf(22, MESSAGE_BYTES_MAX / 8));
    await rest();
    expect(rig.messages).toHaveLength(MESSAGES_IN_FLIGHT_MAX);
    while (rig.projected.current < rig.journal.position) {
      rig.acknowledge();
      await rest();
    }
    expect(rig.sizes()).toEqual([1, 1, 8, 8, 4]);
    rig.stop.abort();
    await expect(running).rejects.toThrow();
  });

  it("does not wait for more than a message can hold", async () => {
    const rig = new Rig();
    const running = rig.run();
    rig.journal.append(...batchesOf(11, MESSAGE_BYTES_MAX / 4));
    await rest();
    expect(rig.sizes()).toEqual([4, 4]);
    rig.acknowledge();
    await rest();
    expect(rig.sizes()).toEqual([4, 4]);
    rig.platform.advance(GATHER_MS);
    await rest();
    expect(rig.sizes()).toEqual([4, 4, 3]);
    rig.stop.abort();
    await expect(running).rejects.toThrow();
  });

  it("sends a frame that is larger than a message by itself", async () => {
    const rig = new Rig();
    const running = rig.run();
    rig.journal.append(...batchesOf(5, MESSAGE_BYTES_MAX + 1));
    await rest();
    for (let i = 0; i < 5; i++) {
      rig.acknowledge();
      await rest();
    }
    expect(rig.sizes()).toEqual([1, 1, 1, 1, 1]);
    rig.stop.abort();
    await expect(running).rejects.toThrow();
  });

  it("reads no further than it must while the projection is slow, and all of it in the end", async () => {
    const rig = new Rig();
    const running = rig.run();
    const bytes = MESSAGE_BYTES_MAX / 2;
    const count = 60;
    rig.journal.append(...batchesOf(count, bytes));
    await rest();
    const most = (MESSAGES_IN_FLIGHT_MAX * MESSAGE_BYTES_MAX + WAITING_BYTES_MAX) / bytes + 1;
    expect(rig.journal.read).toBe(most);
    await rest();
    expect(rig.journal.read).toBe(most);
    rig.pump.want(rig.journal.position);
    while (rig.projected.current < rig.journal.position) {
      rig.acknowledge();
      await rest();
    }
    expect(rig.messages.flatMap(({ frames }) => frames)).toHaveLength(count);
    rig.stop.abort();
    await expect(running).rejects.toThrow();
  });

  it("hands over copies: the journal's bytes are not its own", async () => {
    const rig = new Rig();
    const running = rig.run();
    const [batch] = batchesOf(1, 10) as [TestBatch];
    rig.journal.append(batch);
    rig.pump.want(1);
    await rest();
    rig.messages[0]!.frames[0]!.fill(9);
    rig.messages[0]!.chainHash.fill(9);
    expect(batch.frame).toEqual(new Uint8Array(10));
    expect(batch.chainHash).not.toEqual(new Uint8Array(32).fill(9));
    rig.stop.abort();
    await expect(running).rejects.toThrow();
  });

  it("goes on where it was after the journal failed, and repeats nothing", async () => {
    const rig = new Rig();
    const batches = batchesOf(6, 10);
    rig.journal.append(...batches.slice(0, 3));
    const first = rig.run();
    await until(() => rig.journal.read === 3);
    rig.journal.failure = new Error("the disk is gone");
    rig.journal.append(...batches.slice(3));
    // It does not look before it needs something.
    rig.platform.advance(GATHER_MS);
    await expect(first).rejects.toThrow("the disk is gone");
    rig.journal.failure = undefined;
    const second = rig.run();
    await until(() => rig.journal.read === 6);
    rig.pump.want(rig.journal.position);
    while (rig.projected.current < rig.journal.position) {
      rig.acknowledge();
      await rest();
    }
    expect(rig.messages.flatMap(({ frames }) => frames)).toHaveLength(6);
    rig.stop.abort();
    await expect(second).rejects.toThrow();
  });
});
