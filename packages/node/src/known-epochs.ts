import { isPlausibleEpoch, RefusalError } from "@bank/core";

/** Which epochs a follower knows of. */
export interface EpochsKnown {
  /** The highest number that it has heard of from anybody: what it passes on. 0 for none. */
  readonly highest: number;
  /** Whoever is of an older one is refused. 0 for none. */
  readonly required: number;
}

/** The epochs that a branch knows of: of its journal, by what it has promised, and from what it is told. */
export class KnownEpochs implements EpochsKnown {
  private readonly journal: () => number;
  private readonly promised: () => number;
  private heard = 0;

  /**
   * @param journal the number of the newest epoch in the branch's journal.
   * @param promised the number of the epoch that it has promised to wait for.
   */
  constructor(journal: () => number, promised: () => number) {
    this.journal = journal;
    this.promised = promised;
  }

  get highest(): number {
    return Math.max(this.required, this.heard);
  }

  get required(): number {
    return Math.max(this.journal(), this.promised());
  }

  /**
   * A caller knows this epoch. It is passed on, and nothing else: a branch does not know what to think of it.
   * Throws: `RefusalError` INVALID_REQUEST for a number that no bank can have come to.
   */
  hear(epoch: number): void {
    if (epoch <= this.heard) return;
    if (!isPlausibleEpoch(epoch, this.required))
      throw new RefusalError("INVALID_REQUEST", {
        problem: `there can be no epoch ${epoch}: the newest known here is ${this.required}`,
      });
    this.heard = epoch;
  }
}

/** Throws: `RefusalError` EPOCH_SUPERSEDED where whoever is of this epoch is older than must be. */
export function refuseOlderEpoch(epoch: number, { required }: EpochsKnown): void {
  if (epoch < required)
    throw new RefusalError("EPOCH_SUPERSEDED", { epoch: String(epoch), newer: String(required) }, "OUTCOME_UNKNOWN");
}
