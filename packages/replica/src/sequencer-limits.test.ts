import {
  ADDRESS_LENGTH_MAX,
  BATCH_BYTES_TARGET,
  BATCH_RECORDS_MAX,
  COMMANDS_PER_CALL_MAX,
  FRAME_BYTES_MAX,
  type RefusalError,
  type Request,
  TEXT_LENGTH_MAX,
} from "@bank/core";
import { decodeFrame } from "@bank/journal";
import { deposit, ManualPlatform, openAccount, request, rest, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { QUEUED_REQUESTS_MAX } from "./admission.ts";
import { ordersOf } from "./orders.test-util.ts";
import {
  answered,
  appendHeld,
  balanceOf,
  digestOf,
  reopened,
  short,
  startSequencer,
  startWithAccounts,
  submitOne,
} from "./sequencer.test-util.ts";

describe("a batch", () => {
  it("is closed at its number of records, and the rest of a call goes on in the next", async () => {
    const { sequencer, ledger, committed, disk } = await startWithAccounts(1);
    const requests = Array.from({ length: 20_000 }, (_, i) => request(i, deposit(1, 1)));
    const lone = submitOne(sequencer, request(50_000, deposit(1, 1)));
    const outcomes = await sequencer.submit(requests);
    await lone;
    expect(new Set(outcomes.map(short))).toEqual(new Set(["done"]));
    const positions = outcomes.map((outcome) => answered(outcome).position);
    expect(positions).toEqual(positions.map((_, i) => positions[0]! + i));
    const sizes = committed.map(({ frame }) => decodeFrame(frame).records.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(BATCH_RECORDS_MAX);
    expect(sizes).toHaveLength(2);
    expect(balanceOf(ledger, 1)).toBe(20_001n);
    expect(digestOf((await reopened(disk)).replay.ledger)).toBe(digestOf(ledger));
  });

  it.each([
    ["one by one", false],
    ["in columns", true],
  ])("takes so many entries and no more, whatever came of those before (%s)", async (_, isOrders) => {
    const { sequencer, committed, store } = await startWithAccounts(1);
    const first = 10_000;
    const submit = async (from: number) => {
      const requests = Array.from({ length: first }, (_, i) => request(from + i, deposit(1, 1)));
      await (isOrders ? sequencer.submitOrders(ordersOf(requests)) : sequencer.submit(requests));
    };
    await submit(0);
    committed.length = 0;
    store.calls.append = 0;
    // The first leave no record: they were answered before.
    await Promise.all([submit(0), submit(first)]);
    const sizes = committed.map(({ frame }) => decodeFrame(frame).records.length);
    expect(sizes).toEqual([BATCH_RECORDS_MAX - first, 2 * first - BATCH_RECORDS_MAX]);
  });

  it("is answered before the next is executed, also where the store never lets others have a turn", async () => {
    const { sequencer, store } = await startWithAccounts(1);
    const requests = Array.from({ length: BATCH_RECORDS_MAX / 2 }, (_, i) => request(i, deposit(1, 1)));
    const appends: number[] = [];
    await Promise.all(
      [0, 1, 2, 3].map(async (call) => {
        await sequencer.submit(requests.map(({ command }, i) => request(BATCH_RECORDS_MAX * call + i, command)));
        appends.push(store.calls.append);
      }),
    );
    expect(appends).toEqual([...appends].sort((a, b) => a - b));
    expect(appends[0]).toBe(1);
    expect(appends.at(-1)).toBeGreaterThan(1);
  });

  it("is closed at its bytes, whatever people write", async () => {
    const { sequencer, committed, ledger } = await startSequencer();
    // Three bytes of UTF-8 for each UTF-16 code unit: the most there is.
    const owner = "\u20ac".repeat(TEXT_LENGTH_MAX);
    const requests = Array.from({ length: COMMANDS_PER_CALL_MAX }, (_, i): Request => {
      return request(i, { ...openAccount(owner), displayName: owner } as Request["command"]);
    });
    const outcomes = await sequencer.submit(requests);
    expect(new Set(outcomes.map(short))).toEqual(new Set(["done"]));
    const bytes = committed.map(({ frame }) => frame.length);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(FRAME_BYTES_MAX);
    // Full ones are near the target: the estimate is not far too high either.
    expect(Math.min(...bytes.slice(0, -1))).toBeGreaterThan(BATCH_BYTES_TARGET / 2);
    expect(ledger.accounts.count).toBe(COMMANDS_PER_CALL_MAX);
  });

  it("holds as many actors as there are records", async () => {
    const { sequencer, committed } = await startWithAccounts(1);
    const principals = Array.from({ length: 5_000 }, (_, i) => `${i}${"\u20ac".repeat(TEXT_LENGTH_MAX - 8)}`);
    await sequencer.submit(principals.map((principal, i) => ({ ...request(i, deposit(1, 1)), principal })));
    expect(committed.length).toBeGreaterThan(1);
    for (const { frame } of committed) expect(frame.length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
  });

  it("holds the longest branches and rejections", async () => {
    const { sequencer, committed } = await startWithAccounts(1);
    const address = "\u20ac".repeat(ADDRESS_LENGTH_MAX);
    const name = "\u20ac".repeat(TEXT_LENGTH_MAX);
    const outcomes = await sequencer.submit([
      ...Array.from({ length: 2_000 }, (_, i) =>
        request(i, { kind: "registerBranch", branch: i + 1, name, address } as const),
      ),
      ...Array.from({ length: 5_000 }, (_, i) => request(10_000 + i, deposit("\u20ac".repeat(64), 1))),
    ]);
    expect(new Set(outcomes.map(short))).toEqual(new Set(["done", "ACCOUNT_NOT_FOUND"]));
    for (const { frame } of committed) expect(frame.length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
  });
});

describe("the queue", () => {
  it("takes so many requests and no more, and counts those that leave it", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store } = fixture;
    store.holds = true;
    const first = watch(submitOne(sequencer, request(1, deposit(1, 1))));
    await appendHeld(fixture);
    const big = Array.from({ length: QUEUED_REQUESTS_MAX / 10 }, (_, i) => request(10 + i, deposit(1, 0)));
    const full = Array.from({ length: 10 }, () => watch(sequencer.submit(big)));
    await expect(submitOne(sequencer, request(2, deposit(1, 1)))).rejects.toMatchObject({
      refusal: { reason: "OVERLOADED", outcome: "NOT_APPLIED", metadata: { waiting: String(QUEUED_REQUESTS_MAX) } },
    });
    // This one is in flight: it may be applied, and nobody says otherwise.
    await expect(submitOne(sequencer, request(1, deposit(1, 1)))).rejects.toMatchObject({
      refusal: { reason: "OVERLOADED", outcome: "OUTCOME_UNKNOWN" },
    });
    store.holds = false;
    store.passNext();
    await until(() => first.state === "fulfilled" && full.every(({ state }) => state === "fulfilled"));
    expect(short(await submitOne(sequencer, request(2, deposit(1, 1))))).toBe("done");
  });

  it("counts what was given up, or refused by a stop, as gone", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store } = fixture;
    for (let round = 0; round < 3; round++) {
      store.holds = true;
      const first = watch(submitOne(sequencer, request(round, deposit(1, 1))));
      await appendHeld(fixture);
      const deadline = new AbortController();
      const full = Array.from({ length: 10 }, () =>
        watch(
          sequencer.submit(
            Array.from({ length: QUEUED_REQUESTS_MAX / 10 }, (_, i) => request(10 + i, deposit(1, 1))),
            deadline.signal,
          ),
        ),
      );
      deadline.abort();
      store.holds = false;
      store.passNext();
      await until(() => first.state === "fulfilled" && full.every(({ state }) => state === "rejected"));
      await rest();
    }
    expect(balanceOf(fixture.ledger, 1)).toBe(3n);
  });
});

