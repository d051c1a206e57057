import { assert } from "./assert.ts";

/**
 * A bank that starts again counts its epochs on by one. Whoever begins one that leaves another behind (by a promotion, or by
 * giving up what was lost) begins at the next multiple of this: the bank that was left behind does not reach that number
 * by starting again, however often it does, and so hears of a higher one wherever it meets those who know it.
 */
export const EPOCHS_PER_LINE = 1_000_000;

/** A number that is further ahead than this was made up: it would be that of a hundred promotions. */
const LEAD_MAX = 100 * EPOCHS_PER_LINE;

/** The number of the first epoch of a line that leaves the one of this number behind. */
export function nextLine(epoch: number): number {
  assert(Number.isSafeInteger(epoch) && epoch >= 0, "epochs have numbers");
  return (Math.floor(epoch / EPOCHS_PER_LINE) + 1) * EPOCHS_PER_LINE;
}

/** Whether there could be an epoch of this number, in the eyes of one who knows `known`. */
export function isPlausibleEpoch(epoch: number, known: number): boolean {
  return Number.isSafeInteger(epoch) && epoch >= 1 && epoch <= known + LEAD_MAX;
}
