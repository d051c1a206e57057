import { mkdir } from "node:fs/promises";
import { measurementOf } from "../bank/server-under-load.ts";
import type { Bench, Suite } from "../bench.ts";
import { measureBlocks } from "../harness/blocking.ts";
import { accountBytes } from "../ledger/account-bytes.ts";
import { COLUMN_ROWS, ColumnsLoad } from "../ledger/columns-load.ts";
import { HistoryLoad } from "../ledger/history-load.ts";
import { LedgerLoad, WORKLOADS } from "../ledger/ledger-load.ts";
import { measureRequestIds, type RequestIdFigures } from "../ledger/request-ids.ts";
import { runLoad } from "../load/closed-loop.ts";
import { promiseDriver } from "../load/promise-driver.ts";
import { aligned, short, whole } from "../report/numbers.ts";
import { type SuiteReport, spreadOf } from "../report/result.ts";

/** In batches as those of the bank. */
const HISTORY_BATCHES = [8_000, 100];
const HISTORY_IN_FLIGHT = 2;
const ID_KINDS = ["random", "time-ordered"] as const;
const ID_COUNTS = [100_000, 1_000_000, 5_000_000, 10_000_000];
const ID_COUNTS_QUICK = [100_000];

/** The ledger in memory, one request at a time, with nothing around it; what it remembers; and the history beside it. */
export const ledger: Suite = {
  name: "ledger",
  title: "the ledger in memory: in columns and request by request; what accounts and request ids take; the history",
  run: async (bench, report) => {
    const ids: RequestIdFigures[][] = [];
    const bytes: number[] = [];
    for (let round = 0; round < bench.rounds; round++) {
      measureColumns(bench, report);
      measureWorkloads(bench, report);
      for (const batch of bench.variants(HISTORY_BATCHES)) await measureHistory(bench, report, batch);
      const counts = bench.quick ? ID_COUNTS_QUICK : ID_COUNTS;
      ids.push(bench.variants(ID_KINDS).flatMap((kind) => measureRequestIds(kind, counts)));
      bytes.push(accountBytes(bench.manyAccounts));
    }
    for (const line of idTable(ids)) report.note(line);
    const text = (value: number) => `${short(value)} bytes`;
    const perAccount = spreadOf(bytes);
    const full = ids.map((figures) => figures.filter(isFull).map(({ bytesPerId }) => bytesPerId));
    const perId = full.some((figures) => figures.length === 0)
      ? undefined
      : spreadOf(full.map((figures) => Math.max(...figures)));
    report.target(
      `memory for an account, of ${whole(bench.manyAccounts)}: at most 128 bytes`,
      perAccount,
      { atMost: 128 },
      text,
    );
    report.target(
      "memory for a remembered request id, a million and more: at most 48 bytes",
      perId,
      { atMost: 48 },
      text,
    );
  },
};

/** With fewer ids what is set aside for more weighs in. */
function isFull({ ids }: RequestIdFigures): boolean {
  return ids >= 1_000_000;
}

/** Few accounts and many; and one that has a part in every transfer. */
function measureColumns(bench: Bench, report: SuiteReport): void {
  const cases = [
    { accounts: bench.fewAccounts, distribution: "uniform" },
    { accounts: bench.fewAccounts, distribution: "hot" },
    { accounts: bench.manyAccounts, distribution: "uniform" },
  ] as const;
  for (const { accounts, distribution } of bench.variants(cases)) {
    const load = new ColumnsLoad(accounts, distribution);
    const facts = {
      unit: "transfers",
      durable: false,
      checked: true,
      batch: COLUMN_ROWS,
      inFlight: 1,
      accounts,
      distribution,
    };
    const executed = measureBlocks(bench.durationMs, {
      operations: COLUMN_ROWS,
      prepare: () => {
        load.commit();
        return load.orders();
      },
      run: (orders) => load.execute(orders),
    });
    load.commit();
    report.add({ ...facts, name: "columns: executed" }, executed);
    const applied = measureBlocks(bench.durationMs, {
      operations: COLUMN_ROWS,
      prepare: () => load.notYetApplied(),
      run: (records) => load.apply(records),
    });
    report.add({ ...facts, name: "columns: applied, as a follower" }, applied);
  }
}

function measureWorkloads(bench: Bench, report: SuiteReport): void {
  for (const { name, unit, operations, prepare } of WORKLOADS) {
    const load = new LedgerLoad();
    const measured = measureBlocks(bench.durationMs, {
      operations,
      prepare: () => prepare(load),
      run: (requests) => load.execute(requests),
    });
    report.add({ name, unit, durable: false, checked: true, batch: operations, inFlight: 1 }, measured);
  }
}

async function measureHistory(bench: Bench, report: SuiteReport, batch: number): Promise<void> {
  const folder = bench.scratch("history");
  await mkdir(folder);
  const load = new HistoryLoad(folder);
  await load.ready();
  const driver = promiseDriver({ inFlight: HISTORY_IN_FLIGHT, operations: batch, call: () => load.project(batch) });
  const result = await runLoad(driver, bench.runOptions([]));
  await load.close();
  await bench.forget(folder);
  const facts = { name: "history of transfers", unit: "transfers", durable: false, checked: false, batch };
  report.add({ ...facts, inFlight: HISTORY_IN_FLIGHT }, { ...measurementOf(result), loadUs: undefined });
}

const ID_HEADINGS = [
  "request ids",
  "remembered",
  "ns a new one",
  "ns a hit",
  "ns a miss",
  "ns a deposit",
  "worst insert ms",
  "bytes an id",
];

/** What remembering request ids costs: medians of the rounds. */
export function idTable(rounds: readonly (readonly RequestIdFigures[])[]): string[] {
  const rows = (rounds[0] ?? []).map(({ kind, ids }, i) => {
    const all = rounds.flatMap((round) => round[i] ?? []);
    const middle = (figure: (figures: RequestIdFigures) => number) => spreadOf(all.map(figure)).median;
    const worst = spreadOf(all.map(({ worstInsertMs }) => worstInsertMs));
    return [
      kind,
      whole(ids),
      whole(middle(({ newNs }) => newNs)),
      whole(middle(({ hitNs }) => hitNs)),
      whole(middle(({ missNs }) => missNs)),
      whole(middle(({ depositNs }) => depositNs)),
      `${short(worst.min)} … ${short(worst.max)}`,
      middle(({ bytesPerId }) => bytesPerId).toFixed(1),
    ];
  });
  return aligned([ID_HEADINGS, ...rows], 1);
}
