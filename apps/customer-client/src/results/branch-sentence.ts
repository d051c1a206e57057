import type { BranchChanged, Durability } from "@bank/client";
import { printable } from "../printable.ts";

/** What was changed of a branch. */
export function branchChangeSentence({
  number,
  name,
  state,
}: Partial<BranchChanged> & { readonly number: number }): string {
  if (state === undefined) return `Branch ${number} is called ${printable(name ?? "")} from now on.`;
  const words = {
    active: "serves customers.",
    draining: "is draining: it takes no new calls of customers.",
    retired: "is retired, for good.",
  } as const;
  return `Branch ${number} ${words[state]}`;
}

/** What a write must reach before it counts. */
export function durabilitySentence({ copies, branches, position }: Durability): string {
  const since = position === undefined ? "" : ` Since position ${position}.`;
  if (copies === 0) return `A write counts once it is on the bank's disk.${since}`;
  const names = branches.length === 1 ? `branch ${branches[0]}` : `branches ${branches.join(", ")}`;
  const disks = copies === branches.length ? `and on that of ${names}` : `and on the disks of ${copies} of ${names}`;
  return `A write counts once it is on the bank's disk ${disks}.${since}`;
}
