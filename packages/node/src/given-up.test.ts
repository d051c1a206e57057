import type { EpochEntry } from "@bank/core";
import { describe, expect, it } from "vitest";
import { lossWasGivenUp, newestAcceptance } from "./given-up.ts";

const id = (byte: number) => new Uint8Array(16).fill(byte);
const epoch = (number: number, firstPosition: number, lossAccepted = false): EpochEntry => ({
  number,
  id: id(number),
  firstPosition,
  lossAccepted,
});
/** Losses were accepted at 9 and at 30. */
const EPOCHS = [epoch(1, 1), epoch(2, 6), epoch(3, 9, true), epoch(4, 20), epoch(5, 30, true), epoch(6, 40)];
const LOST = 77;

describe("what a copy has and the journal lacks was given up", () => {
  it.each([
    ["within an epoch that both have", 1, 5, undefined, false],
    ["behind the fork at which its epoch ended, before any acceptance", 1, 6, undefined, true],
    ["likewise, also where the bank wrote past it before it accepted", 1, 8, undefined, true],
    ["of an epoch that was lost as a whole, before any acceptance", LOST, 8, undefined, true],
    ["of the epoch of the first acceptance, behind its end", 3, 25, 3, true],
    ["of an epoch lost as a whole between the acceptances", LOST, 25, 3, true],
    ["of the newest acceptance's epoch, within it", 5, 35, 5, false],
    ["of the newest acceptance's epoch, behind its end", 5, 45, 5, false],
    ["of an epoch lost as a whole behind the newest acceptance", LOST, 60, 5, false],
    ["of the newest epoch, behind the journal's end", 6, 99, 5, false],
    ["of an epoch whose own acceptance was lost", LOST, 60, LOST, false],
  ])("%s", (_, epochNumber, position, acceptance, expected) => {
    const acceptedLoss = acceptance === undefined ? undefined : id(acceptance);
    expect(lossWasGivenUp(EPOCHS, { position, epochId: id(epochNumber), acceptedLoss })).toBe(expected);
  });

  it("never, where no loss was ever accepted", () => {
    const epochs = [epoch(1, 1), epoch(2, 6)];
    for (const [epochNumber, position] of [
      [1, 8],
      [2, 99],
      [LOST, 8],
    ] as const)
      expect(lossWasGivenUp(epochs, { position, epochId: id(epochNumber), acceptedLoss: undefined })).toBe(false);
    expect(newestAcceptance(epochs)).toBeUndefined();
    expect(newestAcceptance(EPOCHS)).toEqual(id(5));
  });
});
