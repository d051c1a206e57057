import { readFileSync } from "node:fs";

/** Linux counts processor time for its readers in hundredths of a second. */
const TICKS_PER_SECOND = 100;

/** Processor time that a process has used. */
export interface ProcessorTime {
  /** All threads together, in microseconds. */
  readonly allUs: number;
  /** The main thread alone. */
  readonly mainUs: number;
}

/** Of a process that runs; undefined where the system does not tell. */
export function processorTime(pid: number): ProcessorTime | undefined {
  const all = ticksIn(`/proc/${pid}/stat`);
  const main = ticksIn(`/proc/${pid}/task/${pid}/stat`);
  if (all === undefined || main === undefined) return undefined;
  return { allUs: (all / TICKS_PER_SECOND) * 1e6, mainUs: (main / TICKS_PER_SECOND) * 1e6 };
}

/** Of several processes together, such as those of a database with one for each connection. */
export function processorTimeOf(pids: readonly number[]): ProcessorTime | undefined {
  const times = pids.map(processorTime).filter((time) => time !== undefined);
  if (times.length < pids.length || times.length === 0) return undefined;
  return {
    allUs: times.reduce((sum, { allUs }) => sum + allUs, 0),
    mainUs: times.reduce((sum, { mainUs }) => sum + mainUs, 0),
  };
}

/**
 * Of a process, of its children, and of those that it has had and buried, as a database with one for each connection; in
 * microseconds. Undefined where the system does not tell.
 */
export function familyUs(pid: number): number | undefined {
  const own = fieldsOf(`/proc/${pid}/stat`);
  const children = textOf(`/proc/${pid}/task/${pid}/children`);
  if (own === undefined || children === undefined) return undefined;
  const buried = Number(own[13]) + Number(own[14]);
  const living = children
    .trim()
    .split(" ")
    .filter((child) => child !== "");
  // One that ended just now is among the buried the next time.
  const ticks = living.map((child) => ticksIn(`/proc/${child}/stat`) ?? 0);
  const all = ticks.reduce((sum, each) => sum + each, Number(own[11]) + Number(own[12]) + buried);
  return (all / TICKS_PER_SECOND) * 1e6;
}

/** Memory of a process that is in use, in bytes; undefined where the system does not tell. */
export function residentBytes(pid: number): number | undefined {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`) ?? "");
  return found === null ? undefined : Number(found[1]) * 1_024;
}

function ticksIn(file: string): number | undefined {
  const fields = fieldsOf(file);
  return fields === undefined ? undefined : Number(fields[11]) + Number(fields[12]);
}

function fieldsOf(file: string): string[] | undefined {
  const text = textOf(file);
  // The name of the program comes before, in parentheses, and may itself contain some.
  return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Another system, or the process is over.
    return undefined;
  }
}
