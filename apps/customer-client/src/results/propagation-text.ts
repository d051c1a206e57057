import type { Propagation } from "@bank/client";

/** How far a change has spread, as a line of its report; empty where only the bank was asked for. */
export function propagationText(propagation: Propagation | undefined): string {
  if (propagation === undefined || propagation.asked === "bank" || !propagation.satisfied) return "";
  const { asked, reached, missing, disconnected } = propagation;
  if (asked !== "all-branches") return `  On ${copiesText(propagation.copiesReached)} besides the bank's own disk.\n`;
  // Those that are catching up do not call themselves connected yet.
  const away = [...missing, ...disconnected].sort((a, b) => a - b);
  const others = away.length === 0 ? "" : ` Not connected yet: ${branchesText(away)}.`;
  return `  Shown at every connected branch${reached.length === 0 ? "" : `: ${branchesText(reached)}`}.${others}\n`;
}

/** What to say where less was reached than was asked for; undefined where all was. */
export function propagationWarning(propagation: Propagation | undefined): string | undefined {
  if (propagation === undefined || propagation.satisfied) return undefined;
  const { asked, copiesReached, reached, missing, disconnected } = propagation;
  const goal =
    typeof asked === "string"
      ? "not every connected branch shows it yet"
      : `${copiesReached} of ${asked.quorum} copies are known to have it besides the bank's own disk`;
  const lines = [
    `It is done, but ${goal}.`,
    ...beyondReach(propagation),
    ...place("No word yet from", missing),
    ...place("Shown at", reached),
    ...place("Not connected", disconnected),
  ];
  return `bank: ${lines.join("\n      ")}\n`;
}

/** More copies were asked for than branches are there, so that nothing was waited for. */
function beyondReach({ asked, reached, missing, disconnected }: Propagation): string[] {
  const branches = new Set([...reached, ...missing, ...disconnected]).size;
  if (typeof asked === "string" || asked.quorum <= branches) return [];
  if (branches === 0) return ["No branch is registered: it was not waited for."];
  return [`Only ${branches === 1 ? "1 branch is" : `${branches} branches are`} registered: it was not waited for.`];
}

function place(what: string, branches: readonly number[]): string[] {
  return branches.length === 0 ? [] : [`${what}: ${branchesText(branches)}.`];
}

function branchesText(branches: readonly number[]): string {
  return `branch${branches.length === 1 ? "" : "es"} ${branches.join(", ")}`;
}

function copiesText(copies: number): string {
  return copies === 1 ? "1 copy" : `${copies} copies`;
}
