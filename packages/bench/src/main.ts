// The benchmarks' entry: `npm run bench -- [--quick] [--rounds N] [--only NAME[,NAME]] [--json FILE] [--list]`.
import { writeFile } from "node:fs/promises";
import { cpus, loadavg, totalmem } from "node:os";
import { Bench, type Suite } from "./bench.ts";
import { parseBenchArgs } from "./harness/options.ts";
import { SuiteReport } from "./report/result.ts";
import { describeSuite, suiteRecord, targetLines } from "./report/table.ts";
import { SUITES } from "./suites/index.ts";

const parsed = parseBenchArgs(process.argv.slice(2), SUITES);
if ("problem" in parsed) {
  console.error(parsed.problem);
  process.exit(2);
}
if (parsed.list) {
  for (const { name, title } of SUITES) console.log(`${name.padEnd(10)}  ${title}`);
  process.exit(0);
}

const bench = await Bench.open(parsed);
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    console.error(`${signal}: stopping what was started`);
    void bench.close().finally(() => process.exit(130));
  });
const reports: SuiteReport[] = [];
try {
  console.log(machine());
  for (const suite of parsed.suites) reports.push(await runSuite(suite));
} finally {
  await bench.close();
}
const targets = targetLines(reports, { withReasons: true });
if (parsed.quick) console.log("\nA quick look: everything was run, and the figures say nothing.");
else if (targets.length > 0) console.log(`\n== Must show\n${targets.join("\n")}`);
const missing = reports.flatMap(({ missing: texts }) => texts);
if (missing.length > 0) console.log(`\n${missing.length} thing(s) MISSING on this machine:\n${missing.join("\n")}`);
if (parsed.json !== undefined) {
  const record = { machine: machine(), quick: parsed.quick, suites: reports.map(suiteRecord) };
  await writeFile(parsed.json, `${JSON.stringify(record, undefined, 2)}\n`);
}
const failures = reports.flatMap(({ name, failures: texts }) => texts.map((text) => `${name}: ${text}`));
if (failures.length > 0) {
  console.error(`\nThe benchmark FAILED:\n${failures.join("\n")}`);
  process.exitCode = 1;
}

/** Whatever goes wrong in one suite, the others are measured. */
async function runSuite(suite: Suite): Promise<SuiteReport> {
  const report = new SuiteReport(suite.name, suite.title);
  const startedMs = performance.now();
  try {
    await suite.run(bench, report);
  } catch (error) {
    report.failures.push(error instanceof Error ? error.message : String(error));
  }
  await bench.processes.killAll();
  console.log(`\n${describeSuite(report, { withTargets: !bench.quick })}`);
  console.log(`(${suite.name} took ${((performance.now() - startedMs) / 1_000).toFixed(0)} s)`);
  return report;
}

function machine(): string {
  return (
    `node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ` +
    `${Math.round(totalmem() / 2 ** 30)} GB, load ${loadavg()[0]?.toFixed(2)} at the start\n` +
    `${bench.rounds} round(s) of ${bench.durationMs} ms a row, medians with (min … max); servers and loads in processes of their own`
  );
}
