import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { RefusalError } from "@bank/core";
import { deposit, request, rest, until } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { book, cutOff, type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { digestOf } from "./sequencer.test-util.ts";
import { GivenUpError, LocalLeader, startCopy } from "./warm-copy.test-util.ts";

const ALWAYS = { recordsMin: 1, recordsPerEntry: 0 };

async function leading(options: { deposits?: number; snapshotEveryRecords?: number } = {}) {
  const { deposits = 5, ...rest } = options;
  const opened = await openBank(rest);
  await book(opened, deposits);
  return { opened, leader: new LocalLeader(opened) };
}

type Copied = ReturnType<typeof startCopy>;

async function current({ copy, platform }: Copied, { bank }: OpenedBank): Promise<void> {
  await until(() => copy.position === bank.committedPosition, { platform });
  expect(digestOf(copy.replay!.ledger)).toBe(digestOf(bank.ledger));
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** In a function of its own: whoever asks for the ledger may keep it for as long as he runs. */
function ledgerOf({ copy }: Copied): WeakRef<object> {
  return new WeakRef(copy.replay!.ledger);
}

describe("a standby's copy", () => {
  it("goes on with the leader, and is handed over as it is", async () => {
    const { opened, leader } = await leading();
    const copied = startCopy(leader);
    await current(copied, opened);
    await book(opened, 5, 100);
    await current(copied, opened);
    const position = opened.bank.committedPosition;
    const replay = await copied.copy.end();
    await book(opened, 1, 200);
    await rest();
    expect(replay?.ledger.position).toBe(position);
    expect(copied.copy.position).toBeUndefined();
    expect(copied.platform.log.about("is warm").map(({ fields }) => fields["position"])).toHaveLength(1);
    expect(copied.troubles()).toEqual([]);
    expect(opened.bank.feed.followers).toBe(0);
  });

  it("waits for a leader to be known, and goes over to the next one", async () => {
    const { opened, leader } = await leading();
    const copied = startCopy(undefined);
    copied.copy.follow(undefined);
    await rest();
    expect(copied.copy.position).toBeUndefined();
    copied.copy.follow(leader);
    await current(copied, opened);
    const next = await openBank({ disk: opened.disk });
    copied.copy.follow(new LocalLeader(next, "http://the-next:1"));
    await book(next, 3, 100);
    await current(copied, next);
    expect(copied.copy.replay?.ledger.currentEpoch()?.number).toBe(2);
    expect(opened.bank.feed.followers).toBe(0);
    expect(copied.begun).toEqual([0]);
  });

  it("knows until when it was given what the leader had", async () => {
    const { opened, leader } = await leading();
    const copied = startCopy(leader);
    const { copy, platform } = copied;
    expect(copy.followedMs).toBeUndefined();
    await current(copied, opened);
    expect(copy.followedMs).toBe(platform.monotonicMs());
    copy.follow(undefined);
    await rest();
    const lostMs = platform.monotonicMs();
    platform.advance(7_000);
    expect(copy.followedMs).toBe(lostMs);
    await book(opened, 3, 100);
    copy.follow(new LocalLeader(opened, "http://the-next:1"));
    await current(copied, opened);
    expect(copy.followedMs).toBe(platform.monotonicMs());
  });

  it("goes on where it was when the stream is cut, however often, and says so once for each time", async () => {
    const { opened, leader } = await leading();
    const copied = startCopy(leader);
    for (let i = 0; i < 3; i++) {
      await current(copied, opened);
      leader.link.break();
      await book(opened, 2, 100 + 10 * i);
      for (let tries = 0; tries < 20; tries++) {
        copied.platform.advanceToNextTimer();
        await rest();
      }
      leader.link.join(opened.bank);
    }
    await current(copied, opened);
    expect(copied.begun).toEqual([0]);
    // That it was cut, and that nobody is there.
    expect(copied.platform.log.about("cannot follow").length).toBeLessThanOrEqual(2 * 3);
  });

  it("begins from a snapshot where it is far behind, also for the second time", async () => {
    const { opened, leader } = await leading({ deposits: 50, snapshotEveryRecords: 20 });
    await rest();
    await book(opened, 3, 100);
    const copied = startCopy(leader, { recordsMin: 40, recordsPerEntry: 0 });
    await current(copied, opened);
    const [, first] = copied.begun;
    expect(first).toBeGreaterThan(40);
    leader.link.break();
    await book(opened, 60, 200);
    await rest();
    await book(opened, 3, 300);
    leader.link.join(opened.bank);
    await current(copied, opened);
    expect(copied.begun.at(-1)).toBeGreaterThan(100);
    expect(copied.platform.log.about("begins from the leader's snapshot")).toHaveLength(2);
  });

  it("has let go of what it had when a snapshot comes", async () => {
    const { opened, leader } = await leading({ deposits: 50, snapshotEveryRecords: 20 });
    await rest();
    await book(opened, 3, 100);
    const copied = startCopy(leader, { recordsMin: 40, recordsPerEntry: 0 });
    await current(copied, opened);
    const before = ledgerOf(copied);
    const kept: boolean[] = [];
    leader.changePage = async (page) => {
      // In a turn of its own, in which nobody holds what he has just used.
      await rest();
      collectGarbage();
      kept.push(before.deref() !== undefined);
      return page;
    };
    leader.link.break();
    await book(opened, 60, 200);
    await rest();
    await book(opened, 3, 300);
    leader.link.join(opened.bank);
    await current(copied, opened);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.at(-1)).toBe(false);
  });

  it("replays everything where there is no snapshot, or those that come are false", async () => {
    const without = await leading({ deposits: 20 });
    await current(startCopy(without.leader, ALWAYS), without.opened);
    const { opened, leader } = await leading({ deposits: 50, snapshotEveryRecords: 20 });
    await rest();
    await book(opened, 3, 100);
    leader.changePage = (page) => page.map((byte, i) => (i === page.length - 1 ? byte ^ 1 : byte));
    const copied = startCopy(leader, ALWAYS);
    await current(copied, opened);
    expect(copied.begun.every((position) => position === 0)).toBe(true);
    expect(copied.platform.log.about("cannot follow").length).toBeGreaterThan(0);
  });

  it("begins anew where what comes does not lead to what it says, loudly, and less and less often", async () => {
    const { opened, leader } = await leading();
    const damage: typeof leader.change = (message) => {
      const { received } = message;
      if (received === undefined || message.lastPosition < 4) return message;
      const chainHash = received.chainHash.map((byte) => byte ^ 1);
      return { ...message, received: { ...received, chainHash } };
    };
    leader.change = damage;
    const copied = startCopy(leader);
    const begun: number[] = [];
    for (let times = 1; times <= 4; times++) {
      await until(() => copied.begun.length === times, { platform: copied.platform });
      begun.push(copied.platform.monotonicMs());
    }
    const waits = begun.slice(1).map((ms, i) => ms - (begun[i] as number));
    expect(waits[2]).toBeGreaterThan(1.5 * (waits[0] as number));
    expect(copied.platform.log.about("cannot be trusted").length).toBeGreaterThanOrEqual(3);
    leader.change = (message) => message;
    await current(copied, opened);
    // What went well for long is as good as new.
    copied.platform.advance(300_000);
    leader.change = damage;
    const { length } = copied.begun;
    const sinceMs = copied.platform.monotonicMs();
    await book(opened, 1, 100);
    await until(() => copied.begun.length > length, { platform: copied.platform });
    expect(copied.platform.monotonicMs() - sinceMs).toBeLessThan(2 * (waits[0] as number) + 1);
    leader.change = (message) => message;
    await current(copied, opened);
  });

  it("hands nothing over that memory may hold half of", async () => {
    const { leader } = await leading();
    let isFalse = false;
    leader.change = (message) => {
      const { received } = message;
      if (received === undefined || message.lastPosition < 4) return message;
      isFalse = true;
      return { ...message, received: { ...received, chainHash: received.chainHash.map((byte) => byte ^ 1) } };
    };
    const copied = startCopy(leader);
    await until(() => isFalse, { platform: copied.platform });
    await rest();
    expect(await copied.copy.end()).toBeUndefined();
  });

  it("hands nothing over that was damaged while it was told to end", async () => {
    const { leader } = await leading();
    let ended: ReturnType<typeof copied.copy.end> | undefined;
    const copied = startCopy(leader);
    leader.change = (message) => {
      const { received } = message;
      if (received === undefined || message.lastPosition < 4) return message;
      ended ??= copied.copy.end();
      return { ...message, received: { ...received, chainHash: received.chainHash.map((byte) => byte ^ 1) } };
    };
    await until(() => ended !== undefined, { platform: copied.platform });
    expect((await ended)?.ledger.position).toBeUndefined();
  });

  it("keeps what the leader lacks, says so, and begins anew only once an operator has given it up", async () => {
    const { opened, leader } = await leading();
    const copied = startCopy(leader);
    await current(copied, opened);
    const position = opened.bank.committedPosition;
    cutOff(opened.disk, 2);
    const back = await openBank({ disk: opened.disk });
    await back.bank.submit([request(900, deposit(1, 7))]);
    const next = new LocalLeader(back, "http://the-next:1");
    copied.copy.follow(next);
    await until(() => copied.platform.log.about("not a continuation").length > 0, { platform: copied.platform });
    expect(copied.copy.position).toBe(position);
    next.failure = new GivenUpError("an operator has decided");
    await until(() => copied.platform.log.about("begins anew").length > 0, { platform: copied.platform });
    next.failure = undefined;
    await current(copied, back);
  });

  it("tells once why it cannot follow, and goes on trying", async () => {
    const { opened, leader } = await leading();
    leader.failure = new RefusalError("FORMAT_LEVEL_UNKNOWN", { follower: "it", known: "1", level: "2" });
    const copied = startCopy(leader);
    for (let tries = 0; tries < 50; tries++) {
      copied.platform.advanceToNextTimer();
      await rest();
    }
    expect(copied.platform.log.about("cannot follow")).toHaveLength(1);
    leader.failure = undefined;
    await current(copied, opened);
  });
});
