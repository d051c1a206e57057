import { isPlausibleEpoch, RefusalError } from "@bank/core";
import { type BankReplica, errorText, type Platform } from "@bank/replica";
import type { Superseded, SupersededFile } from "./superseded-file.ts";

/** How long after a try that failed, at the least, it is tried again to remember a newer epoch. */
export const REMEMBER_AGAIN_MS = 1_000;

/** Hears which epochs callers know, and stops a bank for good when one of them is newer than its own. */
export class EpochGuard {
  private readonly options: {
    readonly replica: Pick<BankReplica, "ledger" | "isSuperseded" | "supersede">;
    /** undefined where nothing is kept on disk. */
    readonly file: Pick<SupersededFile, "write"> | undefined;
    readonly platform: Pick<Platform, "monotonicMs" | "log">;
    /** Called once, when the bank has stopped, and that is remembered if it can be. */
    readonly onStopped?: (superseded: Superseded) => void;
  };
  /** What could not be remembered yet, and when that was tried last. */
  private unkept: { readonly superseded: Superseded; readonly triedMs: number } | undefined;

  constructor(options: EpochGuard["options"]) {
    this.options = options;
  }

  /**
   * Until callers have identities it must be believed: everybody who reaches the port can say so.
   * Throws: `RefusalError` INVALID_REQUEST for a number that no bank can have come to.
   */
  hear(newer: number): void {
    const { replica } = this.options;
    const epoch = replica.ledger.currentEpoch()?.number ?? 0;
    if (newer <= epoch) return;
    if (!isPlausibleEpoch(newer, epoch))
      throw new RefusalError("INVALID_REQUEST", { problem: `there can be no epoch ${newer}: this one is ${epoch}` });
    if (replica.isSuperseded) {
      this.rememberAgain();
      return;
    }
    // First of all nothing moves any more; then it is remembered, before the caller learns of it.
    replica.supersede(newer);
    this.remember({ epoch, newer });
    this.options.onStopped?.({ epoch, newer });
  }

  /** A full disk may have room again. Whoever knows of the newer epoch goes on asking, so that no timer is needed. */
  private rememberAgain(): void {
    const { unkept, options } = this;
    if (unkept === undefined || options.platform.monotonicMs() - unkept.triedMs < REMEMBER_AGAIN_MS) return;
    this.remember(unkept.superseded);
    if (this.unkept === undefined) options.platform.log.info("the newer bank is remembered now");
  }

  private remember(superseded: Superseded): void {
    const { file, platform } = this.options;
    try {
      file?.write(superseded);
      this.unkept = undefined;
    } catch (error) {
      // Told once, however often it is tried.
      if (this.unkept === undefined)
        platform.log.error(
          "could not be remembered: started again, this bank would serve until it hears of the newer one",
          { problem: errorText(error) },
        );
      this.unkept = { superseded, triedMs: platform.monotonicMs() };
    }
  }
}
