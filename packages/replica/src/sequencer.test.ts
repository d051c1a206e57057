import { RecordKind, RefusalError } from "@bank/core";
import { decodeFrame } from "@bank/journal";
import { deposit, openAccount, request, rest, transfer, turn, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import {
  answered,
  appendHeld,
  balanceOf,
  reopened,
  short,
  startSequencer,
  startWithAccounts,
  submitOne,
} from "./sequencer.test-util.ts";

describe("group commit", () => {
  it("commits one batch for each request of a lone caller, at once", async () => {
    const { sequencer, committed, platform } = await startWithAccounts(1);
    for (let i = 1; i <= 5; i++) {
      expect(short(await submitOne(sequencer, request(i, deposit(1, 10))))).toBe("done");
      expect(committed).toHaveLength(i);
    }
    // The first deposit opened the cash account too.
    expect(committed.map(({ frame }) => decodeFrame(frame).records.length)).toEqual([2, 1, 1, 1, 1]);
    expect(platform.timerCount).toBe(0);
  });

  it("makes one batch of all that came while an append was in flight", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, committed } = fixture;
    await sequencer.submit([request(1, deposit(1, 1))]);
    store.holds = true;
    const first = watch(sequencer.submit([request(2, deposit(1, 1))]));
    await appendHeld(fixture);
    const others = Array.from({ length: 7 }, (_, i) => watch(sequencer.submit([request(10 + i, deposit(1, 1))])));
    await rest();
    expect(store.held).toHaveLength(1);
    store.passNext();
    await until(() => first.state === "fulfilled");
    await appendHeld(fixture);
    expect(others.map(({ state }) => state)).toEqual(Array(7).fill("pending"));
    store.passNext();
    await until(() => others.every(({ state }) => state === "fulfilled"));
    expect(committed.map(({ frame }) => decodeFrame(frame).records.length)).toEqual([2, 1, 7]);
    const positions = others.map(({ value }) => answered(value![0]!).position);
    expect(positions).toEqual(Array.from({ length: 7 }, (_, i) => positions[0]! + i));
  });

  it("makes one batch of all that is submitted in one turn", async () => {
    const { sequencer, committed } = await startWithAccounts(1);
    await Promise.all(Array.from({ length: 50 }, (_, i) => sequencer.submit([request(i, deposit(1, 1))])));
    expect(committed).toHaveLength(1);
  });

  it("never takes back what is committed, nor keeps the means to", async () => {
    const { sequencer, ledger } = await startSequencer();
    await sequencer.submit([request(1, openAccount())]);
    expect(ledger.canRevertRecord()).toBe(false);
  });

  it("gives one outcome for each request, in their order", async () => {
    const { sequencer } = await startWithAccounts(2);
    const outcomes = await sequencer.submit([
      request(1, deposit(1, 100)),
      request(2, withdraw(1, 101)),
      request(3, deposit(9, 1)),
      request(4, deposit(1, -1)),
      request(1, deposit(1, 100)),
      request(1, deposit(1, 7)),
      request(5, transfer(1, 2, 100)),
      request(6, withdraw(1, 1)),
    ]);
    expect(outcomes.map(short)).toEqual([
      "done",
      "INSUFFICIENT_FUNDS",
      "ACCOUNT_NOT_FOUND",
      "INVALID_AMOUNT NOT_APPLIED",
      "done, replayed",
      "REQUEST_ID_REUSED NOT_APPLIED",
      "done",
      "INSUFFICIENT_FUNDS",
    ]);
  });

  it("answers an empty call", async () => {
    const { sequencer, committed } = await startSequencer();
    expect(await sequencer.submit([])).toEqual([]);
    expect(committed).toEqual([]);
  });

  it("carries the committed position in each frame", async () => {
    const { sequencer, committed } = await startWithAccounts(1);
    for (let i = 0; i < 3; i++) await sequencer.submit([request(i, deposit(1, 1))]);
    for (const { frame } of committed) {
      const { header } = decodeFrame(frame);
      expect(header.committedPosition).toBe(header.firstPosition - 1);
    }
  });
});

