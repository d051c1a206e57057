// Starts `turbo run dev`, waits until bank and branches serve, and stops it: the development command of the README.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const TIMEOUT_MS = 120_000;
const WANTED: readonly RegExp[] = [/bank-server listening on/, /branch 1, 2, 3 follows/, /protos: generated/];

const dev = spawn("npx", ["turbo", "run", "dev", "--ui=stream"], {
  cwd: fileURLToPath(new URL("..", import.meta.url)),
  stdio: ["ignore", "pipe", "pipe"],
  // A process group of its own, so that all of it can be stopped as Ctrl-C in a terminal would.
  detached: true,
});
const exited = once(dev, "exit");
const seen: string[] = [];
const missing = new Set(WANTED);
const complete = new Promise<void>((resolve) => {
  for (const stream of [dev.stdout, dev.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      seen.push(line);
      for (const wanted of missing) if (wanted.test(line)) missing.delete(wanted);
      if (missing.size === 0) resolve();
    });
});
const timeout = AbortSignal.timeout(TIMEOUT_MS);
await Promise.race([complete, exited, once(timeout, "abort")]);
if (dev.pid !== undefined && dev.exitCode === null) process.kill(-dev.pid, "SIGINT");
await exited;
if (missing.size > 0) {
  console.error(seen.join("\n"));
  console.error(`turbo run dev did not show: ${[...missing].join(", ")}`);
  process.exit(1);
}
console.log("turbo run dev: bank, branches and the watch on the protos are up");
process.exit(0);
