import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Random, seeds, withSeed } from "@bank/testkit";
import { expect, it } from "vitest";
import { expectSameAsNaive, startHistory, temporaryFile } from "./history.test-util.ts";
import { RandomJournal } from "./random-journal.test-util.ts";
import { TestJournal } from "./test-journal.test-util.ts";

const FILE = "packages/history/src/killed-history.test.ts";
const PROGRAM = fileURLToPath(new URL("./history-process.test-util.ts", import.meta.url));
const ROUNDS = 2;

/** Runs the process until it has projected so many batches, kills it, and gives how many it had when it last said so. */
async function runUntilKilled(file: string, seed: number, from: number, lines: number): Promise<number> {
  const args = ["--conditions=bank-src", PROGRAM, file, String(seed), String(from)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const seen: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    seen.push(line);
    if (seen.length === lines) child.kill("SIGKILL");
  }
  await exited;
  expect(seen.filter((line) => line.startsWith("error"))).toEqual([]);
  return Number(seen.at(-1)!.split(" ")[0]);
}

it.each(seeds(1))(
  "loses no half of anything when it is killed in the middle, time and again, with seed %i",
  (seed) =>
    withSeed(seed, FILE, async (random) => {
      const file = temporaryFile();
      let batches = 0;
      for (let round = 0; round < ROUNDS; round++)
        batches = await runUntilKilled(file, seed, batches, 3 + random.below(20));
      const twin = new RandomJournal(new Random(seed));
      const journal = new TestJournal(Array.from({ length: batches + 5 }, () => twin.grow()));
      const history = startHistory(journal, { file });
      await expectSameAsNaive(history, journal.batches, journal.position);
      // What was projected before the kill is still there.
      expect(journal.read).toBeLessThan(journal.batches.length / 2);
      expect(history.log.lines).toEqual([]);
    }),
  120_000,
);
