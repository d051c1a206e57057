import type { Ledger } from "@bank/core";
import { MemoryDisk, MemoryJournalStore } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import { deposit, HeldStore, openAccount, request, until } from "@bank/testkit";
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
    expect(local).toMatchObject({ value: 500n, position: committedPosition, stalenessMs: undefined });
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
    const { bank, fatal } = await openOnFullDisk();
    await bank.close();
    expect(fatal).toEqual([]);
  });

  it("does not start where no bank has lived yet", async () => {
    const faulty = new FaultyStore(new MemoryJournalStore(new MemoryDisk()));
    faulty.failNextAppend("refused");
    await expect(openBank({ store: new HeldStore(faulty) })).rejects.toMatchObject({
      refusal: { reason: "STORE_REFUSED" },
    });
  });
});
