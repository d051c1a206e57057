import { type Session, toHex } from "@bank/core";
import { MemoryDisk, MemoryJournalStore } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import { deposit, HeldStore, rest, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { openBank } from "./bank-replica.test-util.ts";
import { Group } from "./counted.test-util.ts";
import { isCounted } from "./counted-commit.ts";
import { CONNECTED_MS, DROPPED_MS } from "./members.ts";
import { balanceOf, digestOf, short } from "./sequencer.test-util.ts";

const LINEARIZABLE = { mode: "linearizable" } as const;
const LOCAL = { mode: "local" } as const;

describe("a bank that does not hear of copies that count", () => {
  it("does not know how old what it shows is, and says so: another may have taken its place", async () => {
    const group = await Group.start(2);
    const { bank } = group.bank;
    const ask = (maxStalenessMs: number) => group.driven(bank.read({ mode: "bounded", maxStalenessMs }, () => 0));
    expect(await ask(0)).toMatchObject({ stalenessMs: 0, connected: true });
    await group.count(1, 1, 2);
    await group.connected();
    const fresh = await ask(CONNECTED_MS - 1);
    expect(fresh.connected).toBe(true);
    expect(fresh.stalenessMs).toBeLessThan(CONNECTED_MS);
    group.cut(1, 2);
    group.platform.advance(10_000);
    const late = await group.driven(bank.read(LOCAL, () => 0));
    expect(late.connected).toBe(false);
    expect(late.stalenessMs).toBeGreaterThanOrEqual(10_000);
    expect((await ask(20_000)).connected).toBe(false);
    await expect(ask(9_000)).rejects.toMatchObject({ refusal: { reason: "NOT_READY", outcome: "NOT_APPLIED" } });
    group.join(1, 2);
    await group.connected();
    expect(await ask(10_000)).toMatchObject({ connected: true });
    await group.close();
  });
});

describe("a write where branches count", () => {
  it("is committed once it is on the disks of as many, and only then shown at any branch", async () => {
    const group = await Group.start(3);
    await group.count(2, 1, 2, 3);
    await group.connected();
    const { bank } = group.bank;
    const before = bank.committedPosition;
    for (const number of [2, 3]) group.site(number).at.store.holds = true;
    const written = group.asked(deposit(1, 5));
    await group.until(() => group.site(1).at.branch.savedPosition > before);
    await rest(50);
    expect(written.state).toBe("pending");
    expect(bank.committedPosition).toBe(before);
    for (const { at } of group.sites) expect(at.branch.appliedPosition).toBe(before);
    group.site(3).at.store.holds = false;
    group.site(3).at.store.passNext();
    await group.until(() => written.state === "fulfilled");
    expect(short(written.value![0]!)).toBe("done");
    await group.until(() => group.site(1).at.branch.appliedPosition === bank.committedPosition);
    // Not on its own disk, and shown all the same: it is committed.
    await group.until(() => group.site(2).at.branch.appliedPosition === bank.committedPosition);
    group.site(2).at.store.holds = false;
    group.site(2).at.store.passNext();
    await group.close();
  });

  it("is refused before anything is done where too few are connected, and what is under way goes on when they are back", async () => {
    const group = await Group.start(2);
    await group.count(2, 1, 2);
    await group.connected();
    const { bank } = group.bank;
    group.cut(2);
    const caller = new AbortController();
    const late = group.asked(deposit(1, 5), caller.signal);
    await rest(20);
    group.platform.advance(DROPPED_MS + 1);
    expect(late.state).toBe("pending");
    const appended = bank.feed.appendedPosition;
    await expect(bank.submit([group.next(deposit(1, 7))])).rejects.toMatchObject({
      refusal: { reason: "TOO_FEW_BRANCHES", outcome: "NOT_APPLIED" },
    });
    // What is in memory may never be committed, and there is no other state to read.
    await expect(bank.read(LOCAL, () => 0)).rejects.toThrow(/nothing can be read here before/);
    caller.abort();
    await group.until(() => late.state === "rejected");
    expect(late.reason).toMatchObject({ refusal: { outcome: "OUTCOME_UNKNOWN" } });
    expect(bank.feed.appendedPosition).toBe(appended);
    group.join(2);
    await group.until(() => bank.committedPosition === appended);
    await group.connected();
    expect((await group.driven(bank.read(LINEARIZABLE, (ledger) => balanceOf(ledger, 1)))).value).toBe(5n);
    await group.close();
  });

  it("costs the others nothing: where none count, followers get one message for each batch, and report nothing", async () => {
    const group = await Group.start(2);
    const { bank } = group.bank;
    const { link } = group.site(1);
    await rest(20);
    const before = { messages: link.messages, reports: link.reports };
    let news = 0;
    const over = new AbortController();
    const listening = (async () => {
      for await (const { batch } of bank.feed.messages(bank.committedPosition, over.signal))
        if (batch === undefined) news++;
    })();
    for (let i = 0; i < 20; i++) await group.done(deposit(1, 1));
    await group.until(() => group.site(1).at.branch.savedPosition === bank.committedPosition);
    await rest(20);
    expect(link.messages - before.messages).toBe(20);
    expect(link.reports - before.reports).toBe(0);
    // The one with which each stream begins.
    expect(news).toBe(1);
    over.abort(new Error("heard enough"));
    await expect(listening).rejects.toThrow("heard enough");
    await group.close();
  });
});

describe("a bank that starts where branches count", () => {
  it("answers nobody until they have the record of its epoch, and says what it waits for; they get it meanwhile", async () => {
    const group = await Group.start(3);
    await group.count(2, 1, 2, 3);
    await group.done(deposit(1, 5));
    await group.connected();
    const known = group.bank.bank.committedPosition;
    const session = group.bank.bank.sessionAt(known) as Session;
    for (const { at } of group.sites) at.store.holds = true;
    await group.restartBank();
    const { bank } = group.bank;
    expect(bank.isAwaitingCopies).toBe(true);
    const problem = /waits for 2 of the branches 1, 2, 3 to have it, and 0 do/;
    for (const refused of [
      bank.submit([group.next(deposit(1, 7))]),
      bank.read(LOCAL, () => 0),
      bank.read(LINEARIZABLE, () => 0),
      bank.passTime(1),
      bank.probe([]),
    ])
      await expect(refused).rejects.toThrow(problem);
    await group.until(() => group.sites.every(({ at }) => at.store.held.length > 0));
    expect(bank.isAwaitingCopies).toBe(true);
    // Its journal says of all but the last batch that it is committed.
    expect(bank.committedPosition).toBeLessThan(known);
    // So it knows less than those who were told, and calls no session wrong that names more.
    expect(() => bank.checkSession(session)).toThrow(problem);
    // A branch that shows more than that follows only who has as much.
    expect((await bank.head(0)).position).toBe(bank.feed.appendedPosition);
    for (const number of [1, 3]) {
      const { store } = group.site(number).at;
      store.holds = false;
      store.passNext();
    }
    await group.until(() => !bank.isAwaitingCopies);
    expect(() => bank.checkSession(session)).not.toThrow();
    group.site(2).at.store.holds = false;
    group.site(2).at.store.passNext();
    await group.connected();
    expect((await group.driven(bank.read(LINEARIZABLE, (ledger) => balanceOf(ledger, 1)))).value).toBe(5n);
    await group.close();
  });

  it("is told to stop while it waits, and the next start goes on", async () => {
    const group = await Group.start(2);
    await group.count(2, 1, 2);
    await group.connected();
    group.cut(1, 2);
    const { disk } = group.bank;
    const second = await openBank({ platform: group.platform, disk });
    expect(second.bank.isAwaitingCopies).toBe(true);
    await group.driven(second.bank.close());
    expect(second.fatal).toEqual([]);
    // What it appended was never known to be committed: no snapshot says that it was.
    expect(disk.snapshots.every(({ position }) => position <= second.bank.committedPosition)).toBe(true);
    await group.restartBank(disk);
    await group.connected();
    expect(group.bank.bank.ledger.currentEpoch()?.number).toBe(3);
    await group.close();
  });

  it.each([
    { before: 0, after: 1 },
    { before: 1, after: 0 },
  ])(
    "has a branch show a change of who counts ($before to $after) only once that is committed, whoever restarts",
    async (change) => {
      const group = await Group.start(2);
      if (change.before > 0) await group.count(1, 1);
      await group.connected();
      const { bank, disk } = group.bank;
      const shown = bank.committedPosition;
      const { copyId, at } = group.site(1);
      at.store.holds = true;
      const members = change.after > 0 ? [{ branch: 1, copyId }] : [];
      group.asked({ kind: "setDurability", copies: change.after, members });
      await group.until(() => group.site(2).at.branch.savedPosition > shown);
      const isHidden = async () => {
        await group.restart(2);
        await rest(50);
        expect(group.site(2).at.branch.appliedPosition).toBe(shown);
      };
      await isHidden();
      // A start appends the record of its epoch behind it, by which none count or others do.
      for (const { link } of group.sites) link.break();
      const second = await openBank({ platform: group.platform, disk });
      expect([second.bank.committedPosition, second.bank.isAwaitingCopies]).toEqual([shown, true]);
      group.bank = second;
      group.site(2).link.join(second.bank);
      await group.until(() => group.site(2).at.branch.savedPosition === second.bank.feed.appendedPosition);
      await isHidden();
      group.cut(2);
      const third = await openBank({ platform: group.platform, disk });
      expect([third.bank.recovered.committedPosition, third.bank.isAwaitingCopies]).toEqual([shown, true]);
      at.store.holds = false;
      group.bank = third;
      group.join(1, 2);
      at.store.passNext();
      await group.until(() => !third.bank.isAwaitingCopies);
      await group.connected();
      expect(third.bank.ledger.durability.copies).toBe(change.after);
      await group.close();
    },
  );

  it("says of nothing by a snapshot that it is committed, where it could not even begin its epoch", async () => {
    const group = await Group.start(1);
    await group.count(1, 1);
    await group.connected();
    group.cut(1);
    const { bank, disk } = group.bank;
    const lost = group.asked(deposit(1, 5));
    await group.until(() => bank.feed.appendedPosition > bank.committedPosition);
    const { platform } = group;
    const full = new FaultyStore(new MemoryJournalStore(disk));
    full.failNextAppend("refused");
    const second = await openBank({ platform, disk, store: new HeldStore(full) });
    expect(second.bank.suspended).toBeDefined();
    expect(second.bank.ledger.position).toBeGreaterThan(second.bank.committedPosition);
    await group.driven(second.bank.close());
    expect(disk.snapshots).toEqual([]);
    await group.restartBank(disk);
    expect(group.bank.bank.recovered.committedPosition).toBe(second.bank.committedPosition);
    await group.until(() => !group.bank.bank.isAwaitingCopies);
    expect((await group.driven(group.bank.bank.read(LOCAL, (ledger) => balanceOf(ledger, 1)))).value).toBe(5n);
    expect(lost.state).toBe("pending");
    await group.close();
  });

  it("does not show a branch what only its predecessor had appended, before it is committed", async () => {
    const group = await Group.start(2);
    await group.count(1, 1);
    await group.connected();
    const shown = group.bank.bank.committedPosition;
    group.cut(1);
    const lost = group.asked(deposit(1, 5));
    await group.until(() => group.site(2).at.branch.savedPosition > shown);
    await group.restart(2);
    const { branch } = group.site(2).at;
    expect([branch.appliedPosition, branch.savedPosition]).toEqual([shown, group.bank.bank.feed.appendedPosition]);
    expect((await branch.read(LOCAL, (ledger) => balanceOf(ledger, 1))).value).toBe(0n);
    await rest(50);
    expect(branch.appliedPosition).toBe(shown);
    group.join(1);
    await group.until(() => lost.state === "fulfilled");
    await group.connected();
    expect((await branch.read(LOCAL, (ledger) => balanceOf(ledger, 1))).value).toBe(5n);
    await group.close();
  });
});

describe("leadership where branches count", () => {
  it("is confirmed by as many for every read, once for all who asked together", async () => {
    const group = await Group.start(3);
    await group.count(2, 1, 2, 3);
    await group.connected();
    const { bank } = group.bank;
    const told: number[] = [];
    const over = new AbortController();
    const listening = (async () => {
      for await (const { echo } of bank.feed.messages(bank.committedPosition, over.signal)) told.push(echo);
    })();
    const reads = Array.from({ length: 100 }, () => bank.read(LINEARIZABLE, (ledger) => balanceOf(ledger, 1)));
    await group.driven(Promise.all(reads));
    const rounds = (told.at(-1) ?? 0) - (told[0] ?? 0);
    expect(rounds).toBeGreaterThan(0);
    expect(rounds).toBeLessThan(5);
    over.abort(new Error("heard enough"));
    await expect(listening).rejects.toThrow("heard enough");
    await group.close();
  });

  it.each([0, 1])(
    "is not confirmed by those who counted before alone, once others may know that they count (%i counted before)",
    async (before) => {
      const group = await Group.start(3);
      if (before > 0) await group.count(before, 1);
      await group.connected();
      const { link, at, copyId } = group.site(3);
      at.store.holds = true;
      const changed = group.asked({ kind: "setDurability", copies: 1, members: [{ branch: 3, copyId }] });
      // It has that, and could be made the bank by its own word alone.
      await group.until(() => at.store.held.length > 0);
      link.break();
      const asked = watch(group.bank.bank.probe([]));
      await group.until(() => asked.state !== "pending");
      expect(String(asked.reason)).toContain("still the bank");
      await expect(group.driven(group.site(1).at.branch.readIndex())).rejects.toThrow("still the bank");
      expect(changed.state).toBe("pending");
      link.join(group.bank.bank);
      at.store.holds = false;
      at.store.passNext();
      await group.until(() => changed.state === "fulfilled");
      await group.connected();
      await group.driven(group.site(1).at.branch.readIndex());
      await group.close();
    },
  );

  it("is not confirmed by those who follow another bank: a bank that was left alone answers nobody", async () => {
    const group = await Group.start(3);
    await group.count(2, 1, 2, 3);
    await group.connected();
    const { bank } = group.bank;
    group.cut(1, 2);
    const read = watch(bank.read(LINEARIZABLE, () => 0));
    await group.until(() => read.state === "rejected");
    expect(String(read.reason)).toContain("still the bank");
    group.platform.advance(DROPPED_MS + 1);
    await expect(bank.read(LINEARIZABLE, () => 0)).rejects.toThrow(
      "0 of the 2 that it needs are connected (not there: branches 1, 2",
    );
    // What it has committed it may still tell those who do not ask for the newest.
    expect((await bank.read(LOCAL, (ledger) => balanceOf(ledger, 1))).value).toBe(0n);
    await group.close();
  });
});

describe("a branch that counts and has lost its disk", () => {
  it("counts for nothing, until the journal names its new copy, which the bank sees to by itself", async () => {
    const group = await Group.start(3);
    await group.count(2, 1, 2, 3);
    await group.done(deposit(1, 5));
    await group.connected();
    const { bank } = group.bank;
    const old = group.site(3).copyId;
    await group.restart(3, { losesDisk: true });
    group.platform.advance(CONNECTED_MS);
    const counts = (copyId: Uint8Array) => isCounted(bank.ledger.durability, copyId);
    await group.until(() => counts(group.site(3).copyId), "the new copy to count");
    expect(counts(old)).toBe(false);
    // Those that counted before have to agree.
    await group.until(() => bank.committedPosition === bank.ledger.durability.position);
    await group.connected();
    expect(bank.ledger.durability.copies).toBe(2);
    expect(bank.ledger.durability.members.map(({ copyId }) => toHex(copyId))).toEqual(
      group.sites.map(({ copyId }) => toHex(copyId)),
    );
    group.cut(1);
    await group.done(deposit(1, 7));
    await group.until(() => group.site(3).at.branch.appliedPosition === bank.committedPosition);
    expect(balanceOf(group.site(3).at.branch.ledger, 1)).toBe(12n);
    group.join(1);
    await group.connected();
    for (const { at } of group.sites) expect(digestOf(at.branch.ledger)).toBe(digestOf(bank.ledger));
    await group.close();
  });
});

it("goes on from any copy that counts: the bank's disk is lost, and no acknowledged write with it", async () => {
  const group = await Group.start(2);
  await group.count(1, 1, 2);
  await group.connected();
  group.cut(2);
  await group.done(deposit(1, 5));
  group.join(2);
  group.cut(1);
  await group.done(deposit(1, 7));
  group.cut(2);
  // Of two of which one must have it, one that is asked may not: both are, and the one with more goes on.
  const [best] = group.sites.map(({ disk }) => disk).sort((a, b) => b.batches.length - a.batches.length);
  const disk = Object.assign(new MemoryDisk(), { ...best, holder: undefined, batches: [...best!.batches] });
  const next = await openBank({ platform: group.platform, disk });
  expect(balanceOf(next.bank.ledger, 1)).toBe(12n);
});
