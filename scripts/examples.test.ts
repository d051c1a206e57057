// The programs of examples/programs, each run as its README says, print what stands beside them.
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { toolEnvironment } from "./tools.ts";

const root = dirname(import.meta.dirname);
const folder = join(root, "examples", "programs");
const NAMES = globSync("*.output.txt", { cwd: folder })
  .map((file) => basename(file, ".output.txt"))
  .sort();
/** Starting a bank and branches on a machine that runs other tests too. */
const RUN_TIMEOUT_MS = 120_000;

describe("the example", () => {
  // `sh` is not everywhere on Windows.
  const runnable = NAMES.filter((name) => process.platform !== "win32" || name !== "one-balance");

  it.each(runnable)(
    "%s prints its output",
    (name) => {
      const { status, stdout, stderr } = run(name);
      expect({ status, stdout, stderr }).toEqual({
        status: 0,
        stdout: readFileSync(join(folder, `${name}.output.txt`), "utf8"),
        stderr: "",
      });
    },
    RUN_TIMEOUT_MS,
  );

  it("that is asked for wrongly is not taken for another", () => {
    // A part of an example, and a path that leads to one.
    for (const name of ["at-branch", "../programs/account-service", "account-service.ts"]) {
      const { status, stdout, stderr } = run(name);
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
      expect(stderr).toContain(`There is no example ${name}.`);
    }
  });
});

describe("the README of the examples", () => {
  const readme = readFileSync(join(root, "examples", "README.md"), "utf8");

  it("has the command of each program, and of no other", () => {
    const commands = [...readme.matchAll(/`npm run example ([a-z-]+)`/g)].map(([, name]) => name);
    expect(commands.sort()).toEqual(NAMES);
  });

  it("links the programs and their outputs", () => {
    const links = [...readme.matchAll(/\]\((programs\/[^)]+)\)/g)].map(([, path]) => path as string);
    const expected = NAMES.flatMap((name) => globSync(`programs/${name}.*`, { cwd: join(root, "examples") }));
    expect(links.sort()).toEqual(expected.sort());
  });
});

function run(name: string) {
  const shell = process.platform === "win32";
  const args = ["run", "--silent", "example", name];
  return spawnSync("npm", args, { cwd: root, env: toolEnvironment(), encoding: "utf8", shell });
}
