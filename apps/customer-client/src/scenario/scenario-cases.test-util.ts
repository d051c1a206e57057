import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

/** The repository's own scenario files. */
export const EXAMPLES = join(ROOT, "examples");

/** Other people's scenario files, which stand beside the repository on some machines. */
export const SHARED = join(ROOT, "..", "shared", "scenarios");

/** One input file in a folder of scenarios. */
export interface ScenarioCase {
  /** `per-customer/pay-day` */
  readonly name: string;
  /** `per-customer` */
  readonly folder: string;
  readonly inputPath: string;
  /** The parsed output that stands beside it, if any. */
  readonly expected: unknown;
}

const INPUT = ".input.json";

/** All input files below a folder of folders, in alphabetical order; none when the folder is not there. */
export function scenarioCases(root: string): ScenarioCase[] {
  if (!existsSync(root)) return [];
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders
    .flatMap((folder) => readdirSync(join(root, folder.name)).map((file) => ({ folder: folder.name, file })))
    .filter(({ file }) => file.endsWith(INPUT))
    .map(({ folder, file }) => {
      const stem = file.slice(0, -INPUT.length);
      const outputPath = join(root, folder, `${stem}.output.json`);
      const expected: unknown = existsSync(outputPath) ? JSON.parse(readFileSync(outputPath, "utf8")) : undefined;
      return { name: `${folder}/${stem}`, folder, inputPath: join(root, folder, file), expected };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The right output: what stands beside the input, or what was worked out by hand. */
export function expectedOf({ name, expected }: ScenarioCase): unknown {
  return expected ?? WORKED_OUT.get(name);
}

/** Worked out by hand for the inputs that no output stands beside. */
const WORKED_OUT: ReadonlyMap<string, unknown> = new Map([
  [
    "per-customer/three-branches",
    [
      { id: 1, recv: [{ interface: "query", balance: 400 }] },
      {
        id: 2,
        recv: [
          { interface: "deposit", result: "success" },
          { interface: "query", balance: 570 },
        ],
      },
      {
        id: 3,
        recv: [
          { interface: "withdraw", result: "success" },
          { interface: "query", balance: 500 },
        ],
      },
    ],
  ],
  [
    "per-event/two-branches",
    [
      { id: 1, recv: [{ interface: "deposit", branch: 1, result: "success" }] },
      { id: 1, recv: [{ interface: "query", branch: 1, balance: 400 }] },
      { id: 1, recv: [{ interface: "query", branch: 2, balance: 400 }] },
    ],
  ],
]);
