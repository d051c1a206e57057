// `npm run faults -- [--seconds N] [--runs N] [--seed S] [--branches N] [--only PATTERN] [--out FILE]`: customers at a bank
// and its branches while those are killed, paused and cut off; what they saw is checked. Exits 1 on a violation.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { renderReport, writeHistory } from "@bank/checker";
import { runFaults } from "./run-faults.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    runs: { type: "string", default: "1" },
    seed: { type: "string" },
    branches: { type: "string", default: "3" },
    direct: { type: "boolean", default: false },
    only: { type: "string", default: "." },
    out: { type: "string" },
  },
});

const firstSeed = values.seed === undefined ? 1 + Math.floor(Math.random() * 0x7fff_fffe) : Number(values.seed);
for (let run = 0; run < Number(values.runs); run++) {
  const seed = firstSeed + run;
  console.log(`run ${run + 1} of ${values.runs}: ${values.seconds} s, --seed ${seed}`);
  const { history, report, faults, differing } = await runFaults({
    seed,
    forMs: Number(values.seconds) * 1_000,
    branches: Number(values.branches),
    isTree: !values.direct,
    only: new RegExp(values.only),
    print: (line) => console.log(line),
  });
  if (values.out !== undefined) {
    const lines: string[] = [];
    writeHistory(history, (line) => lines.push(line));
    await writeFile(values.out, `${lines.join("\n")}\n`);
  }
  for (const line of renderReport(report)) console.log(line);
  const begun = faults.filter(({ what }) => what === "begin").length;
  console.log(
    `operations: ${report.operations}, faults: ${begun}, unknown: ${report.unknown}, ` +
      `violations: ${report.violations.length}, undecided: ${report.undecided.length}, differing: ${differing.length}`,
  );
  if (report.verdict !== "ok" || differing.length > 0) {
    if (differing.length > 0) console.log(`another state than the bank's: ${differing.join(", ")}`);
    console.log(`repeat with: npm run faults -- --seconds ${values.seconds} --seed ${seed}`);
    process.exitCode = 1;
  }
}
