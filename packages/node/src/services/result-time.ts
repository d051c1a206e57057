import type { BatchResult } from "@bank/proto";
import type { Timestamp } from "@bufbuild/protobuf/wkt";

/**
 * The journal time of the record that a result is, where the result shows it: where money moved or an account was
 * opened. What was only previewed stands nowhere, and has no time.
 */
export function timeOfResult(told: BatchResult | undefined): Timestamp | undefined {
  const result = told?.result;
  switch (result?.case) {
    case "transaction":
      return result.value.position === 0n ? undefined : result.value.time;
    case "account":
      return result.value.openedPosition === 0n ? undefined : result.value.openedAt;
    case "interest":
    case "capture": {
      const { transaction } = result.value;
      return transaction === undefined || transaction.position === 0n ? undefined : transaction.time;
    }
    case "group":
      // The records of a group stand in one batch, which has one time.
      for (const each of result.value.results) {
        const time = timeOfResult(each);
        if (time !== undefined) return time;
      }
      return undefined;
    default:
      return undefined;
  }
}
