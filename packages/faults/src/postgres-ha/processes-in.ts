import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const GONE_WITHIN_MS = 10_000;

/**
 * The processes that were started in a folder, or in one below it, and have not ended: programs of a database start others, which give
 * themselves other names and other parents, but stay where they are.
 */
export function processesIn(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => isIn(folder, workingFolder(pid)))
    .map(Number);
}

/** Lets all of them stand still, those too that they start meanwhile. */
export function holdAll(folder: string): void {
  for (let held = 0, last = -1; held !== last; ) {
    last = held;
    const pids = processesIn(folder);
    for (const pid of pids) signal(pid, "SIGSTOP");
    held = pids.length;
  }
}

export function wakeAll(folder: string): void {
  for (const pid of processesIn(folder)) signal(pid, "SIGCONT");
}

/** Ends all of them at once, none of them noticing the end of another. Rejects where one of them does not end. */
export async function killAll(folder: string): Promise<void> {
  holdAll(folder);
  const killed = new Set(processesIn(folder));
  for (const pid of killed) signal(pid, "SIGKILL");
  const deadlineMs = performance.now() + GONE_WITHIN_MS;
  // Others may be started there meanwhile.
  while (processesIn(folder).some((pid) => killed.has(pid))) {
    if (performance.now() > deadlineMs) throw new Error(`processes that were killed do not end, in ${folder}`);
    await delay(10);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function isIn(folder: string, path: string | undefined): boolean {
  return path === folder || path?.startsWith(`${folder}/`) === true;
}

/** Undefined for a process that has ended, or is another user's. */
function workingFolder(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    // It ended meanwhile, or may not be looked at: then it is none of ours.
    return undefined;
  }
}
