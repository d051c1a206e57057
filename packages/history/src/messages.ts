import type { Frames, ProjectionHead } from "./projection.ts";
import type { Queries, Query, QueryName } from "./queries.ts";

/** What a worker is started with. */
export interface WorkerStart {
  /** Path of the database, or `MEMORY`. */
  readonly file: string;
  /** Why the file is to be built anew, if it is. */
  readonly discard: string | undefined;
  /** How long what is projected may wait to be written, in milliseconds. */
  readonly keepAfterMs: number;
}

/**
 * What the worker is told. It does one thing after the other, in the order of the messages; but while it writes what was
 * projected, a slice at a time, questions are answered before frames that came earlier.
 */
export type ToWorker =
  /** Build everything anew: what is there is of another journal. Answered by `opened`. */
  | { readonly kind: "rebuild"; readonly reason: string }
  /** To be projected all or none. Answered by `projected`. */
  | { readonly kind: "frames"; readonly frames: Frames }
  /** Answered by `answer` with the same id. */
  | { readonly kind: "query"; readonly id: number; readonly query: Query }
  /** Give the file back and end. */
  | { readonly kind: "close" };

/** What the worker tells. */
export type FromWorker =
  /** Once after the start, and after each `rebuild`. `rebuilt` says why all that was there was thrown away, if it was. */
  | { readonly kind: "opened"; readonly head: ProjectionHead | undefined; readonly rebuilt: string | undefined }
  | { readonly kind: "projected"; readonly head: ProjectionHead }
  | { readonly kind: "answer"; readonly id: number; readonly answer: Queries[QueryName]["answer"] }
  /** The last message of a worker that cannot go on. */
  | { readonly kind: "failed"; readonly problem: string; readonly isDamaged: boolean };
