import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Guarantee } from "@bank/checker";
import { describe, expect, it } from "vitest";
import { SCENARIOS } from "../scenarios.ts";
import { FENCING_MUTATIONS } from "./fencing-mutations.ts";
import { MUTATIONS } from "./mutations.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

/** What branches, and the bank behind them, keep towards customers. */
const BRANCH_GUARANTEES: readonly Guarantee[] = [
  "acknowledged-kept",
  "as-of",
  "bounded-staleness",
  "exactly-once",
  "linearizable-read",
  "monotonic-reads",
  "monotonic-writes",
  "not-applied",
  "propagation",
  "read-as-of-position",
  "read-your-writes",
  "session-token",
  "staleness",
  "writes-follow-reads",
];

describe("mutations", () => {
  it("break every guarantee that branches keep", () => {
    const broken = new Set(MUTATIONS.flatMap(({ guarantees }) => guarantees));
    expect(BRANCH_GUARANTEES.filter((guarantee) => !broken.has(guarantee))).toEqual([]);
  });

  it.each([...MUTATIONS, ...FENCING_MUTATIONS])(
    "$name: it is still there, once, where it is broken",
    async ({ patches, scenario }) => {
      expect(SCENARIOS.map(({ name }) => name)).toContain(scenario);
      for (const { file, find } of patches) {
        const text = await readFile(`${ROOT}${file}`, "utf8");
        expect(text.split(find).length - 1, `${file} has it once: ${find}`).toBe(1);
      }
    },
  );
});
