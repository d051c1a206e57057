import { deposit, LocalLink, openAccount, request, rest, until, watch } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { openBank } from "./bank-replica.test-util.ts";
import { openBranch } from "./branch-replica.test-util.ts";
import { Group } from "./counted.test-util.ts";
import { Snapshotter } from "./snapshotter.ts";

const SAVE_WITHIN_MS = 50;

/** A bank with one account, and a branch that has caught up and has saved it; its time stands still. */
async function startPair() {
  const opened = await openBank();
  const { bank } = opened;
  await bank.submit([request(900_001, openAccount())]);
  const link = new LocalLink(bank);
  const at = await openBranch({ link, saveWithinMs: SAVE_WITHIN_MS });
  const { branch, platform } = at;
  await until(() => branch.savedPosition === bank.committedPosition, { platform });
  let id = 0;
  const write = async (count = 1) => {
    for (let i = 0; i < count; i++) await bank.submit([request(++id, deposit(1, 1))]);
    await branch.whenApplied(bank.committedPosition);
    await rest();
  };
  const before = at.disk.batches.length;
  /** Batches on its disk that were written since. */
  const saved = () => at.disk.batches.length - before;
  return { opened, bank, link, at, branch, platform, write, saved };
}

describe("what a branch shows and nobody asks for on its disk", () => {
  it("is gathered for a moment, and saved in one append", async () => {
    const { at, branch, platform, bank, opened, write, saved } = await startPair();
    const { append } = at.store.calls;
    await write(3);
    platform.advance(SAVE_WITHIN_MS - 1);
    await rest();
    expect(saved()).toBe(0);
    platform.advance(1);
    await until(() => branch.savedPosition === bank.committedPosition);
    expect(at.store.calls.append).toBe(append + 1);
    expect(at.disk.batches).toEqual(opened.disk.batches);
    // The next moment begins with the next batch.
    await write();
    platform.advance(SAVE_WITHIN_MS);
    await until(() => branch.savedPosition === bank.committedPosition);
  });

  it("counts for the next snapshot with each of its batches", async () => {
    const { branch, platform, bank, write } = await startPair();
    const counted = vi.spyOn(Snapshotter.prototype, "afterBatches");
    await write(3);
    platform.advance(SAVE_WITHIN_MS);
    await until(() => branch.savedPosition === bank.committedPosition);
    const counts = counted.mock.contexts.flatMap((one, i) =>
      one === counted.mock.contexts.at(-1) ? counted.mock.calls[i] : [],
    );
    expect(counts.reduce((sum, count = 0) => (sum ?? 0) + count, 0)).toBe(3);
  });

  it("is saved at once where it is much", async () => {
    const { bank, saved } = await startPair();
    const owner = "n".repeat(120);
    await bank.submit(Array.from({ length: 8_000 }, (_, i) => request(10_000 + i, openAccount(owner))));
    await until(() => saved() > 0);
  });

  it("is saved by a stop", async () => {
    const { at, branch, write, opened } = await startPair();
    await write(2);
    await branch.close();
    expect(at.disk.batches).toEqual(opened.disk.batches);
  });

  it("is saved when the stream is lost, so that the branch says what it has", async () => {
    const { link, branch, bank, write } = await startPair();
    await write(2);
    link.break();
    await until(() => branch.savedPosition === bank.committedPosition);
  });
});

describe("what a branch shows and somebody asks for on its disk is saved at once:", () => {
  it("a position that followers are to report, and what comes before it", async () => {
    const { bank, branch, write } = await startPair();
    const first = bank.committedPosition + 1;
    const wanted = first + 1;
    bank.feed.ask({ reportPosition: wanted });
    await write();
    await until(() => branch.savedPosition >= first);
    await write();
    await until(() => branch.savedPosition >= wanted);
    await write();
    expect(branch.savedPosition).toBeLessThan(bank.committedPosition);
  });

  it("a position that is shown already when somebody asks for it", async () => {
    const { bank, branch, write } = await startPair();
    await write();
    expect(branch.savedPosition).toBeLessThan(bank.committedPosition);
    bank.feed.ask({ reportPosition: bank.committedPosition });
    await until(() => branch.savedPosition === bank.committedPosition);
  });

  it("a record", async () => {
    const { bank, branch, write } = await startPair();
    await write();
    const record = await branch.recordAt(bank.committedPosition);
    expect(record?.position).toBe(bank.committedPosition);
  });

  it("its head, before it is told", async () => {
    const { bank, branch, write } = await startPair();
    await write();
    const shown = await bank.head(0);
    expect(await branch.head(0)).toEqual(shown);
    await write();
    expect(branch.savedPosition).toBeLessThan(bank.committedPosition);
    expect((await branch.head(bank.committedPosition)).chainHash).toEqual((await bank.head(0)).chainHash);
  });

  it("the head of a copy that has only begun", async () => {
    const { bank } = await openBank();
    await bank.submit([request(900_001, openAccount())]);
    const { branch } = await openBranch({ link: new LocalLink(bank), saveWithinMs: SAVE_WITHIN_MS });
    await branch.whenApplied(bank.committedPosition);
    expect(branch.savedPosition).toBe(0);
    expect(await branch.head(0)).toEqual(await bank.head(0));
  });

  it("its head, which is told all the same while the disk hangs", async () => {
    const { at, branch, platform, write } = await startPair();
    const { savedPosition } = branch;
    at.store.holds = true;
    await write();
    const head = watch(branch.head(0));
    await until(() => at.store.held.length > 0);
    expect(head.state).toBe("pending");
    platform.advance(500);
    await until(() => head.state === "fulfilled");
    expect(branch.savedPosition).toBe(savedPosition);
    at.store.holds = false;
    for (const held of at.store.held.splice(0)) held.pass();
  });

  it("the end that it promises with", async () => {
    const { bank, branch, write } = await startPair();
    await write();
    const { position, chainHash } = await branch.lastSaved();
    expect({ position, chainHash }).toMatchObject({
      position: bank.committedPosition,
      chainHash: (await bank.head(0)).chainHash,
    });
  });

  it("what is not committed yet, before its head is told", async () => {
    const group = await Group.start(2);
    await group.count(1, 1);
    await group.connected();
    const { bank } = group.bank;
    const other = group.site(2).at.branch;
    group.site(1).link.stall();
    const asked = group.asked(deposit(1, 1));
    await until(() => bank.feed.appendedPosition > bank.committedPosition);
    await rest();
    expect(other.savedPosition).toBeLessThan(bank.feed.appendedPosition);
    expect((await other.head(0)).position).toBe(bank.feed.appendedPosition);
    group.site(1).link.flow();
    await group.until(() => asked.state === "fulfilled");
  });

  it("what its own followers get", async () => {
    const { bank, branch, write } = await startPair();
    const leaving = new AbortController();
    const messages = branch.feed.messages(bank.committedPosition, leaving.signal);
    await messages.next();
    await write();
    await until(() => branch.savedPosition === bank.committedPosition);
    leaving.abort();
  });

  it("everything where the copy counts", async () => {
    const group = await Group.start(2);
    await group.count(1, 1);
    await group.connected();
    const [counts, other] = group.sites.map(({ at }) => at.branch);
    const before = other!.savedPosition;
    await group.bank.bank.submit([request(77_001, deposit(1, 1))]);
    const { committedPosition } = group.bank.bank;
    await other!.whenApplied(committedPosition);
    expect(counts!.savedPosition).toBe(committedPosition);
    expect(other!.savedPosition).toBe(before);
  });
});
