import type { Ledger } from "@bank/core";
import { JournalConflictError, MemoryDisk, MemoryJournalStore } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import { deposit, HeldStore, openAccount, request, rest, until } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { openBank } from "./bank-replica.test-util.ts";

const NEXT_TRIES = 2;

/** A bank that has lived, and whose disk refuses the record of its next epoch a few times. */
async function openOnFullDisk() {
  const first = await openBank();
  await first.bank.submit([request(1, openAccount()), request(2, deposit("1", 500n))]);
  const { committedPosition } = first.bank;
  await first.bank.close();
  const faulty = new FaultyStore(new MemoryJournalStore(first.disk));
  for (let i = 0; i <= NEXT_TRIES; i++) faulty.failNextAppend("refused");
  const opened = await openBank({ disk: first.disk, store: new HeldStore(faulty) });
  return { ...opened, faulty, committedPosition };
}

function balance(ledger: Ledger): bigint | undefined {
  const account = ledger.findCustomerAccount("1");
  return account === undefined ? undefined : ledger.viewAccount(account).posted;
}

describe("a bank that starts on a full disk", () => {
  it("serves local reads, says why it serves nothing else, and resumes by itself once there is room", async () => {
    const { bank, platform, faulty, committedPosition, fatal } = await openOnFullDisk();
    const local = await bank.read({ mode: "local" }, balance);
    expect(local).toEqual({
      value: 500n,
      position: committedPosition,
      stalenessMs: undefined,
      session: undefined,
      connected: false,
      epoch: 1,
    });
    const reason = { refusal: { reason: "NOT_READY", outcome: "NOT_APPLIED" } };
    await expect(bank.read({ mode: "linearizable" }, balance)).rejects.toMatchObject(reason);
    await expect(bank.submit([request(3, deposit("1", 1n))])).rejects.toMatchObject(reason);
    expect(() => bank.readIndex()).toThrow(/cannot be written/);

    await until(() => bank.suspended === undefined, { platform, what: "room on the disk" });
    expect(faulty.faultsSpent).toBe(true);
    await bank.submit([request(3, deposit("1", 1n))]);
    expect((await bank.read({ mode: "linearizable" }, balance)).value).toBe(501n);
    expect(fatal).toEqual([]);
    await bank.close();
  });

  it("can be closed while it waits for room", async () => {
    const { bank, fatal, platform } = await openOnFullDisk();
    await bank.close();
    expect(platform.timerCount).toBe(0);
    expect(fatal).toEqual([]);
  });

  it("does not start where no bank has lived yet", async () => {
    const faulty = new FaultyStore(new MemoryJournalStore(new MemoryDisk()));
    faulty.failNextAppend("refused");
    await expect(openBank({ store: new HeldStore(faulty) })).rejects.toMatchObject({
      refusal: { reason: "STORE_REFUSED" },
    });
  });

  it("hands its journal on to nobody before its epoch: what a crash left behind may still be lost", async () => {
    const { bank, platform } = await openOnFullDisk();
    const follow = () => bank.feed.follow(0, new AbortController().signal).next();
    await expect(follow()).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    await until(() => bank.suspended === undefined, { platform });
    expect((await follow()).value?.firstPosition).toBe(1);
    await bank.close();
  });

  it("never begins its epoch once a follower holds what is missing here", async () => {
    const { bank, platform, disk, committedPosition, fatal } = await openOnFullDisk();
    bank.reportLoss("branch 1", committedPosition + 5);
    for (let i = 0; i < 5; i++) {
      platform.advance(20_000);
      await rest();
    }
    expect(disk.head()?.position).toBe(committedPosition);
    expect(bank.suspended).toBeDefined();
    expect(fatal).toEqual([]);
    expect((await bank.read({ mode: "local" }, balance)).value).toBe(500n);
    await bank.close();
  });

  it("ends once, where it turns out that it cannot go on", async () => {
    const { store, platform, fatal } = await openOnFullDisk();
    store.holds = true;
    await until(() => store.held.length === 1, { platform });
    store.failNext(new JournalConflictError("another bank has written"));
    await until(() => fatal.length > 0);
    await rest();
    expect(fatal).toEqual([new JournalConflictError("another bank has written")]);
  });

  it("writes nothing behind its closing", async () => {
    const { bank, store, platform, disk, committedPosition, fatal } = await openOnFullDisk();
    let closed: Promise<void> | undefined;
    store.before.fence = async () => {
      closed ??= bank.close();
    };
    await until(() => closed !== undefined, { platform });
    await closed;
    await rest();
    expect(disk.head()?.position).toBe(committedPosition);
    expect(disk.holder).toBeUndefined();
    expect(fatal).toEqual([]);
  });
});
