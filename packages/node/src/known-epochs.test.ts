import { EPOCHS_PER_LINE, RefusalError } from "@bank/core";
import { describe, expect, it } from "vitest";
import { KnownEpochs } from "./known-epochs.ts";

function refusalOf(run: () => void): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal.reason;
    throw error;
  }
  return undefined;
}

describe("the epochs that a branch knows", () => {
  it("are passed on from wherever they come; whom it follows must only be of what it knows for sure", () => {
    let [journal, promised] = [0, 0];
    const known = new KnownEpochs(
      () => journal,
      () => promised,
    );
    expect([known.highest, known.required]).toEqual([0, 0]);
    journal = 7;
    known.hear(9);
    known.hear(8);
    expect([known.highest, known.required]).toEqual([9, 7]);
    expect(refusalOf(() => known.hear(8 + 100 * EPOCHS_PER_LINE))).toBe("INVALID_REQUEST");
    expect(refusalOf(() => known.meet(7))).toBeUndefined();
    expect(refusalOf(() => known.meet(6))).toBe("EPOCH_SUPERSEDED");
    known.meet(8);
    expect(refusalOf(() => known.meet(7))).toBe("EPOCH_SUPERSEDED");
    promised = EPOCHS_PER_LINE;
    expect([known.highest, known.required]).toEqual([EPOCHS_PER_LINE, EPOCHS_PER_LINE]);
    expect(refusalOf(() => known.meet(8))).toBe("EPOCH_SUPERSEDED");
    expect(refusalOf(() => known.meet(EPOCHS_PER_LINE + 1))).toBeUndefined();
  });

  it("leave out a server that answers nothing and is older than was promised, and no other", () => {
    let [journal, promised] = [7, 0];
    const known = new KnownEpochs(
      () => journal,
      () => promised,
    );
    // One of the release before says nothing, and is followed for what it has.
    expect(refusalOf(() => known.requireBegun(0))).toBeUndefined();
    promised = EPOCHS_PER_LINE;
    for (const older of [0, 7, 8]) expect(refusalOf(() => known.requireBegun(older))).toBe("EPOCH_SUPERSEDED");
    expect(refusalOf(() => known.requireBegun(EPOCHS_PER_LINE))).toBeUndefined();
    journal = EPOCHS_PER_LINE;
    expect(refusalOf(() => known.requireBegun(0))).toBeUndefined();
  });
});
