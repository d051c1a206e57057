// `npm run teeth -- [--only PATTERN] [--seeds N] [--seed S] [--verbose] [--list]`: breaks one guarantee after the other in
// a copy of the sources, and sees to it that runs with faults find each. Exits 1 when one is not found.
import { parseArgs } from "node:util";
import { FENCING_MUTATIONS } from "./fencing-mutations.ts";
import { MUTATIONS } from "./mutations.ts";
import { ScratchCopy } from "./scratch-copy.ts";
import { bite } from "./teeth.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "." },
    seeds: { type: "string", default: "6" },
    seed: { type: "string", default: "1" },
    verbose: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

const pattern = new RegExp(values.only);
const mutations = [...MUTATIONS, ...FENCING_MUTATIONS].filter(
  ({ name, guarantees }) => pattern.test(name) || guarantees.some((each) => pattern.test(each)),
);
if (values.list) for (const { name, guarantees } of mutations) console.log(`${name}: ${guarantees.join(", ")}`);
else await biteAll();

async function biteAll(): Promise<void> {
  const copy = await ScratchCopy.make();
  process.once("SIGINT", () => process.exit(1));
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => Number(values.seed) + i);
  let caught = 0;
  try {
    for (const mutation of mutations) {
      const beganMs = performance.now();
      const { isCaught, found, output, runs, seed } = await bite(copy, mutation, seeds);
      const seconds = ((performance.now() - beganMs) / 1_000).toFixed(1);
      if (isCaught) caught++;
      console.log(
        `${isCaught ? "caught  " : "SURVIVED"} ${mutation.name}: ${mutation.guarantees.join(", ")} ` +
          `(${seconds} s, runs: ${runs}, seed: ${seed}; found: ${found.join(", ") || "nothing"})`,
      );
      if (!isCaught || values.verbose) console.log(output);
    }
  } finally {
    await copy.remove();
  }
  console.log(`mutations: ${mutations.length}, caught: ${caught}`);
  if (caught < mutations.length || mutations.length === 0) process.exitCode = 1;
}
