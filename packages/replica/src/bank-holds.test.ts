import { ANONYMOUS_PRINCIPAL, FORMAT_LEVEL_MAX, HoldState, RecordKind } from "@bank/core";
import { MemoryJournalStore } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import {
  deposit,
  HeldStore,
  LocalLink,
  ManualPlatform,
  numberedId,
  openAccount,
  request,
  rest,
  until,
  withdraw,
} from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { journalOf, type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { caughtUp, openBranch } from "./branch-replica.test-util.ts";
import { captureHold, later, placeHold, reverse } from "./commands.test-util.ts";
import { writeOldJournal } from "./old-journal.test-util.ts";
import { answered, digestOf, short } from "./sequencer.test-util.ts";

/** Account 1 with 1,000. */
async function startFunded(options: Parameters<typeof openBank>[0] = {}): Promise<OpenedBank> {
  const opened = await openBank(options);
  await opened.bank.submit([request(901, openAccount()), request(902, deposit(1, 1_000))]);
  return opened;
}

async function hold(opened: OpenedBank, id: number, amount: number, inMs: number): Promise<number> {
  const [outcome] = await opened.bank.submit([request(id, placeHold(1, amount, later(opened, inMs)))]);
  return answered(outcome!).position;
}

const stateOf = ({ bank }: OpenedBank, position: number) => bank.ledger.viewHold(position)?.state;

describe("open holds", () => {
  it("are there after a crash, from a snapshot and what came behind it, and end when their time has come", async () => {
    const first = await startFunded();
    const [captured, ended] = [await hold(first, 1, 100, 60_000), await hold(first, 2, 200, 5_000)];
    await first.bank.submit([request(3, captureHold(captured, 40))]);
    await first.bank.close();
    expect(first.platform.timerCount).toBe(0);
    const platform = new ManualPlatform({ seed: 2, wallMs: first.platform.wallMs() });
    const second = await openBank({ disk: first.disk, platform });
    expect(second.bank.recovered.snapshotPosition).toBeGreaterThan(0);
    const tail = await hold(second, 4, 300, 5_000);
    await second.bank.submit([request(5, captureHold(captured, 10))]);
    // A crash: the tail is replayed behind the snapshot.
    const third = await openBank({
      disk: first.disk,
      platform: new ManualPlatform({ seed: 3, wallMs: platform.wallMs() }),
    });
    expect(third.bank.recovered).toMatchObject({ snapshotPosition: second.bank.recovered.snapshotPosition });
    expect(third.bank.recovered.replayedRecords).toBeGreaterThan(2);
    expect(third.bank.ledger.viewHold(captured)).toMatchObject({ captured: 50n, state: HoldState.OPEN });
    third.platform.advance(5_000);
    await until(() => stateOf(third, tail) === HoldState.EXPIRED);
    expect(stateOf(third, ended)).toBe(HoldState.EXPIRED);
    expect(stateOf(third, captured)).toBe(HoldState.OPEN);
    const journal = await journalOf(third.disk, third.bank.bankId);
    expect(digestOf(journal.replay.ledger)).toBe(digestOf(third.bank.ledger));
    expect(journal.records.at(-1)?.record).toMatchObject({ kind: RecordKind.HOLDS_EXPIRED, holds: [ended, tail] });
  });

  it("end on a branch by the bank's record alone", async () => {
    const opened = await startFunded();
    const at = await openBranch({ link: new LocalLink(opened.bank) });
    const position = await hold(opened, 1, 100, 5_000);
    await caughtUp(at, opened);
    at.platform.advance(3_600_000);
    await rest();
    expect(at.branch.ledger.viewHold(position)?.state).toBe(HoldState.OPEN);
    opened.platform.advance(5_000);
    await until(() => stateOf(opened, position) === HoldState.EXPIRED);
    await caughtUp(at, opened);
    expect(at.branch.ledger.viewHold(position)?.state).toBe(HoldState.EXPIRED);
    expect(digestOf(at.branch.ledger)).toBe(digestOf(opened.bank.ledger));
  });

  it("of a bank that cannot begin its epoch wait for it", async () => {
    const first = await startFunded();
    const position = await hold(first, 1, 100, 1_000);
    await first.bank.close();
    const faulty = new FaultyStore(new MemoryJournalStore(first.disk));
    for (let i = 0; i < 6; i++) faulty.failNextAppend("refused");
    const platform = new ManualPlatform({ seed: 2, wallMs: first.platform.wallMs() + 10_000 });
    const store = new HeldStore(faulty);
    const opened = await openBank({ disk: first.disk, store, platform });
    expect(opened.bank.suspended).toBeDefined();
    await rest();
    await expect(opened.bank.preview(request(2, withdraw(1, 1)), () => 0)).rejects.toMatchObject({
      refusal: { reason: "NOT_READY" },
    });
    await expect(opened.bank.passTime(0)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    await expect(opened.bank.outcomeOf(ANONYMOUS_PRINCIPAL, numberedId(901))).rejects.toMatchObject({
      refusal: { reason: "NOT_READY" },
    });
    expect(await opened.bank.recordAt(1)).toMatchObject({ record: { kind: RecordKind.EPOCH_BEGUN } });
    expect(stateOf(opened, position)).toBe(HoldState.OPEN);
    await until(() => opened.bank.suspended === undefined, { platform });
    // Each append was one of the epoch's record, behind its fence; none was for the hold alone.
    expect(store.calls).toMatchObject({ append: 7, fence: 7 });
    expect(stateOf(opened, position)).toBe(HoldState.EXPIRED);
    const { records } = await journalOf(first.disk, opened.bank.bankId);
    expect(records.slice(-2).map(({ record }) => record.kind)).toEqual([
      RecordKind.EPOCH_BEGUN,
      RecordKind.HOLDS_EXPIRED,
    ]);
  });
});

describe("the format level", () => {
  it("of an older journal is raised only by a start that is told to", async () => {
    const disk = await writeOldJournal();
    const first = await openBank({ disk });
    expect(first.bank.ledger.formatLevel).toBe(1);
    await first.bank.submit([request(901, openAccount()), request(902, deposit(1, 100))]);
    const [refused] = await first.bank.submit([request(1, placeHold(1, 1))]);
    expect(short(refused!)).toBe("FORMAT_LEVEL_TOO_LOW NOT_APPLIED");
    expect(await first.bank.preview(request(1, placeHold(1, 1)), () => 0)).toMatchObject({
      kind: "refused",
      error: { refusal: { reason: "FORMAT_LEVEL_TOO_LOW" } },
    });
    const position = first.bank.committedPosition;
    const second = await openBank({ disk, raiseFormatLevel: true });
    expect(second.bank.ledger.formatLevel).toBe(FORMAT_LEVEL_MAX);
    expect(second.bank.committedPosition).toBe(position + 2);
    // What was done before the level can be reversed behind it.
    const outcomes = await second.bank.submit([request(1, placeHold(1, 1)), request(2, reverse(position))]);
    expect(outcomes.map(short)).toEqual(["done", "INSUFFICIENT_FUNDS"]);
    expect(digestOf((await journalOf(disk, second.bank.bankId)).replay.ledger)).toBe(digestOf(second.bank.ledger));
  });
});