describe("an answer waits for what it was computed from", () => {
  it("whatever it is: success, rejection, replay, reuse, a read", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store } = fixture;
    store.holds = true;
    const answers = {
      success: watch(submitOne(sequencer, request(1, deposit(1, 5)))),
      rejection: watch(submitOne(sequencer, request(2, withdraw(1, 6)))),
      replay: watch(submitOne(sequencer, request(1, deposit(1, 5)))),
      replayedRejection: watch(submitOne(sequencer, request(2, withdraw(1, 6)))),
      reuse: watch(submitOne(sequencer, request(1, deposit(1, 6)))),
    };
    await appendHeld(fixture);
    const read = watch(sequencer.read((ledger) => balanceOf(ledger, 1)));
    await rest();
    expect(Object.values(answers).map(({ state }) => state)).toEqual(Array(5).fill("pending"));
    expect(read.state).toBe("pending");
    store.passNext();
    await until(() => Object.values(answers).every(({ state }) => state === "fulfilled"));
    expect(Object.values(answers).map(({ value }) => short(value!))).toEqual([
      "done",
      "INSUFFICIENT_FUNDS",
      "done, replayed",
      "INSUFFICIENT_FUNDS, replayed",
      "REQUEST_ID_REUSED NOT_APPLIED",
    ]);
    await until(() => read.state === "fulfilled");
    expect(read.value).toEqual({ value: 5n, position: sequencer.committedPosition });
    expect(store.held).toEqual([]);
  });

  it("tells of a commit before any reply leaves", async () => {
    const { sequencer, committed } = await startWithAccounts(1);
    const seen = await submitOne(sequencer, request(1, deposit(1, 5))).then(() => committed.length);
    expect(seen).toBe(1);
  });

  it("reads at once what is committed", async () => {
    const fixture = await startWithAccounts(1);
    fixture.store.holds = true;
    const read = watch(fixture.sequencer.read((ledger) => ledger.position));
    await Promise.resolve();
    await turn();
    expect(read.state).toBe("fulfilled");
  });

  it("gives up a read at its deadline", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store } = fixture;
    store.holds = true;
    const write = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await appendHeld(fixture);
    const deadline = new AbortController();
    const read = watch(sequencer.read((ledger) => ledger.position, deadline.signal));
    deadline.abort();
    await until(() => read.state === "rejected");
    expect(read.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" } });
    store.passNext();
    await until(() => write.state === "fulfilled");
  });
});

describe("the same request again", () => {
  it("attaches to the attempt that is in flight, and is applied once", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, ledger } = fixture;
    store.holds = true;
    const first = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await appendHeld(fixture);
    const retry = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    const reuse = watch(submitOne(sequencer, request(1, deposit(1, 6))));
    await rest();
    expect([retry.state, reuse.state]).toEqual(["pending", "pending"]);
    store.passNext();
    await until(() => retry.state === "fulfilled" && reuse.state === "fulfilled");
    expect(retry.value).toEqual({ ...first.value, replayed: true });
    expect(short(reuse.value!)).toBe("REQUEST_ID_REUSED NOT_APPLIED");
    expect(balanceOf(ledger, 1)).toBe(5n);
    expect(store.held).toEqual([]);
  });

  it("gives the original answer, also by the next process and for a rejection", async () => {
    const { sequencer, disk } = await startWithAccounts(1);
    const requests = [
      request(1, openAccount("Grace")),
      request(2, deposit(1, 5)),
      request(3, withdraw(1, 50)),
      request(4, deposit(77, 1)),
    ];
    const originals = await sequencer.submit(requests);
    // Later the same requests would be decided otherwise.
    await sequencer.submit([request(5, deposit(1, 1_000))]);
    const expected = originals.map((outcome) => ({ ...outcome, replayed: true }));
    expect(await sequencer.submit(requests)).toEqual(expected);
    const next = await startSequencer({ disk });
    expect(await next.sequencer.submit(requests)).toEqual(expected);
    expect(next.committed).toEqual([]);
  });

  it("reads each batch of earlier answers once, in whatever order they are asked for", async () => {
    const { sequencer, store } = await startWithAccounts(1);
    const requests = Array.from({ length: 30 }, (_, i) => request(i, deposit(1, i + 1)));
    const originals = [
      ...(await sequencer.submit(requests.slice(0, 10))),
      ...(await sequencer.submit(requests.slice(10, 20))),
      ...(await sequencer.submit(requests.slice(20))),
    ];
    const order = requests.map((_, i) => (i * 7) % 30);
    const again = await sequencer.submit(order.map((i) => requests[i]!));
    expect(again).toEqual(order.map((i) => ({ ...originals[i], replayed: true })));
    expect(store.calls.batchAt).toBe(3);
  });
});

