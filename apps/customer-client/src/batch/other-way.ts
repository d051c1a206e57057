import type { BankClient } from "@bank/client";
import type { CommandContext } from "../command-context.ts";
import { UsageError } from "../usage-error.ts";
import type { BatchLine } from "./read-batch.ts";
import { batchRequestId } from "./request-id.ts";

/** Questions to the bank at a time. */
const ASKED_TOGETHER = 16;

/**
 * A batch that was carried out as one group is refused line by line: the request ids are others, and all of it would
 * happen a second time.
 * Rejects with `UsageError`, and with `BankError` where the bank cannot say.
 */
export async function refuseIfGroup(context: CommandContext, client: BankClient, batchId: string): Promise<void> {
  if (!(await wasCarriedOut(context, client, batchRequestId(batchId, 0)))) return;
  throw new UsageError(
    `Batch ${JSON.stringify(batchId)} was carried out as one group before: line by line it would be done again. ` +
      "Give --atomic again, or another --batch-id.",
    { batch_id: batchId },
  );
}

/** The other way round. */
export async function refuseIfLines(
  context: CommandContext,
  client: BankClient,
  batchId: string,
  lines: readonly BatchLine[],
): Promise<void> {
  for (let from = 0; from < lines.length; from += ASKED_TOGETHER) {
    const part = lines.slice(from, from + ASKED_TOGETHER);
    const done = await Promise.all(
      part.map(({ line }) => wasCarriedOut(context, client, batchRequestId(batchId, line))),
    );
    const first = part[done.indexOf(true)];
    if (first === undefined) continue;
    throw new UsageError(
      `Line ${first.line} of batch ${JSON.stringify(batchId)} was carried out by itself before: as a group it would be ` +
        "done again. Leave --atomic out, or give another --batch-id.",
      { batch_id: batchId, line: String(first.line) },
    );
  }
}

async function wasCarriedOut(context: CommandContext, client: BankClient, requestId: string): Promise<boolean> {
  const { state } = await client.outcome(requestId, context.call());
  return state === "committed" || state === "inProgress";
}
