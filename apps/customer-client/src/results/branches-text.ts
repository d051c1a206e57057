import type { Branch, BranchStatus } from "@bank/client";
import { printable } from "../printable.ts";
import { type Column, table } from "../table.ts";
import { timeText } from "../time-text.ts";

/** Characters of a digest that people are shown. */
const DIGEST_SHOWN = 8;

/** A line for each branch. `wereAsked`: each itself, so that no status means no answer. */
export function branchesTable(branches: readonly Branch[], wereAsked: boolean): string {
  const known = (cell: (status: BranchStatus) => string | undefined) => (branch: Branch) =>
    (branch.status === undefined ? undefined : cell(branch.status)) ?? "-";
  const columns: readonly Column<Branch>[] = [
    { title: "BRANCH", align: "right", cell: ({ number }) => String(number) },
    { title: "NAME", cell: ({ name }) => printable(name) },
    { title: "STATE", cell: ({ state }) => state },
    { title: "LINK", cell: ({ status }) => linkText(status, wereAsked) },
    { title: "POSITION", align: "right", cell: known(({ appliedPosition }) => String(appliedPosition)) },
    { title: "BEHIND", align: "right", cell: known(({ lagPositions }) => String(lagPositions)) },
    {
      title: "AGE",
      align: "right",
      cell: known(({ stalenessMs }) => (stalenessMs === undefined ? undefined : `${stalenessMs} ms`)),
    },
    { title: "DIGEST", cell: (branch) => digestText(branch, branches) },
    { title: "HISTORY", align: "right", cell: known(({ historyPosition }) => historyPosition?.toString()) },
    { title: "FOLLOWS", cell: known(followsText) },
    { title: "FOLLOWERS", align: "right", cell: known(({ followers }) => String(followers)) },
    {
      title: "CONNECTED SINCE",
      cell: known(({ connectedSinceMs }) => (connectedSinceMs === undefined ? undefined : timeText(connectedSinceMs))),
    },
    { title: "LEVEL", align: "right", cell: known(({ formatLevel }) => formatLevel?.toString()) },
    { title: "ADDRESS", cell: ({ address }) => printable(address ?? "-") },
  ];
  return table(columns, branches);
}

/**
 * Whether the digest of a branch is that of all others at the same position; undefined where there is none to compare it
 * with.
 */
export function digestAgrees({ number, status }: Branch, branches: readonly Branch[]): boolean | undefined {
  const others = branches.filter(
    (other) => other.number !== number && other.status?.appliedPosition === status?.appliedPosition,
  );
  if (status === undefined || others.length === 0) return undefined;
  return others.every((other) => other.status?.digest === status.digest);
}

function digestText(branch: Branch, branches: readonly Branch[]): string {
  if (branch.status === undefined) return "-";
  const shown = printable(branch.status.digest.slice(0, DIGEST_SHOWN));
  const agrees = digestAgrees(branch, branches);
  return agrees === undefined ? shown : `${shown} ${agrees ? "=" : "DIFFERS"}`;
}

function linkText(status: BranchStatus | undefined, wereAsked: boolean): string {
  if (status === undefined) return wereAsked ? "no answer" : "-";
  return status.connected ? "up" : "down";
}

function followsText({ follows, upstream }: BranchStatus): string | undefined {
  if (follows === undefined) return upstream === undefined ? undefined : printable(upstream);
  return follows === 0 ? "the bank" : `branch ${follows}`;
}
