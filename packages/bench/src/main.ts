// The benchmarks' entry: `npm run bench -- [--quick] [--only NAME] [--json FILE]`.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { audit } from "./audit.ts";
import { type BranchMeasurement, LAYOUTS, measureLayout } from "./branches/branch-rows.ts";
import { type BranchResult, branchTable, idTable, type Result, resultRecord, table } from "./report.ts";
import { measureRequestIds, type RequestIdFigures } from "./request-ids.ts";
import { ROWS, type Scene } from "./rows.ts";
import { SharedBank } from "./shared-bank.ts";

/** Name of the benchmark that has a table of its own. */
const REQUEST_IDS = "request-ids";
/** Likewise: what branches cost, and how late they are. */
const BRANCHES = "branches";

const { values: options } = parseArgs({
  options: { quick: { type: "boolean" }, only: { type: "string" }, json: { type: "string" } },
});
const isChosen = (name: string) => options.only === undefined || name.includes(options.only);
const rows = ROWS.filter(({ name }) => isChosen(name));
if (rows.length === 0 && !isChosen(REQUEST_IDS) && !isChosen(BRANCHES)) {
  const names = [...new Set(ROWS.map(({ name }) => name)), REQUEST_IDS, BRANCHES];
  console.error(`No row is called ${options.only}. Rows: ${names.join("; ")}`);
  process.exit(2);
}
const rounds = options.quick ? 1 : 3;
const durationMs = options.quick ? 300 : 3_000;
// A quick look is at whether it works: at few branches, and at a tree.
const layouts = options.quick ? [{ branches: 0 }, { branches: 3, fanOut: 2 }] : LAYOUTS;
const idCounts = options.quick ? [100_000, 500_000] : [100_000, 1_000_000, 5_000_000, 10_000_000];

// Beside the bank's usual data, so that the disk is the one that counts.
await mkdir("data", { recursive: true });
const folder = await mkdtemp(resolve("data", "bench-"));
try {
  await bench();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  console.log(
    `node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ` +
      `load ${loadavg()[0]?.toFixed(2)} at the start; ${rounds} round(s) of ${durationMs} ms a row; ` +
      "the bank in a process of its own, the load on the same machine",
  );
  const results: Result[] = rows.map((row) => ({ row, rounds: [] }));
  if (rows.length > 0) await benchRows(results);
  const requestIds = isChosen(REQUEST_IDS) ? benchRequestIds() : [];
  const branches = isChosen(BRANCHES) ? await benchBranches() : [];
  if (options.json !== undefined)
    await writeFile(
      options.json,
      `${JSON.stringify({ results: results.map(resultRecord), requestIds, branches }, undefined, 2)}\n`,
    );
}

async function benchRows(results: Result[]): Promise<void> {
  const dataDir = join(folder, "bank");
  const bank = new SharedBank(dataDir);
  let acknowledged: number | undefined;
  try {
    for (let round = 0; round < rounds; round++) await runRound(results, { folder, bank, durationMs });
  } finally {
    acknowledged = await bank.stop();
  }
  console.log(`\n${table(results)}\n`);
  if (acknowledged === undefined) return;
  const { movements, position } = await audit(dataDir, acknowledged);
  console.log(
    `audit: ${movements} movements acknowledged and all in the journal, ${position} records replayed ` +
      "with chain and digest right, every currency sums to zero",
  );
}

/** All rows once: both sides of every comparison see the same weather. */
async function runRound(results: Result[], scene: Scene): Promise<void> {
  for (const [i, { row, rounds }] of results.entries()) {
    // What `raw` rows leave behind is not what the next ones measure.
    await mkdir(join(scene.folder, "raw"), { recursive: true });
    const measured = await row.run({ ...scene, folder: join(scene.folder, "raw") });
    await rm(join(scene.folder, "raw"), { recursive: true, force: true });
    results[i] = { row, rounds: [...rounds, measured] };
  }
}

/** Gives what each round gave. */
function benchRequestIds(): RequestIdFigures[][] {
  const figures = Array.from({ length: rounds }, () => [
    ...measureRequestIds("random", idCounts),
    ...measureRequestIds("time-ordered", idCounts),
  ]);
  console.log(`\n${idTable(figures)}\n`);
  return figures;
}

/** All layouts in each round, so that all see the same weather. */
async function benchBranches(): Promise<BranchResult[]> {
  const results = layouts.map((layout) => ({ layout, rounds: [] as (readonly BranchMeasurement[])[] }));
  for (let round = 0; round < rounds; round++)
    for (const { layout, rounds: measured } of results) measured.push(await measureLayout(folder, layout, durationMs));
  console.log(`\n${branchTable(results)}\n`);
  return results;
}
