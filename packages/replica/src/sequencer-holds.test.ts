import {
  EXPIRIES_PER_RECORD_MAX,
  HoldState,
  type LedgerRecord,
  RecordKind,
  RefusalError,
  type Request,
} from "@bank/core";
import { decodeFrame } from "@bank/journal";
import type { StoredBatch } from "@bank/store";
import { deposit, ManualPlatform, request, rest, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { ALARM_WAIT_MAX_MS } from "./alarm.ts";
import { captureHold, later, placeHold, releaseHold } from "./commands.test-util.ts";
import {
  answered,
  appendHeld,
  digestOf,
  type Fixture,
  reopened,
  short,
  startSequencer,
  startWithAccounts,
  submitOne,
} from "./sequencer.test-util.ts";

/** Account 1 with 1,000, and nothing that wakes the bank. */
async function startFunded(): Promise<Fixture> {
  const fixture = await startWithAccounts(1);
  await submitOne(fixture.sequencer, request(800_000, deposit(1, 1_000)));
  fixture.committed.length = 0;
  return fixture;
}

/** Places a hold, and gives its position. */
async function hold(fixture: Fixture, id: number, amount: number, inMs: number): Promise<number> {
  const expiresMs = inMs === 0 ? 0 : later(fixture, inMs);
  return answered(await submitOne(fixture.sequencer, request(id, placeHold(1, amount, expiresMs)))).position;
}

const recordsOf = ({ frame }: StoredBatch): readonly LedgerRecord[] => [...decodeFrame(frame).records];
const kindsOf = (batch: StoredBatch) => recordsOf(batch).map(({ kind }) => kind);
const held = ({ ledger }: Fixture) => ledger.viewAccount(ledger.findCustomerAccount("1")!).held;
const stateOf = ({ ledger }: Fixture, position: number) => ledger.viewHold(position)?.state;

describe("holds whose time has come", () => {
  it("end before anything else in the next batch, behind the bank's own records", async () => {
    const fixture = await startFunded();
    const { sequencer, platform, committed, store } = fixture;
    const [first, second, third] = [
      await hold(fixture, 1, 400, 500),
      await hold(fixture, 2, 500, 400),
      await hold(fixture, 3, 1, 900),
    ];
    committed.length = 0;
    store.holds = true;
    const inFlight = watch(submitOne(sequencer, request(4, deposit(1, 1))));
    await appendHeld(fixture);
    platform.advance(500);
    sequencer.recordStateRoot(1, new Uint8Array(32));
    const told = [request(5, captureHold(first!)), request(6, withdraw(1, 1_000))].map((one) =>
      watch(submitOne(sequencer, one)),
    );
    store.holds = false;
    store.passNext();
    await until(() => told.every(({ state }) => state === "fulfilled"));
    expect(inFlight.state).toBe("fulfilled");
    expect(told.map(({ value }) => short(value!))).toEqual(["HOLD_ENDED", "done"]);
    expect(kindsOf(committed[1]!)).toEqual([
      RecordKind.STATE_ROOT,
      RecordKind.HOLDS_EXPIRED,
      RecordKind.REJECTED,
      RecordKind.WITHDRAWAL,
    ]);
    // In the order of their time.
    expect(recordsOf(committed[1]!)[1]).toMatchObject({ holds: [second, first], request: undefined, branch: 0 });
    expect([first, second, third].map((one) => stateOf(fixture, one!))).toEqual([
      HoldState.EXPIRED,
      HoldState.EXPIRED,
      HoldState.OPEN,
    ]);
  });

  it("end by themselves in an idle bank, each when its time has come, and then nothing wakes it any more", async () => {
    const fixture = await startFunded();
    const { platform, committed } = fixture;
    const positions = [
      await hold(fixture, 1, 100, 30),
      await hold(fixture, 2, 100, 70),
      await hold(fixture, 3, 100, 0),
    ];
    committed.length = 0;
    platform.advance(29);
    await rest();
    expect(committed).toEqual([]);
    platform.advance(1);
    await until(() => committed.length === 1);
    expect(kindsOf(committed[0]!)).toEqual([RecordKind.HOLDS_EXPIRED]);
    expect(decodeFrame(committed[0]!.frame).header.timeMs).toBe(Math.floor(platform.wallMs()));
    expect(held(fixture)).toBe(200n);
    await rest();
    expect(platform.timerCount).toBe(1);
    platform.advance(40);
    await until(() => committed.length === 2);
    await rest();
    expect(platform.timerCount).toBe(0);
    expect(positions.map((one) => stateOf(fixture, one))).toEqual([
      HoldState.EXPIRED,
      HoldState.EXPIRED,
      HoldState.OPEN,
    ]);
    expect(digestOf((await reopened(fixture.disk)).replay.ledger)).toBe(digestOf(fixture.ledger));
  });

  it("are waited for in pieces, without a write before it is time", async () => {
    const fixture = await startFunded();
    const { platform, committed } = fixture;
    await hold(fixture, 1, 100, 3 * ALARM_WAIT_MAX_MS + 500);
    committed.length = 0;
    let wakings = 0;
    await rest();
    while (committed.length === 0 && wakings < 10) {
      expect(platform.timerCount).toBe(1);
      platform.advanceToNextTimer();
      wakings++;
      await rest();
    }
    expect(wakings).toBe(4);
    expect(held(fixture)).toBe(0n);
  });

  it("that are captured or released before wake nobody", async () => {
    const fixture = await startFunded();
    const { sequencer, platform, committed } = fixture;
    const positions = [await hold(fixture, 1, 100, 50), await hold(fixture, 2, 100, 60)];
    await sequencer.submit([request(3, captureHold(positions[0]!)), request(4, releaseHold(positions[1]!))]);
    await rest();
    expect(platform.timerCount).toBe(0);
    committed.length = 0;
    platform.advance(1_000);
    await rest();
    expect(committed).toEqual([]);
  });

  it("wake an idle bank for a hold that ends before the one it waited for", async () => {
    const fixture = await startFunded();
    const { platform, committed } = fixture;
    await hold(fixture, 1, 100, 5_000);
    await hold(fixture, 2, 100, 10);
    committed.length = 0;
    await rest();
    expect(platform.timerCount).toBe(1);
    platform.advance(10);
    await until(() => committed.length === 1);
    expect(held(fixture)).toBe(100n);
  });

  it("more than a batch takes go into several, and no command runs before the last has ended", async () => {
    const { committed, disk, ledger, sequencer, platform } = await startWithManyHolds();
    const told = watch(submitOne(sequencer, request(1, withdraw(1, HOLDS))));
    const retry = watch(submitOne(sequencer, request(800_000, deposit(1, HOLDS))));
    platform.advance(1_000);
    await until(() => told.state === "fulfilled" && retry.state === "fulfilled");
    expect(short(told.value!)).toBe("done");
    expect(short(retry.value!)).toBe("done, replayed");
    const batches = committed.map(recordsOf);
    const kinds = batches.map((records) => records.map(({ kind }) => kind));
    expect(kinds.length).toBeGreaterThan(1);
    expect(new Set(kinds.slice(0, -1).flat())).toEqual(new Set([RecordKind.HOLDS_EXPIRED]));
    expect(kinds.at(-1)!.at(-1)).toBe(RecordKind.WITHDRAWAL);
    const expired = batches.flat().flatMap((record) => ("holds" in record ? [record.holds] : []));
    expect(Math.max(...expired.map(({ length }) => length))).toBe(EXPIRIES_PER_RECORD_MAX);
    expect(expired.flat()).toHaveLength(HOLDS);
    expect(new Set(expired.flat()).size).toBe(HOLDS);
    expect(digestOf((await reopened(disk)).replay.ledger)).toBe(digestOf(ledger));
  });
});

/** More than the records of one batch can end. */
const HOLDS = 15 * EXPIRIES_PER_RECORD_MAX;

async function startWithManyHolds(): Promise<Fixture> {
  const platform = new ManualPlatform();
  const fixture = await startSequencer({ platform });
  const { sequencer } = fixture;
  const owner = { kind: "openAccount", type: 2, owner: "Ada", displayName: "", currency: "USD" } as const;
  await sequencer.submit([request(900_000, owner), request(800_000, deposit(1, HOLDS))]);
  const expiresMs = later(fixture, 1_000);
  for (let from = 0; from < HOLDS; from += 10_000)
    await sequencer.submit(
      Array.from({ length: 10_000 }, (_, i): Request => request(1_000_000 + from + i, placeHold(1, 1, expiresMs))),
    );
  fixture.committed.length = 0;
  return fixture;
}

describe("an append that was refused", () => {
  it("takes the end of holds back with everything else, and it is tried again after a while, not at once", async () => {
    const fixture = await startFunded();
    const { sequencer, platform, faulty, store, ledger } = fixture;
    const position = await hold(fixture, 1, 400, 50);
    const before = { digest: digestOf(ledger), timeMs: ledger.timeMs };
    store.calls.append = 0;
    for (let i = 0; i < 3; i++) faulty.failNextAppend("refused");
    platform.advance(50);
    await until(() => store.calls.append === 1);
    await rest();
    expect({ digest: digestOf(ledger), timeMs: ledger.timeMs }).toEqual(before);
    expect(stateOf(fixture, position)).toBe(HoldState.OPEN);
    expect(held(fixture)).toBe(400n);
    // Nothing happens by itself before the pause is over.
    platform.advance(100);
    await rest();
    expect(store.calls.append).toBe(1);
    const began = platform.monotonicMs();
    await until(() => store.calls.append === 3, { platform });
    expect(platform.monotonicMs() - began).toBeGreaterThan(500);
    await until(() => stateOf(fixture, position) === HoldState.EXPIRED, { platform });
    expect(store.calls.append).toBe(4);
    expect(sequencer.committedPosition).toBe(ledger.position);
    await rest();
    expect(platform.timerCount).toBe(0);
    // An append that worked made the pauses short again.
    const second = await hold(fixture, 2, 400, 50);
    faulty.failNextAppend("refused");
    platform.advance(50);
    await until(() => faulty.faultsSpent);
    const again = platform.monotonicMs();
    await until(() => stateOf(fixture, second) === HoldState.EXPIRED, { platform });
    expect(platform.monotonicMs() - again).toBeLessThanOrEqual(500);
  });

  it("refuses the caller whose batch ended them first; the next one's ends them again", async () => {
    const fixture = await startFunded();
    const { sequencer, platform, faulty, committed } = fixture;
    const position = await hold(fixture, 1, 1_000, 50);
    faulty.failNextAppend("refused");
    committed.length = 0;
    const refused = watch(submitOne(sequencer, request(2, withdraw(1, 1_000))));
    platform.advance(50);
    await until(() => refused.state === "fulfilled");
    expect(short(refused.value!)).toBe("STORE_REFUSED NOT_APPLIED");
    expect(stateOf(fixture, position)).toBe(HoldState.OPEN);
    expect(short(await submitOne(sequencer, request(2, withdraw(1, 1_000))))).toBe("done");
    expect(kindsOf(committed[0]!)).toEqual([RecordKind.HOLDS_EXPIRED, RecordKind.WITHDRAWAL]);
    await rest();
    expect(platform.timerCount).toBe(0);
  });

  it("that ended a captured hold gives back what the capture was computed from", async () => {
    const fixture = await startFunded();
    const { sequencer, faulty, ledger } = fixture;
    const position = await hold(fixture, 1, 400, 0);
    const before = digestOf(ledger);
    faulty.failNextAppend("refused");
    const told = [
      request(2, captureHold(position, 150)),
      request(3, captureHold(position)),
      request(4, captureHold(position)),
    ].map((one) => watch(submitOne(sequencer, one)));
    await until(() => told.every(({ state }) => state === "fulfilled"));
    expect(told.map(({ value }) => short(value!))).toEqual(Array(3).fill("STORE_REFUSED NOT_APPLIED"));
    expect(digestOf(ledger)).toBe(before);
    const again = await sequencer.submit([request(4, captureHold(position)), request(2, captureHold(position, 150))]);
    expect(again.map(short)).toEqual(["done", "HOLD_ENDED"]);
  });
});

describe("a bank that starts with open holds", () => {
  it("ends those that are due with its epoch, and waits for the others", async () => {
    const first = await startFunded();
    const positions = [await hold(first, 1, 100, 50), await hold(first, 2, 100, 5_000)];
    await first.sequencer.drain();
    expect(first.platform.timerCount).toBe(0);
    const platform = new ManualPlatform({ seed: 9, wallMs: first.platform.wallMs() + 60 });
    const next = await startSequencer({ disk: first.disk, platform });
    expect(positions.map((one) => stateOf(next, one))).toEqual([HoldState.EXPIRED, HoldState.OPEN]);
    const { records } = await reopened(first.disk);
    expect(records.slice(-2).map(({ record }) => record.kind)).toEqual([
      RecordKind.EPOCH_BEGUN,
      RecordKind.HOLDS_EXPIRED,
    ]);
    first.disk.holder = undefined;
    const third = await startSequencer({
      disk: first.disk,
      platform: new ManualPlatform({ wallMs: platform.wallMs() }),
    });
    third.platform.advance(5_000);
    await until(() => stateOf(third, positions[1]!) === HoldState.EXPIRED);
    expect(held(third)).toBe(0n);
  });
});

describe("nothing wakes a bank", () => {
  it("that drains, nor is a timer left", async () => {
    const fixture = await startFunded();
    const { sequencer, platform, committed } = fixture;
    await hold(fixture, 1, 100, 50);
    await rest();
    expect(platform.timerCount).toBe(1);
    await sequencer.drain();
    expect(platform.timerCount).toBe(0);
    committed.length = 0;
    platform.advance(1_000);
    await rest();
    expect(committed).toEqual([]);
  });

  it("that was told to write nothing more, not even while the last append is in flight", async () => {
    const fixture = await startFunded();
    const { sequencer, platform, store, committed } = fixture;
    const position = await hold(fixture, 1, 100, 50);
    store.holds = true;
    committed.length = 0;
    const write = watch(submitOne(sequencer, request(2, deposit(1, 1))));
    await appendHeld(fixture);
    platform.advance(1_000);
    sequencer.stopWriting(new RefusalError("LOSS_DETECTED", { position: "1", witness: "x", witness_position: "2" }));
    store.holds = false;
    store.passNext();
    await until(() => write.state === "fulfilled");
    await rest();
    expect(committed).toHaveLength(1);
    expect(stateOf(fixture, position)).toBe(HoldState.OPEN);
    expect(platform.timerCount).toBe(0);
  });

  it("that failed", async () => {
    const fixture = await startFunded();
    const { sequencer, platform, store, fatal } = fixture;
    await hold(fixture, 1, 100, 50);
    store.holds = true;
    const write = watch(submitOne(sequencer, request(2, deposit(1, 1))));
    await appendHeld(fixture);
    store.failNext(new Error("the disk is gone"));
    await until(() => write.state === "rejected");
    await rest();
    expect(fatal).toHaveLength(1);
    expect(platform.timerCount).toBe(0);
  });

  it("that has no hold with an end", async () => {
    const fixture = await startFunded();
    await hold(fixture, 1, 100, 0);
    await rest();
    expect(fixture.platform.timerCount).toBe(0);
  });
});
