// `npm run example NAME`: runs a program of examples/programs from the sources. Without a name it lists them.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";

/** How a program is run, by the end of its name. */
const RUNNERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  ".sh": ["sh"],
  ".ts": [process.execPath, "--conditions=bank-src"],
};

const folder = join(dirname(import.meta.dirname), "examples", "programs");
// Each program has its output beside it; what has none is a part of another.
const names = globSync("*.output.txt", { cwd: folder }).map((file) => basename(file, ".output.txt"));
const list = ["Try one of:", ...names.sort().map((name) => `  npm run example ${name}`)].join("\n");
const asked = process.argv[2];
if (asked === undefined) {
  console.log(list);
} else if (!names.includes(asked)) {
  console.error(`There is no example ${asked}. ${list}`);
  process.exitCode = 2;
} else {
  const [program] = globSync(`${asked}.{sh,ts}`, { cwd: folder }) as [string];
  const [command, ...args] = RUNNERS[extname(program)] as [string, ...string[]];
  const { error, status } = spawnSync(command, [...args, join(folder, program)], { stdio: "inherit" });
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
}
