import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The root of the repository. */
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const APPS = ["bank-server", "branch-replica"] as const;

let warming: Promise<void> | undefined;

/**
 * Servers are started again and again, and most of that is compiling: those that this process starts behind this share
 * what one has compiled. Only a process that ends by itself writes it down, so that two do that first.
 */
export function shareCompiledCode(): Promise<void> {
  warming ??= warmUp();
  return warming;
}

async function warmUp(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bank-compiled-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  process.env["NODE_COMPILE_CACHE"] = folder;
  const run = promisify(execFile);
  const options = { "bank-server": [], "branch-replica": ["--id", "1"] };
  await Promise.all(
    APPS.map((app) =>
      run(process.execPath, [
        "--conditions=bank-src",
        `${ROOT}apps/${app}/src/main.ts`,
        "--print-config",
        ...options[app],
      ]),
    ),
  );
}
