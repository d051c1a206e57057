import type { Audit } from "../bank/audit.ts";
import { isResolved } from "../harness/quantile.ts";
import { aligned, short, whole } from "./numbers.ts";
import { type Measurement, perSecond, type Result, type Spread, type SuiteReport, spreadOf } from "./result.ts";

const HEADINGS = [
  "",
  "durable",
  "checks",
  "batch",
  "flight",
  "accts",
  "spread",
  "per second",
  "min … max",
  "p50 ms",
  "p99",
  "p99.9",
  "µs srv",
  "main",
  "load",
];

/** What the last columns are. */
const LEGEND =
  "µs for each operation: srv, processor time of the server with all its threads; main, of its main thread; load, of the load";

const COLUMNS = 160;
/** As wide as what is said of a target before its text. */
const REASON_INDENT = " ".repeat(9);

/** A suite as text: rows, ratios, audits and targets. Fits into 160 columns. */
export function describeSuite(report: SuiteReport, { withTargets }: { readonly withTargets: boolean }): string {
  const lines = [`== ${report.name}: ${report.title}`];
  if (report.results.length > 0) lines.push(LEGEND, ...rowLines(report.results));
  lines.push(...section("", comparisonLines(report)));
  lines.push(...section("", [...auditLines(report), ...report.notes]));
  lines.push(
    ...section(
      "",
      report.missing.map((text) => `MISSING: ${text}`),
    ),
  );
  if (withTargets) lines.push(...section("", targetLines([report])));
  lines.push(
    ...section(
      "",
      report.failures.map((text) => `FAILED: ${text}`),
    ),
  );
  return lines.join("\n");
}

/**
 * All targets of a run, at its end.
 *
 * @param withReasons each that was missed is followed by why.
 */
export function targetLines(reports: readonly SuiteReport[], { withReasons = false } = {}): string[] {
  const words = { true: "MET", false: "NOT MET", unknown: "UNKNOWN" };
  const targets = reports.flatMap((report) => report.targets);
  const lines = aligned(
    targets.map(({ text, measured, met }) => [words[`${met}`], text, `measured ${measured}`]),
    3,
  );
  if (!withReasons) return lines;
  return lines.flatMap((line, i) => [line, ...wrapped(targets[i]?.reason ?? "", REASON_INDENT)]);
}

/** A text in lines of at most 160 columns, indented; none for an empty one. */
function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= COLUMNS) lines[lines.length - 1] = `${last} ${word}`;
    else if (word !== "") lines.push(indent + word);
  }
  return lines;
}

function rowLines(results: readonly Result[]): string[] {
  const table = aligned([HEADINGS, ...results.map(cells)], 3);
  // Figures that no other suite has stand under their row.
  return table.flatMap((line, i) => {
    const more = moreOf(results[i - 1]);
    return more === "" ? [line] : [line, `    ${more}`];
  });
}

/** What was proved of each bank, all its rounds together. */
function auditLines({ audits }: SuiteReport): string[] {
  return [...audits].map(([name, all]) => {
    const sum = (pick: (audit: Audit) => number) => whole(all.reduce((total, audit) => total + pick(audit), 0));
    return (
      `audit of ${name}, ${all.length} × clean: ${sum(({ movements }) => movements)} movements, as many as acknowledged; ` +
      `${sum(({ position }) => position)} records replayed, hashes and digests right; sums are zero`
    );
  });
}

function cells({ facts, rounds }: Result): string[] {
  const rates = spreadOf(rounds.map(perSecond));
  const latency = (pick: (measurement: Measurement) => number) => spreadOf(rounds.map(pick)).median;
  const calls = Math.min(...rounds.map(({ latencies }) => latencies.calls));
  // With too few calls the quantile is the longest of them: no more than that is known.
  const tail = (part: number, ms: number) => (isResolved(calls, part) ? short(ms) : `≤${short(ms)}`);
  return [
    facts.server === undefined ? facts.name : `${facts.name} · ${facts.server}`,
    facts.durable ? "yes" : "NO",
    facts.checked ? "yes" : "no",
    whole(facts.batch),
    whole(facts.inFlight),
    facts.accounts === undefined ? "–" : thousands(facts.accounts),
    facts.distribution ?? "–",
    // What takes seconds each is not none a second.
    rates.median < 10 ? short(rates.median) : whole(rates.median),
    `${thousands(rates.min)} … ${thousands(rates.max)}`,
    short(latency(({ latencies }) => latencies.p50Ms)),
    tail(
      0.99,
      latency(({ latencies }) => latencies.p99Ms),
    ),
    tail(
      0.999,
      latency(({ latencies }) => latencies.p999Ms),
    ),
    known(rounds, ({ serverUs }) => serverUs),
    known(rounds, ({ serverMainUs }) => serverMainUs),
    known(rounds, ({ loadUs }) => loadUs),
  ];
}

function known(rounds: readonly Measurement[], pick: (measurement: Measurement) => number | undefined): string {
  const values = rounds.map(pick).filter((value) => value !== undefined);
  return values.length === 0 ? "–" : short(spreadOf(values).median);
}

function moreOf(result: Result | undefined): string {
  const names = Object.keys(result?.rounds[0]?.more ?? {});
  return names
    .map((name) => {
      const values = result?.rounds.map(({ more }) => more?.[name]).filter((value) => value !== undefined) ?? [];
      return `${name} ${spreadText(spreadOf(values))}`;
    })
    .join(";  ");
}

function comparisonLines({ comparisons }: SuiteReport): string[] {
  return aligned(
    comparisons.map(({ text, ratio }) => [text, `× ${spreadText(ratio)}`]),
    2,
  );
}

function spreadText({ median, min, max }: Spread): string {
  return `${short(median)} (${short(min)} … ${short(max)})`;
}

function thousands(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 10_000) return `${Number((value / 1e3).toPrecision(3))}k`;
  return value < 10 ? short(value) : whole(value);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines];
}

/** A suite as it goes into JSON. */
export function suiteRecord(report: SuiteReport) {
  const { name, title, results, comparisons, targets, audits, notes, missing, failures } = report;
  return { name, title, results, comparisons, targets, audits: Object.fromEntries(audits), notes, missing, failures };
}
