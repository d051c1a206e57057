import { readlinkSync } from "node:fs";
import { setPriority } from "node:os";

/**
 * Lets whoever else wants the processor go first: called by the history's thread, of which nobody waits for the journal.
 *
 * On Linux a priority belongs to a thread, and `setPriority` takes the number of one, which `/proc/thread-self` names.
 * Elsewhere it belongs to the whole process, and nothing is done: the bank itself would be slowed.
 *
 * @param niceness 1 to 19; the greater, the further behind.
 */
export function giveWay(niceness: number): void {
  if (process.platform !== "linux") return;
  try {
    // "PID/task/TID"
    const thread = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
    if (Number.isSafeInteger(thread) && thread > 0) setPriority(thread, niceness);
  } catch {
    // Not every container shows or allows this. The history is as right without, and only takes more from the others.
  }
}
