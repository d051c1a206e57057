import { BRANCH_LOADS, type BranchMeasurement } from "./branches/branch-rows.ts";
import type { Layout } from "./branches/fleet.ts";
import type { Measurement } from "./measure.ts";
import type { RequestIdFigures } from "./request-ids.ts";
import type { Row } from "./rows.ts";

/** A row with what each round gave. */
export interface Result {
  readonly row: Row;
  readonly rounds: readonly Measurement[];
}

/** A layout of branches, with what each round gave for each load. */
export interface BranchResult {
  readonly layout: Layout;
  readonly rounds: readonly (readonly BranchMeasurement[])[];
}

/** A result as it goes into JSON. */
export interface ResultRecord {
  readonly name: string;
  readonly unit: string;
  readonly durable: boolean;
  readonly batch: number;
  readonly inFlight: number;
  readonly perSecond: { readonly min: number; readonly median: number; readonly max: number };
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function resultRecord({ row, rounds }: Result): ResultRecord {
  const rates = rounds.map(({ operationsPerSecond }) => operationsPerSecond);
  const { name, unit, durable, batch, inFlight } = row;
  return {
    name,
    unit,
    durable,
    batch,
    inFlight,
    perSecond: { min: Math.min(...rates), median: median(rates), max: Math.max(...rates) },
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
  };
}

const HEADINGS = ["", "durable", "batch", "in flight", "per second (median)", "min … max", "p50 ms", "p99 ms"];

/** The results as aligned text. */
export function table(results: readonly Result[]): string {
  const rows = results
    .map(resultRecord)
    .map((record) => [
      record.name,
      record.durable ? "yes" : "no",
      whole(record.batch),
      whole(record.inFlight),
      `${whole(record.perSecond.median)} ${record.unit}`,
      `${whole(record.perSecond.min)} … ${whole(record.perSecond.max)}`,
      record.p50Ms.toFixed(2),
      record.p99Ms.toFixed(2),
    ]);
  return aligned([HEADINGS, ...rows], 2);
}

const ID_HEADINGS = [
  "request ids",
  "remembered",
  "ns a new one",
  "ns a hit",
  "ns a miss",
  "ns a deposit",
  "worst insert ms (min … max)",
  "bytes an id",
];

/** What remembering request ids costs, as aligned text: medians of the rounds. */
export function idTable(rounds: readonly (readonly RequestIdFigures[])[]): string {
  const rows = (rounds[0] ?? []).map(({ kind, ids }, i) => {
    const all = rounds.map((round) => round[i] as RequestIdFigures);
    const middle = (figure: (figures: RequestIdFigures) => number) => median(all.map(figure));
    const worst = all.map(({ worstInsertMs }) => worstInsertMs);
    return [
      kind,
      whole(ids),
      whole(middle(({ newNs }) => newNs)),
      whole(middle(({ hitNs }) => hitNs)),
      whole(middle(({ missNs }) => missNs)),
      whole(middle(({ depositNs }) => depositNs)),
      `${Math.min(...worst).toFixed(2)} … ${Math.max(...worst).toFixed(2)}`,
      middle(({ bytesPerId }) => bytesPerId).toFixed(1),
    ];
  });
  return aligned([ID_HEADINGS, ...rows], 1);
}

const BRANCH_HEADINGS = [
  "branches",
  "load at the bank",
  "per second (median)",
  "min … max",
  "p50 ms",
  "p99 ms",
  "lag p50 ms",
  "lag p99 ms",
];

/** What branches cost the bank, and how late they are, as aligned text: medians of the rounds. */
export function branchTable(layouts: readonly BranchResult[]): string {
  const rows = layouts.flatMap(({ layout, rounds }) =>
    BRANCH_LOADS.map(({ name, unit }, i) => {
      const all = rounds.map((round) => round[i] as BranchMeasurement);
      const rates = all.map(({ operationsPerSecond }) => operationsPerSecond);
      const middle = (figure: (measured: BranchMeasurement) => number | undefined) => {
        const figures = all.flatMap((measured) => figure(measured) ?? []);
        return figures.length === 0 ? "–" : median(figures).toFixed(2);
      };
      return [
        i === 0 ? layoutName(layout) : "",
        name,
        `${whole(median(rates))} ${unit}`,
        `${whole(Math.min(...rates))} … ${whole(Math.max(...rates))}`,
        middle(({ p50Ms }) => p50Ms),
        middle(({ p99Ms }) => p99Ms),
        middle(({ lagP50Ms }) => lagP50Ms),
        middle(({ lagP99Ms }) => lagP99Ms),
      ];
    }),
  );
  return aligned([BRANCH_HEADINGS, ...rows], 2);
}

function layoutName({ branches, fanOut, ownProcesses }: Layout): string {
  if (branches === 0) return "none";
  const where = ownProcesses ? "processes of their own" : "one process";
  return `${branches}, ${fanOut === undefined ? "direct" : `tree of ${fanOut} each`}, ${where}`;
}

/** Lines of cells in columns, the first ones to the left and numbers to the right. */
function aligned(lines: readonly (readonly string[])[], leftColumns: number): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  return lines
    .map((line) =>
      line.map((cell, i) => (i < leftColumns ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
    )
    .join("\n");
}

/** The middle value; the lower one of two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}
