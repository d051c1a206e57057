import { spawn } from "node:child_process";
import type { Mutation } from "./mutations.ts";
import type { ScratchCopy } from "./scratch-copy.ts";

/** What became of one mutation. */
export interface Bite {
  readonly isCaught: boolean;
  /** Guarantees that were found violated, in any of the runs. */
  readonly found: readonly string[];
  /** Of the last run. */
  readonly seed: number;
  readonly runs: number;
  /** All that the last run printed. */
  readonly output: string;
}

const SECONDS = 4;
/** What is broken need not come back. */
const RECOVERY_SECONDS = 3;
/** For what is broken so that not even the run ends. */
const RUN_TIMEOUT_MS = 60_000;

/** Runs faults with a mutation, with one seed after the other, until what it breaks is found, or seeds are used up. */
export async function bite(copy: ScratchCopy, mutation: Mutation, seeds: readonly number[]): Promise<Bite> {
  const found = new Set<string>();
  const { guarantees, trouble } = mutation;
  let isTrouble = trouble === undefined;
  const isCaught = () => isTrouble && guarantees.every((guarantee) => found.has(guarantee));
  let last = { seed: 0, runs: 0, output: "" };
  await copy.patched(mutation.patches, async () => {
    for (const seed of seeds) {
      const output = await runFaults(copy, mutation, seed);
      last = { seed, runs: last.runs + 1, output };
      for (const [, guarantee = ""] of output.matchAll(/^VIOLATED (\S+) \(/gm)) found.add(guarantee);
      isTrouble ||= trouble?.test(output) === true;
      if (isCaught()) return;
    }
  });
  return { ...last, isCaught: isCaught(), found: [...found] };
}

function runFaults(
  copy: ScratchCopy,
  { scenario, faults, seconds = SECONDS }: Mutation,
  seed: number,
): Promise<string> {
  const child = spawn(
    process.execPath,
    [
      ...["--conditions=bank-src", "packages/faults/src/main.ts"],
      ...["--seconds", String(seconds), "--recovery", String(RECOVERY_SECONDS)],
      ...["--only", `^${scenario}$`, "--seed", String(seed)],
      ...(faults === undefined ? [] : ["--faults", faults]),
    ],
    // A group of its own, so that its servers end with it.
    { cwd: copy.root, stdio: ["ignore", "pipe", "pipe"], detached: true },
  );
  return new Promise((resolve, reject) => {
    let output = "";
    const take = (text: string) => {
      output += text;
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);
    const endGroup = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended by itself, and so have its servers.
      }
    };
    const timer = setTimeout(endGroup, RUN_TIMEOUT_MS);
    process.once("exit", endGroup);
    child.once("error", reject);
    child.once("close", () => {
      clearTimeout(timer);
      process.off("exit", endGroup);
      endGroup();
      resolve(output);
    });
  });
}
