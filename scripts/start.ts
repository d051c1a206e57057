// `npm start [-- --data DIR]`: a local bank: the bank server and branches 1, 2 and 3, each a process of its own, until
// Ctrl-C.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

interface Part {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  /** Printed by the process once it serves. */
  readonly ready: RegExp;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const { data } = parseArgs({ options: { data: { type: "string", default: "data" } } }).values;
const BRANCHES = [1, 2, 3];
const PARTS: readonly Part[] = [
  {
    name: "bank",
    script: "apps/bank-server/dist/main.js",
    args: ["--listen", "127.0.0.1:50051", "--data", join(data, "bank")],
    ready: /^bank-server listening on (\S+)/,
  },
  ...BRANCHES.map((number) => ({
    name: `branch ${number}`,
    script: "apps/branch-replica/dist/main.js",
    args: [
      "--id",
      String(number),
      "--listen",
      `127.0.0.1:${50_060 + number}`,
      "--data",
      join(data, `branch-${number}`),
    ],
    ready: /^branch \S+ follows (\S+)/,
  })),
];

const stopping = new AbortController();
process.once("SIGINT", () => stopping.abort());
process.once("SIGTERM", () => stopping.abort());

const children: ChildProcess[] = [];
let failed = false;
let announced = false;
try {
  // All at once: after a crash the bank asks the branches how far they are before it serves.
  await Promise.race([Promise.all(PARTS.map(start)), once(stopping.signal, "abort")]);
  if (!stopping.signal.aborted) {
    announce();
    await once(stopping.signal, "abort");
  }
} catch (error) {
  failed = true;
  console.error(error instanceof Error ? error.message : error);
}
await stopAll();
process.exitCode = failed ? 1 : 0;

/** Starts a part, and resolves once it serves. Rejects when it ends before that; ends everything if it does later. */
async function start(part: Part): Promise<void> {
  const child = spawn(process.execPath, [part.script, ...part.args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  children.push(child);
  const ended = once(child, "exit").then(([code]) => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    failed = true;
    throw new Error(`${part.name} ended (exit code ${code}); everything is stopped.`);
  });
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      if (part.ready.test(line)) resolve();
    });
  });
  ended.catch((error: unknown) => {
    failed = true;
    // Before the part is ready the rejection below says it; later nobody else does.
    if (announced) console.error(error instanceof Error ? error.message : error);
  });
  await Promise.race([ready, ended]);
}

function announce(): void {
  announced = true;
  const lines = PARTS.map(({ name, args }) => `  ${name.padEnd(10)}${args[args.indexOf("--listen") + 1]}`);
  console.log(`
The bank is open.

${lines.join("\n")}

Data is in ${data}. Try next, in a second terminal:

  npx bank account open --owner alice
  npx bank deposit 1 100.00 --branch 2
  npx bank balance 1 --branch 3

Ctrl-C stops everything.
`);
}

/** Branches first, so that they see their bank to the end; SIGINT from a terminal has reached all of them already. */
async function stopAll(): Promise<void> {
  stopping.abort();
  for (const child of children.toReversed()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    // A process that is stopping already because of the terminal's SIGINT must not be told twice.
    if (child.connected) child.disconnect();
    await exited;
  }
}
