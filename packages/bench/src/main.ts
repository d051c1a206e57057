// The benchmarks' entry: `npm run bench -- [--quick] [--only NAME] [--json FILE]`.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { startBankProcess } from "@bank/testkit";
import { audit } from "./audit.ts";
import { BankLoad } from "./bank-load.ts";
import { type Result, resultRecord, table } from "./report.ts";
import { ROWS, type Scene } from "./rows.ts";

const { values: options } = parseArgs({
  options: { quick: { type: "boolean" }, only: { type: "string" }, json: { type: "string" } },
});
const rows = ROWS.filter(({ name }) => options.only === undefined || name.includes(options.only));
if (rows.length === 0) {
  console.error(`No row is called ${options.only}. Rows: ${[...new Set(ROWS.map(({ name }) => name))].join("; ")}`);
  process.exit(2);
}
const rounds = options.quick ? 1 : 3;
const durationMs = options.quick ? 300 : 3_000;

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
    `node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim()}; ` +
      `${rounds} round(s) of ${durationMs} ms a row; the bank in a process of its own, the load on the same machine`,
  );
  const dataDir = join(folder, "bank");
  const bank = await startBankProcess({ dataDir });
  const load = new BankLoad(bank.url);
  const results: Result[] = [];
  try {
    await load.setUp();
    for (const row of rows) results.push({ row, rounds: [] });
    for (let round = 0; round < rounds; round++) await runRound(results, { folder, load, durationMs });
  } finally {
    load.close();
    await bank.stop();
  }
  console.log(`\n${table(results)}\n`);
  const { movements, position } = await audit(dataDir, load.acknowledged);
  console.log(
    `audit: ${movements} movements acknowledged and all in the journal, ${position} records replayed ` +
      "with chain and digest right, every currency sums to zero",
  );
  if (options.json !== undefined)
    await writeFile(options.json, `${JSON.stringify({ results: results.map(resultRecord) }, undefined, 2)}\n`);
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
