import { isPlausibleEpoch, RefusalError } from "@bank/core";

/** The epochs that a branch knows of: of its journal, by what it has promised, of whom it follows, and from its callers. */
export class KnownEpochs {
  private readonly journal: () => number;
  private readonly promised: () => number;
  private met = 0;
  private heard = 0;

  /**
   * @param journal the number of the newest epoch in the branch's journal.
   * @param promised the number of the epoch that it has promised to wait for.
   */
  constructor(journal: () => number, promised: () => number) {
    this.journal = journal;
    this.promised = promised;
  }

  /** The highest number that it has heard of from anybody: what it passes on. 0 for none. */
  get highest(): number {
    return Math.max(this.required, this.heard);
  }

  /** Whoever is of an older one is not followed. 0 for none. */
  get required(): number {
    return Math.max(this.journal(), this.promised(), this.met);
  }

  /**
   * Whoever could be followed is of this epoch: from then on nobody older is.
   * Throws: `RefusalError` EPOCH_SUPERSEDED where it is older than one that is known.
   */
  meet(epoch: number): void {
    this.requireNew(epoch);
    this.met = epoch;
  }

  /**
   * The journal of whoever could be followed knows of this epoch, which may not be committed yet.
   * Throws: `RefusalError` EPOCH_SUPERSEDED where that is older than one that this copy has promised to wait for.
   */
  requireBegun(epoch: number): void {
    if (this.promised() > this.journal()) this.requireNew(epoch);
  }

  private requireNew(epoch: number): void {
    const { required } = this;
    if (epoch < required)
      throw new RefusalError("EPOCH_SUPERSEDED", { epoch: String(epoch), newer: String(required) }, "OUTCOME_UNKNOWN");
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
