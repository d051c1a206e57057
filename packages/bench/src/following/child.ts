import type { BranchNumber, Position } from "@bank/core";
import type { Moments } from "./moments.ts";

/** A branch that a child runs: a replica with a copy of its own. */
export interface BranchPlan {
  readonly number: BranchNumber;
  /** Whom it follows: the bank, or a branch. */
  readonly upstream: string;
  readonly dataDir: string;
}

/** What a child is asked. It answers each with one message. */
export type Ask =
  | { readonly ask: "start bank"; readonly dataDir: string }
  | { readonly ask: "start branches"; readonly branches: readonly BranchPlan[] }
  /** Answered once every branch of the child shows the position. */
  | { readonly ask: "show"; readonly position: Position }
  | { readonly ask: "moments" }
  | { readonly ask: "stop" };

export type Answer =
  /** Of the bank: its URL. Of branches: theirs, in order. */
  | { readonly answer: "started"; readonly urls: readonly string[] }
  | { readonly answer: "done" }
  /** Of the bank: its own. Of branches: theirs, in order. All since the last question. */
  | { readonly answer: "moments"; readonly moments: readonly Moments[] }
  | { readonly answer: "failed"; readonly problem: string };

/** Answers every question by the handler, one after the other. */
export function serveAsks(handle: (ask: Ask) => Promise<Answer>): void {
  process.on("message", (ask: Ask) => {
    const failed = (error: unknown): Answer => ({ answer: "failed", problem: String(error) });
    void handle(ask)
      .catch(failed)
      .then((answer) => process.send?.(answer));
  });
  // Whoever asked is gone: nobody will say stop.
  process.on("disconnect", () => process.exit(1));
}
