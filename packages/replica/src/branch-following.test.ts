import type { Request } from "@bank/core";
import { MemoryJournalStore } from "@bank/store";
import {
  deposit,
  LocalLink,
  openAccount,
  readWholeJournal,
  request,
  rest,
  until,
  watch,
  withdraw,
} from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { openBank } from "./bank-replica.test-util.ts";
import { caughtUp, lost, openBranch, startPair } from "./branch-replica.test-util.ts";
import { balanceOf, digestOf } from "./sequencer.test-util.ts";

describe("following", () => {
  it("catches up with a bank from the beginning, and stays there", async () => {
    const { opened, bank, at, branch } = await startPair();
    expect(at.states).toEqual(["following"]);
    expect(branch.bankId).toEqual(bank.bankId);
    expect(branch.recovered).toBeUndefined();
    for (let i = 0; i < 5; i++) {
      await bank.submit([request(i, deposit(1, 1)), request(100 + i, withdraw(1, 1_000))]);
      await branch.whenApplied(bank.committedPosition);
      expect(digestOf(branch.ledger)).toBe(digestOf(bank.ledger));
    }
    await caughtUp(at, opened);
    expect(at.disk.batches).toEqual(opened.disk.batches);
    expect(at.disk.bankId).toEqual(bank.bankId);
    expect(await branch.head(0)).toEqual(await bank.head(0));
    expect(await branch.head(2)).toEqual({ ...(await bank.head(2)), position: branch.savedPosition });
    expect((await branch.head(2)).chainHash).toBeDefined();
    expect((await branch.head(bank.committedPosition + 1)).chainHash).toBeUndefined();
  });

  it("comes back by itself after the link broke, with pauses that grow", async () => {
    const pair = await startPair();
    const { opened, bank, link, at, branch } = pair;
    await lost(pair);
    await bank.submit([request(1, deposit(1, 1))]);
    const began = at.platform.monotonicMs();
    const questions = link.questions;
    while (at.platform.monotonicMs() - began < 10_000) {
      at.platform.advanceToNextTimer();
      await rest();
    }
    // From 20 ms by doubling to 500 ms, each less up to a half: 5 tries in the first second, then two to four a second.
    expect(link.questions - questions).toBeGreaterThan(20);
    expect(link.questions - questions).toBeLessThan(50);
    expect(branch.state).toBe("connecting");
    expect(at.platform.log.about("the bank does not answer")).toHaveLength(1);
    link.join(bank);
    await caughtUp(at, opened);
    expect(balanceOf(branch.ledger, 1)).toBe(101n);
    expect(branch.ledger.canRevertRecord()).toBe(false);
    expect(at.states).toEqual(["following", "connecting", "following"]);
    expect(at.platform.log.about("lost the bank")).toHaveLength(1);
    // A contact made the pauses short again.
    link.break();
    link.join(bank);
    const again = at.platform.monotonicMs();
    await until(() => branch.state === "connecting");
    await until(() => branch.state === "following", { platform: at.platform });
    expect(at.platform.monotonicMs() - again).toBeLessThan(100);
  });

  it("goes on from its own disk after a restart, with a snapshot or without", async () => {
    const pair = await startPair();
    const { opened, bank, at, link } = pair;
    // A crash: nothing was closed.
    const second = await openBranch({ link, disk: at.disk });
    expect(second.branch.recovered).toMatchObject({ snapshotPosition: 0, replayedRecords: bank.committedPosition });
    expect(second.branch.appliedPosition).toBe(bank.committedPosition);
    const messages = link.messages;
    await caughtUp(second, opened);
    expect(link.messages).toBe(messages);
    await bank.submit([request(1, deposit(1, 1))]);
    await caughtUp(second, opened);
    await second.branch.close();
    const third = await openBranch({ link, disk: at.disk, starts: false });
    expect(third.branch.recovered).toMatchObject({ snapshotPosition: bank.committedPosition, replayedRecords: 0 });
    expect(digestOf(third.branch.ledger)).toBe(digestOf(bank.ledger));
    const local = await third.branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1));
    expect(local).toMatchObject({ value: 101n, stalenessMs: undefined });
  });

  it("follows a bank through its restarts, one epoch after the other", async () => {
    const pair = await startPair();
    const { at, link, branch, opened } = pair;
    let { bank } = opened;
    for (let i = 0; i < 3; i++) {
      link.break();
      const next = await openBank({ disk: opened.disk });
      bank = next.bank;
      await bank.submit([request(i, deposit(1, 1))]);
      link.join(bank);
      await caughtUp(at, next);
    }
    expect(branch.ledger.epochs).toEqual(bank.ledger.epochs);
    expect(at.disk.epoch).toBe(4);
    expect(digestOf(branch.ledger)).toBe(digestOf(bank.ledger));
  });

  it("takes snapshots of what is on its disk", async () => {
    const opened = await openBank();
    const link = new LocalLink(opened.bank);
    const at = await openBranch({ link, snapshotEveryRecords: 10 });
    await opened.bank.submit([request(900_001, openAccount())]);
    for (let i = 0; i < 35; i++) {
      await opened.bank.submit([request(i, deposit(1, 1))]);
      await caughtUp(at, opened);
    }
    expect(at.disk.snapshots).toHaveLength(2);
    const again = await openBranch({ link, disk: at.disk, starts: false });
    expect(again.branch.recovered!.replayedRecords).toBeLessThan(12);
    expect(digestOf(again.branch.ledger)).toBe(digestOf(opened.bank.ledger));
  });

  it("takes none while memory is ahead of the disk", async () => {
    const opened = await openBank();
    const { bank } = opened;
    await bank.submit([request(900_001, openAccount())]);
    const at = await openBranch({ link: new LocalLink(bank), snapshotEveryRecords: 5 });
    await caughtUp(at, opened);
    at.store.holds = true;
    for (let i = 0; i < 12; i++) {
      await bank.submit([request(i, deposit(1, 1))]);
      await at.branch.whenApplied(bank.committedPosition);
    }
    at.store.passNext();
    await until(() => at.store.held.length === 1);
    expect(at.store.calls.saveSnapshot).toBe(0);
    at.store.passNext();
    await caughtUp(at, opened);
    await rest();
    expect(at.disk.snapshots.map(({ position }) => position)).toEqual([bank.committedPosition]);
    expect(at.platform.log.lines).toEqual([]);
  });

  it("is handed on: another replica follows the branch's own copy", async () => {
    const { opened, bank, at, branch } = await startPair();
    const seen: number[] = [];
    const stop = new AbortController();
    const following = watch(
      (async () => {
        for await (const { lastPosition } of branch.feed.follow(0, stop.signal)) seen.push(lastPosition);
      })(),
    );
    for (let i = 0; i < 3; i++) await bank.submit([request(i, deposit(1, 1))]);
    await caughtUp(at, opened);
    await rest();
    expect(seen).toEqual(opened.disk.batches.map(({ lastPosition }) => lastPosition));
    // What it saved since it started is in its memory too.
    expect(at.store.calls.read).toBe(0);
    await branch.close();
    await until(() => following.state === "rejected");
    expect(following.reason).toMatchObject({ refusal: { reason: "NOT_READY" } });
  });
});

it("shows at every position the digest that the bank had there", async () => {
  const pair = await startPair();
  const { bank, branch, opened, at } = pair;
  const shown = new Map<number, string>();
  const requests: Request[] = Array.from({ length: 40 }, (_, i) =>
    request(i, i % 3 === 0 ? openAccount() : deposit(1, i)),
  );
  for (const submitted of requests) {
    void bank.submit([submitted]);
    await rest(1);
    shown.set(branch.appliedPosition, digestOf(branch.ledger));
  }
  await caughtUp(at, opened);
  const store = new MemoryJournalStore(opened.disk);
  opened.disk.holder = undefined;
  await store.open();
  const { digests } = await readWholeJournal(store, bank.bankId);
  expect(shown.size).toBeGreaterThan(5);
  for (const [position, digest] of shown) expect(digest).toBe(digests.get(position));
});
