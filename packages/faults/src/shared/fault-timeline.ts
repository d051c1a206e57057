import { isRead, type Operation } from "@bank/checker";

/** What was done to whom, and when, by the clock of the history. */
export interface TimedFault {
  /** What happened, as `kill leader`. */
  readonly kind: string;
  /** As `bank-2`, or the database. */
  readonly whom: string;
  readonly beganMs: number;
  /** Undefined while it lasts. */
  endedMs: number | undefined;
  /** When another bank server was first seen to lead; undefined where none was before the next fault. */
  otherLeadsMs: number | undefined;
  /**
   * From when on writes are expected: from its beginning, where another server can take over; from its end, where nothing can be
   * written while it lasts.
   */
  readonly countsFrom: "begin" | "end";
}

/** The faults of a run, and how long it took behind each until writes went on. */
export class FaultTimeline {
  readonly faults: TimedFault[] = [];

  begin(fault: Pick<TimedFault, "kind" | "whom" | "countsFrom">): TimedFault {
    const begun = { ...fault, beganMs: performance.now(), endedMs: undefined, otherLeadsMs: undefined };
    this.faults.push(begun);
    return begun;
  }

  /** That bank server leads now. */
  sawLeading(name: string): void {
    const last = this.faults.at(-1);
    if (last?.countsFrom === "begin" && last.whom !== name) last.otherLeadsMs ??= performance.now();
  }
}

/** How long it took behind one fault until writes through branches went on. */
export interface WriteGap {
  readonly kind: string;
  readonly whom: string;
  readonly countsFrom: TimedFault["countsFrom"];
  /** Until the first acknowledgement of a write that was sent behind it; undefined where none came. In milliseconds. */
  readonly gapMs: number | undefined;
  /** Until that was so at every branch; undefined where it never was at one. In milliseconds. */
  readonly everywhereMs: number | undefined;
  /** Of the gap, until another bank server said in the store where it can be reached; undefined where none took over. */
  readonly takeOverMs: number | undefined;
}

/**
 * The gap behind each fault: from when writes are expected to the first acknowledgement, through a branch, of a write
 * that was sent since.
 */
export function gapsOf(faults: readonly TimedFault[], operations: readonly Operation[]): WriteGap[] {
  const branches = [...writesByBranch(operations).values()];
  return faults.map((fault) => {
    const { kind, whom, countsFrom } = fault;
    const fromMs = expectedFrom(fault);
    const waits = branches.map((writes) => (fromMs === undefined ? Infinity : firstDone(writes, fromMs) - fromMs));
    const takeOverMs = fault.otherLeadsMs === undefined ? undefined : fault.otherLeadsMs - fault.beganMs;
    const gapMs = unlessNever(Math.min(...waits));
    const everywhereMs = unlessNever(Math.max(...waits));
    return { kind, whom, countsFrom, gapMs, everywhereMs, takeOverMs };
  });
}

function unlessNever(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}

/** From when on writes are expected; undefined where that has not come. */
export function expectedFrom({ beganMs, endedMs, countsFrom }: TimedFault): number | undefined {
  return countsFrom === "begin" ? beganMs : endedMs;
}

interface DoneWrite {
  readonly invokeMs: number;
  readonly returnMs: number;
}

function isBranch(server: string): boolean {
  return server.startsWith("branch-");
}

/** Rejections are answers too: they are decided and stored. */
export function isDoneThroughBranch(operation: Operation): boolean {
  if (isRead(operation) || operation.server === undefined || !isBranch(operation.server)) return false;
  const { status } = operation.outcome;
  return status === "ok" || status === "rejected";
}

/** Those that were done, of each branch that was ever asked for one. */
function writesByBranch(operations: readonly Operation[]): ReadonlyMap<string, readonly DoneWrite[]> {
  const writes = new Map<string, DoneWrite[]>();
  for (const operation of operations) {
    const { server, invokeMs, returnMs } = operation;
    if (isRead(operation) || server === undefined || !isBranch(server)) continue;
    const done = writes.get(server) ?? [];
    writes.set(server, done);
    if (returnMs !== undefined && isDoneThroughBranch(operation)) done.push({ invokeMs, returnMs });
  }
  return writes;
}

/** Infinity for never. */
function firstDone(writes: readonly DoneWrite[], fromMs: number): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { invokeMs, returnMs } of writes) if (invokeMs >= fromMs && returnMs < first) first = returnMs;
  return first;
}

/** How gaps of one kind are spread. In whole milliseconds. */
export interface Distribution {
  readonly kind: string;
  readonly n: number;
  readonly p50: number;
  readonly p90: number;
  readonly max: number;
}

/**
 * For each kind of fault, in the order of their names; for all together behind which another bank server led; and until every
 * branch had done a write. Gaps that never ended are left out.
 */
export function distributionsOf(gaps: readonly WriteGap[]): Distribution[] {
  const kinds = [...new Set(gaps.map(({ kind }) => kind))].sort();
  const each = kinds.map((kind) =>
    distributionOf(
      kind,
      gaps.filter((gap) => gap.kind === kind),
    ),
  );
  // A leader that stood still for less than its lease leads on: its short gap is none of these.
  const taken = gaps.filter(({ takeOverMs }) => takeOverMs !== undefined);
  if (taken.length > 0) {
    each.push(distributionOf("all behind which another led", taken));
    each.push(
      distributionOf(
        "  until it led",
        taken.map((gap) => ({ ...gap, gapMs: gap.takeOverMs })),
      ),
    );
    each.push(
      distributionOf(
        "  until every branch had done a write",
        taken.map((gap) => ({ ...gap, gapMs: gap.everywhereMs })),
      ),
    );
  }
  return each;
}

function distributionOf(kind: string, gaps: readonly WriteGap[]): Distribution {
  const sorted = gaps.flatMap(({ gapMs }) => (gapMs === undefined ? [] : [gapMs])).sort((a, b) => a - b);
  const at = (part: number) => Math.round(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0);
  return { kind, n: sorted.length, p50: at(0.5), p90: at(0.9), max: at(1) };
}

/** As a table, for people. */
export function renderDistributions(distributions: readonly Distribution[]): string[] {
  const head = `${"writes through branches go on behind".padEnd(44)}${"n".padStart(5)}${"p50".padStart(8)}${"p90".padStart(8)}${"max".padStart(8)}  ms`;
  const rows = distributions.map(({ kind, n, p50, p90, max }) =>
    [kind.padEnd(44), String(n).padStart(5), ...[p50, p90, max].map((ms) => String(ms).padStart(8))].join(""),
  );
  return [head, ...rows];
}
