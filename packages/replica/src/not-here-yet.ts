import { RefusalError } from "@bank/core";
import type { StoreGap } from "@bank/store";
import { JournalGapError } from "@bank/store/errors";

/** What somebody outside is told who asks for what lies in a journal's gap; any other error stays as it is. */
export function notHereYet(error: unknown): unknown {
  if (!(error instanceof JournalGapError)) return error;
  return new RefusalError("NOT_READY", { problem: error.message }, "NOT_APPLIED", { cause: error });
}

/** Likewise, for what needs the whole journal. */
export function needsWholeJournal(gap: StoreGap): RefusalError {
  const from = gap.filled?.position ?? gap.after;
  const problem = `it began from a snapshot, and of what lies before position ${gap.upTo.position + 1} it has fetched up to ${from}`;
  return new RefusalError("NOT_READY", { problem });
}
