import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { type AccountIndex, RecordKind, RefusalError } from "@bank/core";
import { Random, rest, watch } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { expectSameAsNaive, patience, startHistory, temporaryFile } from "./history.test-util.ts";
import type { History } from "./history.ts";
import { RandomJournal, type TestBatch } from "./random-journal.test-util.ts";
import { TestJournal } from "./test-journal.test-util.ts";

const A = 0 as AccountIndex;

function batchesOf(count: number, seed = 1): TestBatch[] {
  const journal = new RandomJournal(new Random(seed));
  return Array.from({ length: count }, () => journal.grow());
}

function endOf(batches: readonly TestBatch[]): number {
  return batches.at(-1)!.lastPosition;
}

async function refusalOf(promise: Promise<unknown>): Promise<RefusalError> {
  const error = await promise.then(
    () => new Error("it was answered"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof RefusalError)) throw error;
  return error;
}

/** The balance of an account at the position, once it is projected. */
function balanceAt(history: History, position: number, signal = patience()) {
  return history.ask("balance", { account: A, position }, { needed: position, signal });
}

/** The next worker that is started by whatever the function does. */
async function workerStartedBy(start: () => void): Promise<Worker> {
  const started = once(process, "worker");
  start();
  return (await started)[0] as Worker;
}

async function logged(history: { readonly log: { about(text: string): readonly unknown[] } }, text: string, times = 1) {
  await vi.waitFor(() => expect(history.log.about(text).length).toBeGreaterThanOrEqual(times), { timeout: 20_000 });
}

