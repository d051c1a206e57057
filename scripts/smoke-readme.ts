// Runs the tour of the README against a bank started as the README says, and compares what is printed.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { difference, readTour } from "./readme-tour.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const COMMAND_TIMEOUT_MS = 60_000;

const steps = readTour(readFileSync(join(ROOT, "README.md"), "utf8"));
if (steps.length === 0) throw new Error("README.md has no tour: no ```console block with a command");
const data = mkdtempSync(join(tmpdir(), "bank-tour-"));
const bank = spawn(process.execPath, ["scripts/start.ts", "--data", data], {
  cwd: ROOT,
  stdio: ["ignore", "pipe", "inherit"],
});
const exited = once(bank, "exit");
try {
  await opened();
  for (const step of steps) {
    const { stdout, stderr } = spawnSync("sh", ["-c", step.command], {
      cwd: ROOT,
      encoding: "utf8",
      timeout: COMMAND_TIMEOUT_MS,
      // What npm thinks of the machine's settings is not the bank's output.
      env: { ...process.env, npm_config_loglevel: "error" },
    });
    const found = difference(step, stdout + stderr);
    if (found !== undefined) throw new Error(`README.md:${step.line}: ${step.command}\n  ${found}\n${stdout}${stderr}`);
    console.log(`ok  ${step.command}`);
  }
} finally {
  bank.kill("SIGTERM");
  await exited;
  rmSync(data, { recursive: true, force: true });
}

/** Resolves once the bank says that it is open. Rejects when it ends before that. */
async function opened(): Promise<void> {
  const open = new Promise<void>((resolve) => {
    createInterface({ input: bank.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      if (line === "The bank is open.") resolve();
    });
  });
  const ended = exited.then(([code]) => {
    throw new Error(`npm start ended with exit code ${code} before the bank was open`);
  });
  await Promise.race([open, ended]);
  ended.catch(() => {
    // From now on its end is what the `finally` waits for.
  });
}
