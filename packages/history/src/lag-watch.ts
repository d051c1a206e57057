import type { Position } from "@bank/core";
import type { Log } from "@bank/replica";

type State =
  /** Not once near the end of the journal since it was opened: it is being built, or catches up with a long absence. */
  | "building"
  /** Near enough. */
  | "current"
  /** It was near, and fell behind by much. Left when it is near again. */
  | "behind";

/** Says in the log when a history falls behind by much, and when it is near again. */
export class LagWatch {
  private readonly log: Log;
  private readonly limit: number;
  private state: State = "building";
  /** Whether the log has a line about what goes on. */
  private isTold = false;
  /** The next complaint comes when it is so far behind. */
  private warnAt: number;

  /** @param limit how many records behind is much. */
  constructor(log: Log, limit: number) {
    this.log = log;
    this.limit = limit;
    this.warnAt = limit;
  }

  /** @param end of the journal. */
  look(projected: Position, end: Position): void {
    const behind = end - projected;
    if (this.state === "building" && behind >= this.limit) {
      this.isTold = true;
      this.log.info("the history is being built", { position: projected, journal_position: end });
    } else if (behind >= this.warnAt) {
      this.state = "behind";
      this.isTold = true;
      // Once for each doubling: every look would drown what else there is to read.
      this.warnAt = behind * 2;
      this.log.warn("the history falls behind the journal", { behind, position: projected });
    } else if (behind < this.limit / 2) {
      if (this.isTold) this.log.info("the history has caught up with the journal", { position: projected });
      this.isTold = false;
      this.state = "current";
      this.warnAt = this.limit;
    }
  }
}