describe("a history", () => {
  it("answers once it goes as far as the question needs, and not before", async () => {
    const batches = batchesOf(40);
    const journal = new TestJournal(batches.slice(0, 20));
    const history = startHistory(journal);
    const near = batches[19]!.lastPosition;
    await balanceAt(history, near);
    const far = watch(balanceAt(history, near + 1));
    await balanceAt(history, near);
    expect(far.state).toBe("pending");
    journal.append(...batches.slice(20));
    await vi.waitFor(() => expect(far.state).toBe("fulfilled"), { timeout: 20_000 });
    await expectSameAsNaive(history, batches, endOf(batches));
    expect(history.projectedPosition).toBe(endOf(batches));
    expect(history.log.lines).toEqual([]);
  });

  it("gives up at the asker's deadline, and says how far it is", async () => {
    const batches = batchesOf(3);
    const history = startHistory(new TestJournal(batches));
    const end = endOf(batches);
    await history.whenProjected(end, patience());
    const { refusal, message } = await refusalOf(history.whenProjected(end + 5, AbortSignal.timeout(10)));
    expect(refusal.reason).toBe("DEADLINE_EXCEEDED");
    expect(message).toContain(`position ${end + 5}; it is at ${end}`);
    const { reason } = (await refusalOf(balanceAt(history, end, AbortSignal.abort()))).refusal;
    expect(reason).toBe("DEADLINE_EXCEEDED");
  });

  it("goes on where it was when it starts again", async () => {
    const batches = batchesOf(60);
    const file = temporaryFile();
    const first = startHistory(new TestJournal(batches.slice(0, 40)), { file });
    await first.whenProjected(batches[39]!.lastPosition, patience());
    await first.close();
    const journal = new TestJournal(batches);
    const second = startHistory(journal, { file });
    await expectSameAsNaive(second, batches, endOf(batches));
    expect(journal.read).toBe(20);
    expect(second.log.lines).toEqual([]);
  });

  it.each([
    { what: "of another journal", replace: () => batchesOf(60, 2) },
    {
      what: "of another epoch",
      replace: (batches: TestBatch[]) => batches.map((batch) => ({ ...batch, epochId: new Uint8Array(16).fill(9) })),
    },
    {
      what: "of other records of the same epoch",
      replace: (batches: TestBatch[]) => batches.map((batch) => ({ ...batch, chainHash: new Uint8Array(32).fill(9) })),
    },
    { what: "of more than there is", replace: (batches: TestBatch[]) => batches.slice(0, 20) },
  ])("is built anew where it is $what", async ({ replace }) => {
    const batches = batchesOf(40);
    const file = temporaryFile();
    const first = startHistory(new TestJournal(batches), { file });
    await first.whenProjected(endOf(batches), patience());
    await first.close();
    const others = replace(batches);
    const journal = new TestJournal(others);
    const second = startHistory(journal, { file });
    await expectSameAsNaive(second, others, endOf(others));
    expect(journal.read).toBe(others.length);
    expect(second.log.lines.map(({ level, event }) => `${level} ${event}`)).toEqual([
      "warn the history is of another journal and is built anew",
    ]);
  });

  it("is built anew, loudly, where its file is damaged", async () => {
    const file = temporaryFile();
    writeFileSync(file, "no database".repeat(1_000));
    const batches = batchesOf(30);
    const history = startHistory(new TestJournal(batches), { file });
    await expectSameAsNaive(history, batches, endOf(batches));
    expect(history.log.about("was damaged").map(({ level }) => level)).toEqual(["error"]);
  });

  it("is built anew, loudly, where it differs from the ledger", async () => {
    const batches = batchesOf(30);
    const history = startHistory(new TestJournal(batches), { file: temporaryFile() });
    const upper = endOf(batches);
    const list = { account: A, upper, oldestFirst: true, cursor: undefined, pageSize: 10, filter: {} };
    const expected = { posted: -1n, held: 5n };
    const options = { needed: upper, signal: patience() };
    const error = await refusalOf(history.ask("list", { ...list, expected }, options));
    expect(error.refusal.reason).toBe("NOT_READY");
    await logged(history, "was damaged");
    await expectSameAsNaive(history, batches, endOf(batches));
  });

  it("is given up when building it anew does not help", async () => {
    const batches = batchesOf(20);
    const journal = new TestJournal(batches);
    // No ledger writes such a record: that hold was never placed.
    const last = endOf(batches);
    const wrong = new RandomJournal(new Random(1));
    while (wrong.batches.length < 20) wrong.grow();
    journal.append(
      wrong.append({
        principal: "bank",
        branch: 0,
        request: undefined,
        kind: RecordKind.HOLDS_EXPIRED,
        holds: [last + 1],
      }),
    );
    const history = startHistory(journal);
    await logged(history, "given up");
    expect(history.log.about("the history failed")).toHaveLength(3);
    expect((await refusalOf(balanceAt(history, 1))).refusal.reason).toBe("NOT_READY");
    await history.close();
  });

  it("is refused while its thread is dead, and another goes on where that was", async () => {
    const batches = batchesOf(60);
    const journal = new TestJournal(batches.slice(0, 40));
    let history = undefined as ReturnType<typeof startHistory> | undefined;
    const worker = await workerStartedBy(() => {
      history = startHistory(journal, { file: temporaryFile(), keepAfterMs: 0 });
    });
    if (history === undefined) throw new Error("a history was started");
    const end = batches[39]!.lastPosition;
    await history.whenProjected(end, patience());
    const waiting = refusalOf(history.whenProjected(endOf(batches), patience()));
    await worker.terminate();
    expect((await waiting).refusal.reason).toBe("NOT_READY");
    expect((await refusalOf(balanceAt(history, end))).refusal.reason).toBe("NOT_READY");
    expect(history.projectedPosition).toBeUndefined();
    expect(history.log.about("the history failed").map(({ level }) => level)).toEqual(["error"]);
    journal.append(...batches.slice(40));
    await vi.waitFor(() => expectSameAsNaive(history!, batches, endOf(batches)), { timeout: 20_000 });
    expect(journal.read).toBe(60);
  });

  it("is refused while a frame cannot be read, and goes on once it can", async () => {
    const batches = batchesOf(30);
    const journal = new TestJournal(batches.slice(0, 20));
    const history = startHistory(journal);
    await history.whenProjected(batches[19]!.lastPosition, patience());
    // As a journal of a newer program would be.
    const unreadable = { ...batches[20]!, frame: new Uint8Array(100) };
    journal.append(unreadable, ...batches.slice(21));
    await logged(history, "the history failed", 3);
    Object.assign(unreadable, { frame: batches[20]!.frame });
    await vi.waitFor(() => expectSameAsNaive(history, batches, endOf(batches)), { timeout: 20_000 });
  });

  it("can be read as far as it goes while the journal hands nothing on", async () => {
    const batches = batchesOf(30);
    const journal = new TestJournal(batches.slice(0, 20));
    const history = startHistory(journal);
    await history.whenProjected(batches[19]!.lastPosition, patience());
    journal.failure = new Error("the bank cannot write");
    journal.append(...batches.slice(20));
    await logged(history, "cannot follow the journal");
    await expectSameAsNaive(history, batches, batches[19]!.lastPosition);
    journal.failure = undefined;
    await expectSameAsNaive(history, batches, endOf(batches));
    expect(history.log.about("failed")).toEqual([]);
  });

  it("costs nothing until somebody asks, where it is lazy", async () => {
    const batches = batchesOf(10);
    let workers = 0;
    const count = () => workers++;
    process.on("worker", count);
    const unasked = startHistory(new TestJournal(batches), { start: "lazy" });
    const history = startHistory(new TestJournal(batches), { start: "lazy" });
    expect([workers, history.projectedPosition]).toEqual([0, undefined]);
    await expectSameAsNaive(history, batches, endOf(batches));
    expect([workers, history.projectedPosition]).toEqual([1, endOf(batches)]);
    await unasked.close();
    expect((await refusalOf(balanceAt(unasked, 1))).refusal.reason).toBe("NOT_READY");
    expect(workers).toBe(1);
    process.off("worker", count);
  });

  it("is closed at any time, answers what it can and refuses the rest", async () => {
    const batches = batchesOf(300);
    for (const turns of [0, 1, 100, 10_000, 100_000]) {
      const history = startHistory(new TestJournal(batches), { file: temporaryFile() });
      const far = refusalOf(history.whenProjected(endOf(batches) + 1, patience()));
      await rest(turns);
      await Promise.all([history.close(), history.close()]);
      expect((await far).refusal.reason).toBe("NOT_READY");
      expect((await refusalOf(balanceAt(history, 1))).refusal.reason).toBe("NOT_READY");
      expect(history.log.about("failed")).toEqual([]);
    }
  });

  it("warns when it falls behind by much", async () => {
    const batches = batchesOf(400);
    const journal = new TestJournal(batches.slice(0, 2));
    // More than twice of what there is at first: it is near enough from the start.
    const history = startHistory(journal, { lagWarningRecords: 2 * journal.position + 1 });
    await history.whenProjected(journal.position, patience());
    // The journal shows more than it hands on: the history can only be late.
    journal.failure = new Error("later");
    journal.append(...batches.slice(2));
    await logged(history, "falls behind");
    journal.failure = undefined;
    await logged(history, "caught up");
    await history.whenProjected(endOf(batches), patience());
  });
});
