import type { Report } from "./check-history.ts";
import { describe } from "./describe.ts";
import { GUARANTEES } from "./guarantees.ts";

const UNDECIDED_SHOWN = 10;

/** A report for people, in lines. */
export function renderReport(report: Report): readonly string[] {
  const { operations, reads, statistics, undecided, unknown, violations, writes } = report;
  const { blackBox, violationsOf } = statistics;
  const total = Object.values(violationsOf).reduce((sum, count) => sum + count, 0);
  const lines = [
    `operations: ${operations} (reads ${reads}, writes ${writes}, unknown ${unknown}), records: ${statistics.records}, ` +
      `clients: ${statistics.clients}, sessions: ${statistics.sessions}, violations: ${total}`,
    blackBox === undefined
      ? "black box: not looked at"
      : `black box: sets of accounts ${blackBox.sets}, right in the journal's order ${blackBox.provedByOrder}, ` +
        `states looked at for the others ${blackBox.statesExplored}`,
  ];
  if (statistics.unjudgedRejections > 0)
    lines.push(`rejections for reasons that no checker knows: ${statistics.unjudgedRejections}`);
  for (const [n, { guarantee, message, operations: concerned }] of violations.entries()) {
    if (violations[n - 1]?.guarantee !== guarantee)
      lines.push(`VIOLATED ${guarantee} (${violationsOf[guarantee] ?? 0}): ${GUARANTEES[guarantee]}`);
    lines.push(`  ${message}`, ...concerned.map((operation) => `    ${describe(operation)}`));
  }
  for (const { accounts, reason } of undecided.slice(0, UNDECIDED_SHOWN))
    lines.push(
      `UNDECIDED for ${accounts.length === 1 ? `account ${accounts[0]}` : `${accounts.length} accounts`}: ${reason}`,
    );
  if (undecided.length > UNDECIDED_SHOWN) lines.push(`UNDECIDED in ${undecided.length - UNDECIDED_SHOWN} more cases`);
  lines.push(report.verdict === "ok" ? "ok" : report.verdict.toUpperCase());
  return lines;
}

/** A report for programs: JSON in one line, amounts as texts. */
export function reportJson(report: Report): string {
  return JSON.stringify(report, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
}
