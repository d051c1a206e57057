import { describe, expect, it } from "vitest";
import { propagationText, propagationWarning } from "./propagation-text.ts";

const all = {
  asked: "all-branches",
  satisfied: true,
  copiesReached: 2,
  reached: [1, 2],
  missing: [],
  disconnected: [],
  appliedHere: true,
} as const;
const quorum = { ...all, asked: { quorum: 2 } } as const;

describe("how far a change has spread", () => {
  it("is a line of its report, where more was asked for than the bank", () => {
    expect(propagationText(undefined)).toBe("");
    expect(propagationText({ ...all, asked: "bank" })).toBe("");
    expect(propagationText(all)).toBe("  Shown at every connected branch: branches 1, 2.\n");
    expect(propagationText({ ...all, reached: [2], missing: [3], disconnected: [1] })).toBe(
      "  Shown at every connected branch: branch 2. Not connected yet: branches 1, 3.\n",
    );
    expect(propagationText({ ...all, reached: [] })).toBe("  Shown at every connected branch.\n");
    expect(propagationText(quorum)).toBe("  On 2 copies besides the bank's own disk.\n");
    for (const each of [all, quorum]) expect(propagationWarning(each)).toBeUndefined();
  });

  it("is a warning that names who is missing, where less was reached", () => {
    const less = { ...all, satisfied: false, reached: [1], missing: [2, 3], disconnected: [4] };
    expect(propagationText(less)).toBe("");
    expect(propagationWarning(less)).toBe(
      "bank: It is done, but not every connected branch shows it yet.\n" +
        "      No word yet from: branches 2, 3.\n      Shown at: branch 1.\n      Not connected: branch 4.\n",
    );
    expect(propagationWarning({ ...quorum, satisfied: false, copiesReached: 1, reached: [1], disconnected: [2] })).toBe(
      "bank: It is done, but 1 of 2 copies are known to have it besides the bank's own disk.\n" +
        "      Shown at: branch 1.\n      Not connected: branch 2.\n",
    );
    expect(propagationWarning(undefined)).toBeUndefined();
  });

  it.each([
    [[], [], "No branch is registered"],
    [[7], [], "Only 1 branch is registered"],
    [[1, 2], [3], "Only 3 branches are registered"],
  ])("says that more copies were asked for than there are branches: %j and %j", (missing, disconnected, text) => {
    const beyond = { ...all, asked: { quorum: 4 }, satisfied: false, copiesReached: 0, reached: [], missing };
    expect(propagationWarning({ ...beyond, disconnected })?.split("\n")[1]).toBe(
      `      ${text}: it was not waited for.`,
    );
    const within = { ...beyond, asked: { quorum: missing.length + disconnected.length } };
    expect(propagationWarning({ ...within, disconnected })).not.toContain("registered");
  });
});
