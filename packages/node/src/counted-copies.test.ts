import { RefusalError } from "@bank/core";
import { describe, expect, it } from "vitest";
import { anyCopies, connectedCopies } from "./counted-copies.ts";

function copy(byte: number, ...branches: number[]) {
  return {
    report: { copyId: new Uint8Array(16).fill(byte), branches, onDisk: true, whole: true },
  } as unknown as Parameters<typeof connectedCopies>[1][number];
}

function refusalOf(run: () => unknown): { reason: string; text: string | undefined; field: string | undefined } {
  try {
    run();
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    const [violation] = error.refusal.violations ?? [];
    return { reason: error.refusal.reason, text: violation?.description, field: violation?.field };
  }
  throw new Error("it was expected to be refused");
}

describe("the copies of branches that shall count", () => {
  const connected = [copy(1, 1), copy(2, 2, 3), copy(4, 4)];

  it("are those that are connected, in the order of the branches that were named", () => {
    expect(connectedCopies([4, 1, 3], connected)).toEqual([
      { branch: 4, copyId: new Uint8Array(16).fill(4) },
      { branch: 1, copyId: new Uint8Array(16).fill(1) },
      { branch: 3, copyId: new Uint8Array(16).fill(2) },
    ]);
    expect(connectedCopies([], connected)).toEqual([]);
  });

  it("are not had of a branch that is not connected, nor twice of one folder", () => {
    expect(refusalOf(() => connectedCopies([1, 9], connected))).toMatchObject({
      reason: "INVALID_REQUEST",
      field: "branches[1]",
      text: expect.stringContaining("branch 9 is not connected"),
    });
    expect(refusalOf(() => connectedCopies([2, 1, 3], connected))).toMatchObject({
      field: "branches[2]",
      text: "branches 2 and 3 lie on one copy of the journal",
    });
  });

  it("are not had where they lie in memory, or lack the past of the journal", () => {
    const [one] = connected;
    if (one === undefined) throw new Error("there are some");
    const but = (facts: Partial<typeof one.report>) => [{ report: { ...one.report, ...facts } }];
    expect(refusalOf(() => connectedCopies([1], but({ onDisk: false }))).text).toMatch(/keeps its copy in memory/);
    expect(refusalOf(() => connectedCopies([1], but({ whole: false }))).text).toMatch(/still fetches the past/);
  });

  it("of a request that was answered before are any, as many and all different", () => {
    const copies = anyCopies([1, 256, 65_535]);
    expect(copies.map(({ branch }) => branch)).toEqual([1, 256, 65_535]);
    expect(new Set(copies.map(({ copyId }) => copyId.join())).size).toBe(3);
    for (const { copyId } of copies) expect(copyId).toHaveLength(16);
  });
});
