import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type AccountIndex, BATCH_RECORDS_MAX, type LedgerRecord, RecordKind } from "@bank/core";
import { NaiveHistory, Random } from "@bank/testkit";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryFile } from "./history.test-util.ts";
import { ACCOUNTS_WAITING_MAX } from "./limits.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import { Projection } from "./projection.ts";
import { RandomJournal, type TestBatch } from "./random-journal.test-util.ts";

const ACCOUNTS = 60;

/** A transfer from every second account to its neighbour, from some account on. */
function transfers(accounts: number, from = 0): LedgerRecord[] {
  return Array.from({ length: accounts / 2 }, (_, i) => ({
    principal: "dev",
    branch: 0,
    request: undefined,
    kind: RecordKind.TRANSFER,
    debit: (from + 2 * i) as AccountIndex,
    credit: (from + 2 * i + 1) as AccountIndex,
    amount: BigInt(i + 1),
  }));
}

function framesOf(...batches: readonly TestBatch[]) {
  return { frames: batches.map(({ frame }) => frame), chainHash: batches.at(-1)!.chainHash };
}

/** A projection of three batches, of which the first is kept, and what it is to say. */
function partlyKept(file: string) {
  const journal = new RandomJournal(new Random(1));
  const naive = new NaiveHistory();
  const projection = Projection.open(file);
  for (let i = 0; i < 3; i++) {
    const batch = journal.append(...transfers(ACCOUNTS));
    naive.add(batch);
    projection.project(framesOf(batch));
    if (i === 0) projection.keep();
  }
  return { journal, naive, projection };
}

function expectSame(projection: Projection, naive: NaiveHistory): void {
  for (let index = 0; index < ACCOUNTS; index++) {
    const account = index as AccountIndex;
    for (const oldestFirst of [true, false]) {
      const list = { account, upper: naive.position, oldestFirst, filter: {} };
      const expected = naive.balance(account, naive.position);
      const first = projection.ask("list", { ...list, cursor: undefined, pageSize: 2, expected });
      const second = projection.ask("list", { ...list, cursor: first.next, pageSize: 2, expected: undefined });
      expect([...first.entries, ...second.entries], `account ${account}`).toEqual(naive.list(list));
    }
    for (let position = account + 1; position <= naive.position; position += 13)
      expect(projection.ask("balance", { account, position })).toEqual(naive.balance(account, position));
  }
}

describe("a projection that is kept in slices", () => {
  it("can be read between them as before and behind, and is added to behind them alone", () => {
    const file = temporaryFile();
    const { journal, naive, projection } = partlyKept(file);
    const next = framesOf(journal.append(...transfers(ACCOUNTS)));
    let slices = 1;
    for (; !projection.keep(0); slices++) {
      expectSame(projection, naive);
      expect(() => projection.project(next)).toThrow("before all that was is kept");
    }
    expect(slices).toBeGreaterThan(3);
    expectSame(projection, naive);
    projection.close();
    const again = Projection.open(file);
    expect(again.head?.position).toBe(naive.position);
    expectSame(again, naive);
    again.project(next);
    again.close();
  });

  it("has kept nothing of it when it ends between two of them", () => {
    const file = temporaryFile();
    const { projection } = partlyKept(file);
    expect(projection.keep(0)).toBe(false);
    projection.close();
    const again = Projection.open(file);
    expect(again.head?.position).toBe(ACCOUNTS / 2);
    expect(again.ask("balance", { account: 1 as AccountIndex, position: ACCOUNTS / 2 }).posted).toBe(1n);
    again.close();
  });
});

/** The thread, what it says in turn, and what it is told. */
async function startThread(file: string) {
  const workerData: WorkerStart = { file, discard: undefined, keepAfterMs: 60_000 };
  const thread = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData,
    execArgv: ["--conditions=bank-src"],
  });
  onTestFinished(async () => {
    await thread.terminate();
  });
  const said: string[] = [];
  thread.on("message", (message: FromWorker) => {
    said.push(message.kind === "projected" ? `projected ${message.head.position}` : message.kind);
  });
  const tell = (message: ToWorker) => thread.postMessage(message);
  return { thread, said, tell };
}

describe("the thread, while it keeps much", () => {
  it("answers what is asked, projects what comes when all is kept, and ends with all of it kept", async () => {
    const file = temporaryFile();
    const journal = new RandomJournal(new Random(1));
    const wide = 2 * BATCH_RECORDS_MAX;
    while (journal.batches.length < ACCOUNTS_WAITING_MAX / wide)
      journal.append(...transfers(wide, journal.batches.length * wide));
    const many = framesOf(...journal.batches);
    const kept = journal.batches.at(-1)!.lastPosition;
    const few = [1, 2].map(() => framesOf(journal.append(...transfers(ACCOUNTS))));
    const { thread, said, tell } = await startThread(file);
    tell({ kind: "frames", frames: many });
    tell({ kind: "frames", frames: few[0]! });
    const asked = { account: 3 as AccountIndex, position: kept };
    tell({ kind: "query", id: 1, query: { name: "balance", asked } });
    tell({ kind: "frames", frames: few[1]! });
    const later = [kept + ACCOUNTS / 2, kept + ACCOUNTS];
    while (!said.includes("answer")) await once(thread, "message");
    expect(said.slice(0, 3)).toEqual(["opened", `projected ${kept}`, "answer"]);
    tell({ kind: "close" });
    await once(thread, "exit");
    const projection = Projection.open(file);
    expect(projection.head?.position).toBe(later[1]);
    expect(projection.ask("balance", { account: 3 as AccountIndex, position: kept + ACCOUNTS }).posted).toBe(6n);
    projection.close();
  });
});
