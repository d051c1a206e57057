// Generates the TypeScript of all .proto files into a folder of the caller's choice, and compares.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { toolEnvironment } from "./tools.ts";

export const GENERATED_FOLDER = "packages/proto/src/gen";
const INDEX = "packages/proto/src/index.ts";

/**
 * Runs `buf generate` in a folder that holds buf.yaml, buf.gen.yaml and the modules they name.
 *
 * Throws: if buf refuses; its own message is in the error's.
 *
 * @param output the folder below which buf.gen.yaml's `out` is taken; default: the folder itself
 */
export function generateCode(folder: string, output: string = folder): void {
  runBuf(["generate", "--output", output], folder);
}

/**
 * Runs buf with this repository's tools on the PATH.
 *
 * Throws: if it ends with another code than 0.
 */
export function runBuf(args: readonly string[], cwd: string): void {
  const result = spawnSync("buf", args, {
    cwd,
    env: toolEnvironment(),
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`buf ${args.join(" ")}: ${result.stdout}${result.stderr}`);
}

/**
 * One line for each generated file that `npm run generate` would change, add or remove, and for each that the package's
 * index does not export.
 */
export function staleGeneratedFiles(root: string): string[] {
  const temporary = mkdtempSync(join(tmpdir(), "bank-generate-"));
  try {
    generateCode(root, temporary);
    const fresh = readTree(join(temporary, GENERATED_FOLDER));
    const committed = readTree(join(root, GENERATED_FOLDER));
    const index = readFileSync(join(root, INDEX), "utf8");
    return [
      ...[...fresh].filter(([file, text]) => committed.get(file) !== text).map(([file]) => `${file} is not current`),
      ...[...committed.keys()].filter((file) => !fresh.has(file)).map((file) => `${file} has no .proto any more`),
      ...[...fresh.keys()]
        .filter((file) => !index.includes(`"./gen/${file}"`))
        .map((file) => `${INDEX} does not export ${file}`),
    ];
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/** File contents by path with forward slashes; empty if there is no such folder. */
export function readTree(folder: string): Map<string, string> {
  if (!existsSync(folder)) return new Map();
  const files = globSync("**/*.ts", { cwd: folder }).sort();
  return new Map(files.map((file) => [file.replaceAll(sep, "/"), readFileSync(join(folder, file), "utf8")]));
}
