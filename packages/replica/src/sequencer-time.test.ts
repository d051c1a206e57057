import { RecordKind, RefusalError, TIME_MS_MAX } from "@bank/core";
import { decodeFrame } from "@bank/journal";
import { deposit, request, rest, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { later, placeHold } from "./commands.test-util.ts";
import { startOldSequencer } from "./old-journal.test-util.ts";
import { appendHeld, type Fixture, startWithAccounts, submitOne } from "./sequencer.test-util.ts";

const kinds = ({ committed }: Fixture) =>
  committed.map(({ frame }) => [...decodeFrame(frame).records].map(({ kind }) => kind));

describe("letting time pass a moment", () => {
  it("needs no write where journal time is beyond it", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, platform } = fixture;
    const { timeMs } = fixture.ledger;
    platform.advance(10);
    await submitOne(sequencer, request(1, deposit(1, 1)));
    const position = sequencer.committedPosition;
    expect(await sequencer.passTime(timeMs)).toBe(position);
    expect(await sequencer.passTime(timeMs + 9)).toBe(position);
    expect(fixture.committed).toHaveLength(1);
  });

  it("writes the time down where nothing else is written, once for all who ask", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, platform, ledger } = fixture;
    const { timeMs } = ledger;
    platform.advance(10);
    const position = sequencer.committedPosition + 1;
    const asked = Array.from({ length: 200 }, (_, i) => sequencer.passTime(timeMs + (i % 10)));
    expect(new Set(await Promise.all(asked))).toEqual(new Set([position]));
    expect(kinds(fixture)).toEqual([[RecordKind.TIME_TICKED]]);
    expect(ledger.timeMs).toBe(timeMs + 10);
    // What comes later has a later time, or the same position is beyond.
    expect(await sequencer.passTime(timeMs + 9)).toBe(position);
    expect(fixture.committed).toHaveLength(1);
  });

  it("ends the holds that were due before it", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, platform, ledger, store } = fixture;
    await sequencer.submit([request(1, deposit(1, 10)), request(2, placeHold(1, 5, later(fixture, 20)))]);
    fixture.committed.length = 0;
    // Asked before the alarm has had its turn.
    store.holds = true;
    platform.advance(30);
    const asked = watch(sequencer.passTime(ledger.timeMs + 25));
    store.holds = false;
    await until(() => asked.state === "fulfilled");
    expect(kinds(fixture)).toEqual([[RecordKind.TIME_TICKED, RecordKind.HOLDS_EXPIRED]]);
    expect(ledger.openHoldsOf(ledger.findCustomerAccount("1")!)).toEqual([]);
  });

  it("waits for a batch in flight that is late enough, and writes behind one that is not", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, platform, store, ledger } = fixture;
    const { timeMs } = ledger;
    platform.advance(10);
    store.holds = true;
    const write = watch(submitOne(sequencer, request(1, deposit(1, 1))));
    await appendHeld(fixture);
    platform.advance(10);
    const [early, late] = [timeMs + 5, timeMs + 15].map((ms) => watch(sequencer.passTime(ms)));
    const position = ledger.position;
    store.passNext();
    await until(() => early!.state === "fulfilled");
    expect(write.state).toBe("fulfilled");
    expect(early!.value).toBe(position);
    expect(late!.state).toBe("pending");
    await appendHeld(fixture);
    // This tick is on its way: whoever asks for a later moment needs another.
    platform.advance(10);
    const later = watch(sequencer.passTime(timeMs + 25));
    store.holds = false;
    store.passNext();
    await until(() => late!.state === "fulfilled" && later.state === "fulfilled");
    expect([late!.value, later.value]).toEqual([position + 1, position + 2]);
    expect(kinds(fixture)).toEqual([
      [RecordKind.ACCOUNT_OPENED, RecordKind.DEPOSIT],
      [RecordKind.TIME_TICKED],
      [RecordKind.TIME_TICKED],
    ]);
  });

  it("that is not over yet is refused, in words", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, platform, committed } = fixture;
    const nowMs = Math.floor(platform.wallMs());
    platform.advance(0.5);
    await expect(sequencer.passTime(nowMs + 1)).rejects.toMatchObject({
      refusal: {
        reason: "TIME_IN_FUTURE",
        metadata: { asked: "2026-11-21T00:00:00.001Z", now: "2026-11-21T00:00:00.000Z" },
      },
    });
    await expect(sequencer.passTime(nowMs + 86_400_000)).rejects.toMatchObject({
      refusal: { metadata: { asked: "2026-11-22T00:00:00.000Z", now: "2026-11-21T00:00:00.000Z" } },
    });
    await expect(sequencer.passTime(TIME_MS_MAX)).rejects.toThrow("9999-12-31T23:59:59.999Z");
    expect(committed).toEqual([]);
    platform.advance(1);
    expect(await sequencer.passTime(nowMs)).toBe(sequencer.committedPosition);
  });

  it("that is now is waited for, as long as its caller does", async () => {
    const { sequencer, platform } = await startWithAccounts(1);
    const nowMs = Math.floor(platform.wallMs());
    const leaves = new AbortController();
    const [waits, left] = [sequencer.passTime(nowMs), sequencer.passTime(nowMs, leaves.signal)].map(watch);
    leaves.abort();
    await until(() => left!.state === "rejected");
    expect(left!.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED" } });
    expect(waits!.state).toBe("pending");
    platform.advance(1);
    await until(() => waits!.state === "fulfilled");
    expect(waits!.value).toBe(sequencer.committedPosition);
  });

  it("is refused with the append that should have written it, and can be asked again", async () => {
    const { sequencer, platform, faulty, ledger } = await startWithAccounts(1);
    const { timeMs, position } = ledger;
    platform.advance(10);
    faulty.failNextAppend("refused");
    const asked = [0, 5].map((ms) => watch(sequencer.passTime(timeMs + ms)));
    await until(() => asked.every(({ state }) => state === "rejected"));
    for (const { reason } of asked)
      expect((reason as RefusalError).refusal).toMatchObject({ reason: "STORE_REFUSED", outcome: "NOT_APPLIED" });
    expect(ledger.timeMs).toBe(timeMs);
    expect(await sequencer.passTime(timeMs)).toBe(position + 1);
  });

  it("ends at its deadline, and at a stop, and at a failure", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, platform, store, ledger, fatal } = fixture;
    const { timeMs } = ledger;
    platform.advance(10);
    store.holds = true;
    const deadline = new AbortController();
    const [late, stopped] = [sequencer.passTime(timeMs, deadline.signal), sequencer.passTime(timeMs)].map(watch);
    await appendHeld(fixture);
    deadline.abort();
    await until(() => late!.state === "rejected");
    expect(late!.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" } });
    const loss = new RefusalError("LOSS_DETECTED", { position: "1", witness: "x", witness_position: "2" });
    sequencer.stopWriting(loss);
    await until(() => stopped!.state === "rejected");
    expect(stopped!.reason).toBe(loss);
    platform.advance(10);
    await expect(sequencer.passTime(timeMs + 15)).rejects.toBe(loss);
    const inFlight = watch(sequencer.passTime(timeMs + 5));
    await rest();
    expect(inFlight.state).toBe("pending");
    store.failNext(new Error("the disk is gone"));
    await until(() => inFlight.state === "rejected");
    expect(inFlight.reason).toMatchObject({ refusal: { reason: "NOT_READY" } });
    await expect(sequencer.passTime(0)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    expect(fatal).toHaveLength(1);
  });

  it("is done by a bank that drains, if it was asked before", async () => {
    const { sequencer, platform, ledger } = await startWithAccounts(1);
    const { timeMs } = ledger;
    platform.advance(10);
    const asked = watch(sequencer.passTime(timeMs));
    await sequencer.drain();
    await until(() => asked.state === "fulfilled");
    platform.advance(20);
    await expect(sequencer.passTime(timeMs + 15)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    expect(await sequencer.passTime(timeMs)).toBe(asked.value);
  });

  it("at the first format level is refused, unless something later stands in the journal", async () => {
    const fixture = await startOldSequencer();
    const { sequencer, platform, ledger } = fixture;
    const { timeMs, position } = ledger;
    platform.advance(10);
    expect(await sequencer.passTime(timeMs - 1)).toBe(position);
    await expect(sequencer.passTime(timeMs)).rejects.toMatchObject({
      refusal: { reason: "FORMAT_LEVEL_TOO_LOW", metadata: { level: "1", needed: "2" } },
    });
    await submitOne(sequencer, request(1, { kind: "registerBranch", branch: 1, name: "North", address: "" }));
    expect(await sequencer.passTime(timeMs)).toBe(position + 1);
  });
});