describe("draining", () => {
  it("answers all that wait, takes nothing more, and ends with the last append", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, ledger } = fixture;
    store.holds = true;
    const first = watch(submitOne(sequencer, request(1, deposit(1, 1))));
    await appendHeld(fixture);
    const waiting = [2, 3, 4].map((id) => watch(submitOne(sequencer, request(id, deposit(1, 1)))));
    const drained = watch(sequencer.drain());
    const again = watch(sequencer.drain());
    const late = watch(submitOne(sequencer, request(5, deposit(1, 1))));
    await rest();
    expect([drained.state, again.state, first.state]).toEqual(["pending", "pending", "pending"]);
    expect((late.reason as RefusalError).refusal).toMatchObject({ reason: "NOT_READY", outcome: "NOT_APPLIED" });
    store.passNext();
    await appendHeld(fixture);
    expect(drained.state).toBe("pending");
    store.passNext();
    await until(() => drained.state === "fulfilled" && again.state === "fulfilled");
    expect(waiting.map(({ value }) => short(value!))).toEqual(["done", "done", "done"]);
    expect((await sequencer.read((state) => balanceOf(state, 1))).value).toBe(4n);
    expect(ledger.position).toBe(sequencer.committedPosition);
  });

  it("of an idle bank ends at once", async () => {
    const { sequencer } = await startWithAccounts(1);
    await sequencer.drain();
    await sequencer.drain();
  });
});

describe("journal time", () => {
  it("is one for each batch, and never runs back", async () => {
    const platform = new ManualPlatform();
    const { sequencer, disk } = await startSequencer({ platform });
    const outcomes = [];
    for (let i = 0; i < 8; i++) {
      outcomes.push(...(await sequencer.submit([request(2 * i, openAccount()), request(2 * i + 1, openAccount())])));
      platform.advance(10);
      if (i === 2) platform.setWallForward(-3_600_000);
      if (i === 4) platform.setWallForward(3_600_000);
    }
    const times = outcomes.map((outcome) => answered(outcome).timeMs);
    const start = times[0]!;
    expect(times).toEqual(Array.from({ length: 16 }, (_, i) => start + 10 * Math.floor(i / 2)));
    expect(start).toBe(Date.UTC(2026, 10, 21));
    expect((await reopened(disk)).records.map(({ timeMs }) => timeMs).slice(-16)).toEqual(times);
  });

  it("does not follow a jump of the wall clock, and alarms it", async () => {
    const platform = new ManualPlatform();
    const { sequencer } = await startSequencer({ platform });
    const before = answered(await submitOne(sequencer, request(1, openAccount()))).timeMs;
    platform.setWallForward(86_400_000);
    platform.advance(5);
    const after = answered(await submitOne(sequencer, request(2, openAccount()))).timeMs;
    expect(after).toBe(before + 5);
    expect(platform.log.about("wall clock jumped")).toHaveLength(1);
  });

  it("begins where the journal ended when the clock was set back over a restart", async () => {
    const first = await startSequencer();
    await submitOne(first.sequencer, request(1, openAccount()));
    const { timeMs } = first.ledger;
    const platform = new ManualPlatform({ seed: 9, wallMs: timeMs - 86_400_000 });
    const next = await startSequencer({ disk: first.disk, platform });
    platform.advance(7);
    expect(answered(await submitOne(next.sequencer, request(2, openAccount()))).timeMs).toBe(timeMs + 7);
  });
});
