import { FORMAT_LEVEL_MAX, GROUP_ITEMS_MAX, type GroupItem, type RefusalError, TEXT_LENGTH_MAX } from "@bank/core";
import { deposit, openAccount, request, rest, transfer, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { freeze, group, placeHold } from "./commands.test-util.ts";
import { startOldSequencer } from "./old-journal.test-util.ts";
import type { Outcome, Refused } from "./outcome.ts";
import {
  answered,
  appendHeld,
  balanceOf,
  digestOf,
  short,
  startWithAccounts,
  submitOne,
} from "./sequencer.test-util.ts";

function refused(outcome: Outcome): Refused {
  if (outcome.kind !== "refused") throw new Error("it was answered");
  return outcome;
}

const stale = (id: number, version: number) =>
  request(id, { ...deposit(1, 1), expectedVersion: version } as Parameters<typeof request>[1]);

describe("a stale version", () => {
  it("is refused, changes nothing, and leaves the id for the next try", async () => {
    const { sequencer, ledger, committed } = await startWithAccounts(1);
    await submitOne(sequencer, request(1, deposit(1, 5)));
    const before = digestOf(ledger);
    const outcome = refused(await submitOne(sequencer, stale(2, 1)));
    expect(outcome.error.refusal).toMatchObject({
      reason: "STALE_VERSION",
      outcome: "NOT_APPLIED",
      metadata: { account: "1", expected_version: "1", version: "2" },
    });
    // Whoever reads from here on sees the version that made it stale.
    expect(outcome.position).toBe(sequencer.committedPosition);
    expect(digestOf(ledger)).toBe(before);
    expect(committed).toHaveLength(1);
    // The version is no part of what is asked: the same id with another one is the same request.
    expect(short(await submitOne(sequencer, stale(2, 2)))).toBe("done");
    expect(short(await submitOne(sequencer, stale(2, 1)))).toBe("done, replayed");
  });

  it("that follows from what is not durable yet waits for it", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store } = fixture;
    store.holds = true;
    const write = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    const refusal = watch(submitOne(sequencer, stale(2, 1)));
    await appendHeld(fixture);
    await rest();
    expect(refusal.state).toBe("pending");
    store.passNext();
    await until(() => refusal.state === "fulfilled");
    expect(refused(refusal.value!).error.refusal.reason).toBe("STALE_VERSION");
    expect(refused(refusal.value!).position).toBe(answered(write.value!).position);
  });

  it("that followed from what was then taken back is not told: the version is the old one again", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, faulty } = fixture;
    faulty.failNextAppend("refused");
    const told = [request(1, deposit(1, 5)), stale(2, 1)].map((one) => watch(submitOne(sequencer, one)));
    await until(() => told.every(({ state }) => state === "fulfilled"));
    expect(told.map(({ value }) => short(value!))).toEqual(Array(2).fill("STORE_REFUSED NOT_APPLIED"));
    expect(told.map(({ value }) => refused(value!).position)).toEqual([0, 0]);
    expect(short(await submitOne(sequencer, stale(2, 1)))).toBe("done");
    expect(store.calls.append).toBe(2);
  });

  it("leaves neighbours of its batch alone", async () => {
    const { sequencer, ledger, committed } = await startWithAccounts(2);
    const outcomes = await sequencer.submit([
      request(1, deposit(1, 5)),
      stale(2, 1),
      request(3, transfer(1, 2, 5)),
      stale(4, 3),
      stale(2, 1),
    ]);
    expect(outcomes.map(short)).toEqual([
      "done",
      "STALE_VERSION NOT_APPLIED",
      "done",
      "done",
      "STALE_VERSION NOT_APPLIED",
    ]);
    expect(committed).toHaveLength(1);
    expect([1, 2].map((account) => balanceOf(ledger, account))).toEqual([1n, 5n]);
  });

  it("of an item refuses the whole group, naming the item, and nothing of it stays", async () => {
    const { sequencer, ledger, fatal } = await startWithAccounts(1);
    const before = digestOf(ledger);
    const outcome = await submitOne(sequencer, request(1, group(deposit(1, 5), placeHold(1, 2), freeze(1, 1))));
    expect(refused(outcome).error.refusal).toMatchObject({ reason: "STALE_VERSION", item: 3 });
    expect(digestOf(ledger)).toBe(before);
    expect(fatal).toEqual([]);
  });
});

describe("a journal of an older format level", () => {
  it("takes what its level knows, refuses the rest without using up the id, and is not raised by itself", async () => {
    const { sequencer, ledger, disk } = await startOldSequencer();
    expect(ledger.formatLevel).toBe(1);
    await sequencer.submit([request(1, openAccount()), request(2, deposit(1, 100))]);
    const newer = [
      request(3, placeHold(1, 5)),
      request(4, group(deposit(1, 1))),
      request(5, { kind: "cancelRequest" }),
    ];
    const outcomes = await sequencer.submit(newer);
    expect(outcomes.map(short)).toEqual(Array(3).fill("FORMAT_LEVEL_TOO_LOW NOT_APPLIED"));
    expect(refused(outcomes[0]!).error.refusal.metadata).toEqual({ level: "1", needed: "2" });
    expect(short(await submitOne(sequencer, request(3, withdraw(1, 1))))).toBe("done");
    const next = await startOldSequencer({ disk });
    expect(next.ledger.formatLevel).toBe(1);
    expect(next.ledger.currentEpoch()?.number).toBe(ledger.epochs.length + 1);
  });

  it("is raised by a start that is told to, once, and then takes everything", async () => {
    const first = await startOldSequencer();
    await first.sequencer.submit([request(1, openAccount()), request(2, deposit(1, 100))]);
    const position = first.sequencer.committedPosition;
    const second = await startOldSequencer({ disk: first.disk, raiseFormatLevel: true });
    expect(second.ledger.formatLevel).toBe(FORMAT_LEVEL_MAX);
    expect(second.sequencer.committedPosition).toBe(position + 2);
    expect(short(await submitOne(second.sequencer, request(3, placeHold(1, 5))))).toBe("done");
    const third = await startOldSequencer({ disk: first.disk, raiseFormatLevel: true });
    expect(third.sequencer.committedPosition).toBe(position + 4);
    expect(third.ledger.formatLevel).toBe(FORMAT_LEVEL_MAX);
  });
});

it("refuses a malformed group of any size, and goes on behind it", async () => {
  const { sequencer } = await startWithAccounts(1);
  const items = Array.from({ length: 6_000 }, () => deposit(1, 1) as GroupItem);
  const text = "x".repeat(TEXT_LENGTH_MAX + 1);
  const outcomes = await sequencer.submit([
    request(1, group(...items)),
    request(2, group()),
    request(3, group(...items.slice(0, GROUP_ITEMS_MAX), { ...openAccount(), owner: text } as GroupItem)),
    request(4, deposit(1, 1)),
  ]);
  expect(outcomes.map(short)).toEqual([...Array(3).fill("INVALID_REQUEST NOT_APPLIED"), "done"]);
});

it("tells a caller who gave up nothing of what was computed", async () => {
  const fixture = await startWithAccounts(1);
  const { sequencer, store } = fixture;
  store.holds = true;
  const deadline = new AbortController();
  const both = watch(sequencer.submit([request(1, deposit(1, 5)), stale(2, 1)], deadline.signal));
  await appendHeld(fixture);
  deadline.abort();
  await until(() => both.state === "rejected");
  expect((both.reason as RefusalError).refusal.outcome).toBe("OUTCOME_UNKNOWN");
  store.passNext();
  await sequencer.drain();
});
