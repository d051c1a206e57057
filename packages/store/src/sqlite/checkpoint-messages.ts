/** What the thread that checkpoints is told: to do it once, or to give its connection back and end. */
export type CheckpointRequest = "checkpoint" | "close";

/** What it answers to each checkpoint. */
export type CheckpointReply =
  | {
      readonly kind: "done";
      /** How many pages the log has, copied or not. */
      readonly logPages: number;
    }
  | { readonly kind: "failed"; readonly problem: string };
