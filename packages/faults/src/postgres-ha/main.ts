// `npm run rig:postgres-ha -- [--only PATTERN] [--rounds N] [--seed S] [--etcd-api 2|3] [--out FILE] [--log FILE] [--list]`: PostgreSQL under
// Patroni fails over, again and again, while customers write. Exits 1 on a violation, when something does not come back, and
// when writes do not go on within 5 s after the new primary accepts connections.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { renderReport, writeHistory } from "@bank/checker";
import { FAILURES } from "./failures.ts";
import { describeTimes, type FailoverRun, runFailovers } from "./run-failover.ts";

/** From the moment when the new primary accepts connections. */
const NEXT_WRITE_WITHIN_MS = 5_000;

// So that what is to be done at the end of this process is done.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "." },
    rounds: { type: "string", default: "1" },
    seed: { type: "string" },
    "etcd-api": { type: "string", default: "2" },
    out: { type: "string" },
    log: { type: "string" },
    list: { type: "boolean", default: false },
  },
});

const chosen = FAILURES.filter(({ name }) => new RegExp(values.only).test(name));
if (values.list || chosen.length === 0) {
  if (!values.list) process.exitCode = 1;
  for (const { name, about } of FAILURES) console.log(`${name.padEnd(15)}${about}`);
} else {
  const seed = values.seed === undefined ? 1 + Math.floor(Math.random() * 0x7fff_fffe) : whole("--seed", values.seed);
  console.log(`seed ${seed}, of what customers do`);
  const rounds = Array.from({ length: whole("--rounds", values.rounds) }, () => chosen).flat();
  const etcdApi = whole("--etcd-api", values["etcd-api"]);
  if (etcdApi !== 2 && etcdApi !== 3) throw new RangeError(`--etcd-api is 2 or 3, not ${etcdApi}`);
  try {
    const run = await runFailovers(rounds, { seed, etcdApi, tell: (line) => console.log(line) });
    if (values.out !== undefined) await write(run, values.out);
    if (values.log !== undefined) await writeFile(values.log, run.logs);
    tell(run);
  } catch (error) {
    console.log(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

/** A number that is none must not end in a run that breaks nothing. Throws: `RangeError`. */
function whole(flag: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new RangeError(`${flag} is a whole number from 1 on, not "${text}"`);
  return number;
}

function tell({ report, troubles, times, verified }: FailoverRun): void {
  for (const line of renderReport(report)) console.log(line);
  console.log(verified.trim());
  const late = times.filter(({ nextWriteMs }) => nextWriteMs > NEXT_WRITE_WITHIN_MS);
  const problems = [...troubles, ...late.map((each) => `too late: ${describeTimes(each)}`)];
  for (const problem of problems) console.log(`TROUBLE: ${problem}`);
  if (report.verdict !== "ok" || problems.length > 0) process.exitCode = 1;
}

async function write({ history }: FailoverRun, file: string): Promise<void> {
  const lines: string[] = [];
  writeHistory(history, (line) => lines.push(line));
  await writeFile(file, `${lines.join("\n")}\n`);
}
