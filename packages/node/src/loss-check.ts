import { type BankReplica, errorText, findLosses, type Log, type Platform } from "@bank/replica";
import type { JournalStore } from "@bank/store";
import { askWitnesses } from "./ask-witnesses.ts";

/** How long branches may take to confirm that they hold what this bank lacks. */
const CONFIRM_TIMEOUT_MS = 2_000;

/**
 * Follows up a follower whose journal is no prefix of the bank's. Anybody can say so, so that nothing is believed that a
 * registered branch, asked back at its own address, does not confirm; then the bank stops writing.
 */
export class LossCheck {
  private readonly options: {
    readonly replica: BankReplica;
    readonly store: JournalStore;
    readonly platform: Platform;
    readonly log: Log;
  };
  private checking = false;

  constructor(options: LossCheck["options"]) {
    this.options = options;
  }

  /** Asks the branches, unless they are being asked already. */
  start(follower: string): void {
    if (this.checking) return;
    this.checking = true;
    this.check(follower)
      .catch((error: unknown) => {
        this.options.log.error("a reported loss could not be checked", { follower, problem: errorText(error) });
      })
      .finally(() => {
        this.checking = false;
      });
  }

  private async check(follower: string): Promise<void> {
    const { replica, store, platform, log } = this.options;
    const witnesses = await askWitnesses(replica.ledger, {
      store,
      anchor: undefined,
      timeoutMs: CONFIRM_TIMEOUT_MS,
      platform,
    });
    // What is committed by now includes whatever a sound branch can have told.
    const journal = { position: replica.committedPosition };
    const [loss] = await findLosses(store, journal, witnesses);
    // Another bank on the same store may have written what is missing here.
    if (loss !== undefined) await replica.confirmStore();
    if (loss !== undefined) replica.reportLoss(loss.witness.name, loss.witness.position);
    else log.warn("a follower's journal is no part of this one, and no registered branch confirms it", { follower });
  }
}
