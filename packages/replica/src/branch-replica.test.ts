import { RefusalError } from "@bank/core";
import { deposit, LocalLink, ManualPlatform, request, rest, until, watch } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { cutOff, openBank } from "./bank-replica.test-util.ts";
import { caughtUp, lost, openBranch, type Pair, startPair } from "./branch-replica.test-util.ts";
import { balanceOf, digestOf } from "./sequencer.test-util.ts";

describe("a bank whose journal is not the branch's", () => {
  it.each(["lost what the branch has", "has something else"])(
    "that %s: it says so, deletes nothing, and keeps asking",
    async (how) => {
      const pair = await startPair();
      const { opened, bank, at, branch, link } = pair;
      for (let i = 1; i <= 3; i++) await bank.submit([request(i, deposit(1, 1))]);
      await caughtUp(at, opened);
      await lost(pair);
      cutOff(opened.disk, 3);
      const before = structuredClone(at.disk.batches);
      const other = await openBank({ disk: opened.disk, platform: new ManualPlatform({ seed: 5 }) });
      const differs = how === "has something else";
      if (differs) for (let i = 0; i < 6; i++) await other.bank.submit([request(50 + i, deposit(1, 1))]);
      expect(other.bank.committedPosition > branch.savedPosition).toBe(differs);
      link.join(other.bank);
      await until(() => branch.state === "diverged", { platform: at.platform });
      const streams = link.streams;
      await until(() => link.streams > streams + 2, { platform: at.platform });
      expect(at.disk.batches).toEqual(before);
      expect(at.platform.log.about("not a continuation")).toHaveLength(1);
      expect((await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1))).value).toBe(103n);
      await expect(branch.read({ mode: "linearizable" }, () => 0)).rejects.toBeInstanceOf(RefusalError);
      await expect(branch.submit([request(2, deposit(1, 1))])).rejects.toMatchObject({
        refusal: { outcome: "OUTCOME_UNKNOWN" },
      });
      // An operator heals the bank: the branch goes on by itself.
      opened.disk.batches.splice(0, Number.POSITIVE_INFINITY, ...before);
      const healed = await openBank({ disk: opened.disk, platform: new ManualPlatform({ seed: 6 }) });
      link.join(healed.bank);
      await caughtUp(at, healed);
      expect(digestOf(branch.ledger)).toBe(digestOf(healed.bank.ledger));
      expect(at.fatal).toEqual([]);
    },
  );

  it("for it is another bank's: the same", async () => {
    const pair = await startPair();
    const { at, branch, link } = pair;
    const other = await openBank({ platform: new ManualPlatform({ seed: 99 }) });
    vi.spyOn(other.bank.feed, "checkPrefix").mockResolvedValue();
    await lost(pair);
    const before = structuredClone(at.disk.batches);
    link.join(other.bank);
    await until(() => branch.state === "diverged", { platform: at.platform });
    expect(at.disk.batches).toEqual(before);
    expect(at.fatal).toEqual([]);
    expect(at.platform.log.about("not a continuation")[0]?.fields["problem"]).toContain("the journal is of bank");
  });
});

describe("closing", () => {
  it("saves what was received, takes a snapshot, and ends whoever waits", async () => {
    const pair = await startPair();
    const { bank, at, branch } = pair;
    at.store.holds = true;
    for (let i = 1; i <= 5; i++) {
      await bank.submit([request(i, deposit(1, 1))]);
      await branch.whenApplied(bank.committedPosition);
    }
    expect(branch.savedPosition).toBeLessThan(bank.committedPosition);
    const waiting = watch(branch.read({ mode: "session", session: ahead(pair) }, () => 0));
    const applied = watch(branch.whenApplied(bank.committedPosition + 1));
    const closed = branch.close();
    await rest();
    // What is on its way to the disk comes first.
    expect(at.store.held).toHaveLength(1);
    at.store.holds = false;
    at.store.passNext();
    await closed;
    expect(at.disk.batches).toEqual(pair.opened.disk.batches);
    expect(at.disk.snapshots.map(({ position }) => position)).toEqual([bank.committedPosition]);
    expect(at.disk.closedCleanly).toBe(true);
    await until(() => applied.state === "rejected" && waiting.state === "rejected");
    expect(applied.reason).toMatchObject({ refusal: { reason: "NOT_READY" } });
    expect(at.platform.log.lines.filter(({ level }) => level === "error")).toEqual([]);
    expect(at.fatal).toEqual([]);
    await branch.close();
  });

  it("before it ever reached a bank", async () => {
    const { branch, disk, platform } = await openBranch({ link: new LocalLink() });
    await rest();
    await branch.close();
    expect(disk.holder).toBeUndefined();
    expect(platform.timerCount).toBe(0);
  });

  it("gives the store back where it cannot be recovered", async () => {
    const { at, link } = await startPair();
    at.disk.batches[1]!.frame[20]! ^= 1;
    await expect(openBranch({ link, disk: at.disk })).rejects.toThrow(/damaged/);
    expect(at.disk.holder).toBeUndefined();
  });

  /** A session that the bank has not reached. */
  function ahead({ bank }: Pair) {
    const here = bank.sessionAt(1)!;
    return { ...here, seen: [{ ...here.seen[0]!, position: bank.committedPosition + 1 }] };
  }
});