describe("what leaves no record", () => {
  it("changes nothing: neither position nor digest nor the journal", async () => {
    const { sequencer, platform, ledger, committed, disk } = await startWithAccounts(1);
    await sequencer.submit([request(1, deposit(1, 5))]);
    const before = { digest: ledger.digestBytes(), position: ledger.position, timeMs: ledger.timeMs };
    platform.advance(1_000);
    const outcomes = await sequencer.submit([
      request(1, deposit(1, 5)),
      request(1, deposit(1, 6)),
      request(2, deposit(1, 0)),
    ]);
    expect(outcomes.map(short)).toEqual([
      "done, replayed",
      "REQUEST_ID_REUSED NOT_APPLIED",
      "INVALID_AMOUNT NOT_APPLIED",
    ]);
    expect({ digest: ledger.digestBytes(), position: ledger.position, timeMs: ledger.timeMs }).toEqual(before);
    expect(committed).toHaveLength(1);
    expect((await reopened(disk)).replay.ledger.digestBytes()).toEqual(before.digest);
  });

  it("is refused where it could not be encoded, and the others run", async () => {
    const { sequencer, fatal } = await startWithAccounts(1);
    const outcomes = await sequencer.submit([
      { ...request(1, deposit(1, 5)), branch: -1 },
      { ...request(2, deposit(1, 5)), branch: 0.5 },
      { ...request(3, deposit(1, 5)), branch: 65_536 },
      { ...request(4, deposit(1, 5)), principal: "\ud800" },
      { ...request(5, deposit(1, 5)), principal: "p".repeat(129) },
      request(6, deposit(1, 5)),
      { ...request(7, deposit(1, 5)), branch: 65_535 },
      { ...request(8, deposit(1, 5)), principal: "p".repeat(128) },
    ]);
    expect(outcomes.map(short)).toEqual([
      ...Array(5).fill("INVALID_REQUEST NOT_APPLIED"),
      "done",
      "BRANCH_NOT_FOUND",
      "done",
    ]);
    expect(fatal).toEqual([]);
  });
});

describe("the bank's own records", () => {
  it("begin an epoch with the first record of its first batch", async () => {
    const { disk, sequencer } = await startSequencer();
    await sequencer.submit([request(1, openAccount())]);
    await startSequencer({ disk });
    const { records, replay } = await reopened(disk);
    const epochs = records.filter(({ record }) => record.kind === RecordKind.EPOCH_BEGUN);
    expect(epochs.map(({ position }) => position)).toEqual([1, 5]);
    expect(replay.ledger.epochs.map(({ number }) => number)).toEqual([1, 2]);
    expect(replay.ledger.epochs[0]?.id).not.toEqual(replay.ledger.epochs[1]?.id);
    expect(disk.epoch).toBe(2);
  });

  it("go with the next batch, before the requests", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, ledger, committed } = fixture;
    store.holds = true;
    const first = sequencer.submit([request(1, deposit(1, 5))]);
    await appendHeld(fixture);
    const root = new Uint8Array(32).fill(9);
    const position = sequencer.committedPosition;
    sequencer.recordStateRoot(position, root);
    const second = sequencer.submit([request(2, deposit(1, 5))]);
    store.holds = false;
    store.passNext();
    await Promise.all([first, second]);
    expect(ledger.root).toEqual({ position, root });
    const kinds = [...decodeFrame(committed[1]!.frame).records].map(({ kind }) => kind);
    expect(kinds).toEqual([RecordKind.STATE_ROOT, RecordKind.DEPOSIT]);
  });
});

it("refuses writes once told to stop, also those that wait, and goes on reading", async () => {
  const fixture = await startWithAccounts(1);
  const { sequencer, store, fatal } = fixture;
  store.holds = true;
  const inFlight = watch(submitOne(sequencer, request(1, deposit(1, 5))));
  await appendHeld(fixture);
  const waiting = watch(submitOne(sequencer, request(2, deposit(1, 5))));
  const loss = new RefusalError("LOSS_DETECTED", { position: "1", witness: "x", witness_position: "2" });
  sequencer.stopWriting(loss);
  await until(() => waiting.state === "rejected");
  expect((waiting.reason as RefusalError).refusal).toEqual(loss.refusal);
  await expect(sequencer.submit([request(3, deposit(1, 1))])).rejects.toMatchObject({ refusal: loss.refusal });
  store.passNext();
  await until(() => inFlight.state === "fulfilled");
  expect((await sequencer.read((ledger) => balanceOf(ledger, 1))).value).toBe(5n);
  expect(store.held).toEqual([]);
  expect(fatal).toEqual([]);
});
