import { type History, isRead, type WitnessRecord, type WriteOperation } from "./history.ts";

/** Everything about one request: who tried it, and what the journal has of it. */
export interface Requested {
  readonly request: string;
  /** In the order in which they stand in the history. */
  readonly attempts: WriteOperation[];
  /**
   * When it was sent first by an attempt that may have done it: one that was told to be not applied has not. Infinite
   * where there is none.
   */
  firstInvokeMs: number;
  /** Index in the history of the first record under its id; undefined where the journal has none. */
  recordIndex: number | undefined;
}

/** Every request that somebody made, by its id. */
export type Requests = ReadonlyMap<string, Requested>;

export function gatherRequests({ operations, records }: History): Requests {
  const requests = new Map<string, Requested>();
  for (const operation of operations) {
    if (isRead(operation)) continue;
    const { request } = operation;
    let requested = requests.get(request);
    if (requested === undefined) {
      requested = { request, attempts: [], firstInvokeMs: Number.POSITIVE_INFINITY, recordIndex: undefined };
      requests.set(request, requested);
    }
    requested.attempts.push(operation);
    if (mayHaveActed(operation)) requested.firstInvokeMs = Math.min(requested.firstInvokeMs, operation.invokeMs);
  }
  for (const [index, { request }] of records.entries()) {
    const requested = request === undefined ? undefined : requests.get(request);
    if (requested !== undefined) requested.recordIndex ??= index;
  }
  return requests;
}

/** Whether an attempt may be what did it. */
export function mayHaveActed({ outcome }: WriteOperation): boolean {
  return outcome.status !== "notApplied";
}

/** Whether the client knows what became of it. */
export function isAnswered({ outcome }: WriteOperation): boolean {
  return outcome.status === "ok" || outcome.status === "rejected";
}

/** Where a write stands: as its answer says, or else as the journal does. */
export function positionOf({ outcome }: WriteOperation, record: WitnessRecord | undefined): number | undefined {
  const told = outcome.status === "ok" || outcome.status === "rejected" ? outcome.position : undefined;
  return told ?? record?.position;
}
