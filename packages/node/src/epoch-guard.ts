import { isPlausibleEpoch, RefusalError } from "@bank/core";
import { type BankReplica, errorText, type Log } from "@bank/replica";
import type { SupersededFile } from "./superseded-file.ts";

/** Hears which epochs callers know, and stops a bank for good when one of them is newer than its own. */
export class EpochGuard {
  private readonly options: {
    readonly replica: BankReplica;
    /** undefined where nothing is kept on disk. */
    readonly file: SupersededFile | undefined;
    readonly log: Log;
  };

  constructor(options: EpochGuard["options"]) {
    this.options = options;
  }

  /**
   * Until callers have identities it must be believed: everybody who reaches the port can say so.
   * Throws: `RefusalError` INVALID_REQUEST for a number that no bank can have come to.
   */
  hear(newer: number): void {
    const { replica, file, log } = this.options;
    const epoch = replica.ledger.currentEpoch()?.number ?? 0;
    if (newer <= epoch) return;
    if (!isPlausibleEpoch(newer, epoch))
      throw new RefusalError("INVALID_REQUEST", { problem: `there can be no epoch ${newer}: this one is ${epoch}` });
    if (replica.isSuperseded) return;
    // First of all nothing moves any more; then it is remembered, before the caller learns of it.
    replica.supersede(newer);
    try {
      file?.write({ epoch, newer });
    } catch (error) {
      log.error("could not be remembered: started again, this bank would serve until it hears of the newer one", {
        problem: errorText(error),
      });
    }
  }
}
