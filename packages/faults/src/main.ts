// `npm run faults -- [--seconds N] [--runs N] [--seed S] [--only PATTERN] [--faults PATTERN] [--out FILE] [--gaps FILE] [--gap-max MS] [--list]`:
// customers at a bank and its branches while those are killed, paused and cut off; what they saw is checked. Each run is
// the next scenario of those whose names match `--only`. Exits 1 on a violation, and when something does not come back.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { renderReport, writeHistory } from "@bank/checker";
import { type FaultRun, runFaults } from "./run-faults.ts";
import { SCENARIOS } from "./scenarios.ts";
import { LocalDatabase, NoPostgresError } from "./shared/database.ts";
import { distributionsOf, renderDistributions, type WriteGap } from "./shared/fault-timeline.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    runs: { type: "string", default: "1" },
    seed: { type: "string" },
    only: { type: "string", default: "." },
    faults: { type: "string" },
    customers: { type: "string" },
    recovery: { type: "string", default: "30" },
    out: { type: "string" },
    gaps: { type: "string" },
    "gap-max": { type: "string", default: "5000" },
    quiet: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

const matching = SCENARIOS.filter(({ name }) => new RegExp(values.only).test(name));
// Where there is no PostgreSQL, what needs one is left out, and said to be; asked for by name it fails.
const here = LocalDatabase.isHere ? matching : matching.filter(({ servers }) => servers === undefined);
const scenarios = here.length === 0 ? matching : here;
for (const { name } of matching)
  if (!scenarios.some((each) => each.name === name)) console.log(`${name} SKIPPED: ${new NoPostgresError().message}`);
if (values.list || scenarios.length === 0) {
  if (!values.list) process.exitCode = 1;
  for (const { name, about } of values.list ? scenarios : SCENARIOS) console.log(`${name.padEnd(16)}${about}`);
} else {
  await runAll().catch((error: unknown) => {
    if (!(error instanceof NoPostgresError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  });
}

async function runAll(): Promise<void> {
  const firstSeed = values.seed === undefined ? 1 + Math.floor(Math.random() * 0x7fff_fffe) : Number(values.seed);
  const sum = { operations: 0, unknown: 0, faults: 0, violations: 0, undecided: 0, troubles: 0 };
  const gaps: WriteGap[] = [];
  for (let run = 0; run < Number(values.runs); run++) {
    const named = scenarios[run % scenarios.length];
    if (named === undefined) break;
    const scenario = values.faults === undefined ? named : { ...named, faults: new RegExp(values.faults) };
    const seed = firstSeed + run;
    const chosen = values.faults === undefined ? "" : ` --faults '${values.faults}'`;
    const repeat = `--seconds ${values.seconds} --only '^${scenario.name}$'${chosen} --seed ${seed}`;
    console.log(`run ${run + 1} of ${values.runs}: ${repeat}`);
    const ran = await runFaults({
      scenario,
      seed,
      forMs: Number(values.seconds) * 1_000,
      ...(values.customers === undefined ? {} : { customers: Number(values.customers) }),
      recoveryMs: Number(values.recovery) * 1_000,
      gapMaxMs: Number(values["gap-max"]),
    });
    if (values.out !== undefined) await write(ran, values.out);
    const { report, faults, troubles } = ran;
    sum.operations += report.operations;
    sum.unknown += report.unknown;
    gaps.push(...(ran.gaps ?? []));
    sum.faults += ran.gaps?.length ?? faults.filter(({ what }) => what === "begin").length;
    sum.violations += Object.values(report.statistics.violationsOf).reduce((all, count) => all + count, 0);
    sum.undecided += report.undecided.length;
    sum.troubles += troubles.length;
    if (report.verdict === "ok" && troubles.length === 0) {
      if (!values.quiet) console.log(renderReport(report)[0]);
      continue;
    }
    tell(ran);
    console.log(`repeat with: npm run faults -- ${repeat}`);
    process.exitCode = 1;
  }
  if (gaps.length > 0) for (const line of renderDistributions(distributionsOf(gaps))) console.log(line);
  if (values.gaps !== undefined) {
    const told = { ...sum, firstSeed, distributions: distributionsOf(gaps), gaps };
    await writeFile(values.gaps, `${JSON.stringify(told, null, 1)}\n`);
  }
  console.log(
    Object.entries(sum)
      .map(([name, count]) => `${name}: ${count}`)
      .join(", "),
  );
}

function tell({ report, story, troubles }: FaultRun): void {
  console.log(story);
  for (const line of renderReport(report)) console.log(line);
  for (const trouble of troubles) console.log(`TROUBLE: ${trouble}`);
}

/** Of several runs it holds the last. */
async function write({ history }: FaultRun, file: string): Promise<void> {
  const lines: string[] = [];
  writeHistory(history, (line) => lines.push(line));
  await writeFile(file, `${lines.join("\n")}\n`);
}
