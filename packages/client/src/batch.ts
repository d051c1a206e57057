import { COMMANDS_PER_CALL_MAX } from "@bank/core";
import type { ExecuteBatchResponse, BatchResult as WireBatchResult } from "@bank/proto";
import { malformed, type WritePropagation } from "@bank/rpc";
import {
  type AttemptFailure,
  attemptFailure,
  FailedAttempt,
  toTryAgain,
  UnexpectedReplyError,
} from "./attempt-failure.ts";
import { BankError, type FieldViolation } from "./bank-error.ts";
import { BatchEntry } from "./batch-entry.ts";
import type { Caller } from "./caller.ts";
import { propagationOf } from "./messages/index.ts";
import type { Attempt } from "./retry.ts";
import type { BatchCommand, BatchResult, WriteOptions } from "./types/index.ts";

/**
 * Sends many commands in one call, and again those that were not answered, each with its own request id.
 * Gives one result for each command, in their order; what the network or the bank did is in the results.
 */
export async function executeBatch(
  caller: Caller,
  commands: readonly BatchCommand[],
  options: WriteOptions,
): Promise<BatchResult[]> {
  const count = commands.reduce((sum, command) => sum + commandCount(command), 0);
  if (count > COMMANDS_PER_CALL_MAX)
    throw new RangeError(
      `a batch has at most ${COMMANDS_PER_CALL_MAX} commands, those in groups counted, not ${count}`,
    );
  const entries = commands.map((command) => new BatchEntry(command, caller.server.url));
  const propagation = caller.propagationOf(options);
  const pending = () => entries.filter((entry) => !entry.settled);
  if (pending().length > 0) {
    try {
      await caller.retried({ ...options, mutates: true }, async (call) => {
        await sendWellFormed(caller, pending, { ...call, propagation });
        const again = toTryAgain(pending());
        if (again !== undefined) throw new FailedAttempt(again);
      });
    } catch (error) {
      if (!(error instanceof BankError)) throw error;
      for (const entry of pending()) entry.giveUp(error);
    }
  }
  return entries.map((entry) => entry.result());
}

/** How often a call is sent again without the commands for which it was refused: with each answer, up to ten. */
const REFUSED_CALLS_MAX = 20;

/**
 * Commands of which one is malformed are refused as a whole: sends the others again, at once and in their order. Where
 * too many are malformed, all that is left ends with what was said last.
 */
async function sendWellFormed(
  caller: Caller,
  pending: () => readonly BatchEntry[],
  { server, timeoutMs, ...call }: Parameters<Attempt<void>>[0] & { readonly propagation: WritePropagation },
): Promise<void> {
  const { url } = server;
  const deadlineMs = performance.now() + timeoutMs;
  for (let refused = 0; ; refused++) {
    const sent = pending();
    if (sent.length === 0) return;
    const leftMs = Math.max(1, Math.floor(deadlineMs - performance.now()));
    try {
      await caller.once(
        { ...call, server, timeoutMs: leftMs, isBeyondSession: hasNewRecord },
        (sending) => server.transactions.executeBatch({ items: sent.map(({ item }) => item) }, sending),
        (reply) => settle(sent, reply, url),
      );
      return;
    } catch (error) {
      const failure = attemptFailure(error, url);
      const blamed = malformedItems(failure, refused < REFUSED_CALLS_MAX ? sent.length : 0);
      for (const [index, entry] of sent.entries()) {
        const violations = blamed.get(index);
        if (violations !== undefined) entry.failed(attemptFailure(malformed(violations), url));
        else if (blamed.size > 0) entry.refusedForOthers();
        else entry.tryFailed(failure);
      }
      if (blamed.size === 0) throw error;
    }
  }
}

/** Where a field of an item stands in a batch: its index, the name of its command, and the field inside that. */
const ITEM_FIELD = /^items\[([0-9]+)\](?:\.[a-z_]+(?:\.(.+))?)?$/;

/** What is wrong with single commands of a call that was refused for nothing else, by their places in it. */
function malformedItems(
  { reason, outcome, violations = [] }: AttemptFailure,
  count: number,
): ReadonlyMap<number, readonly FieldViolation[]> {
  const byIndex = new Map<number, FieldViolation[]>();
  if (reason !== "INVALID_REQUEST" || outcome !== "NOT_APPLIED") return byIndex;
  for (const { field, description } of violations) {
    const match = ITEM_FIELD.exec(field);
    const index = Number(match?.[1] ?? count);
    if (index >= count) return new Map();
    byIndex.set(index, [...(byIndex.get(index) ?? []), { field: match?.[2] ?? "", description }]);
  }
  return byIndex;
}

/** Those inside a group count. */
function commandCount(command: BatchCommand): number {
  return command.kind === "group" ? Math.max(command.items.length, 1) : 1;
}

/** What is done now comes after all that the session saw; repeated answers may be older. */
function hasNewRecord({ results }: ExecuteBatchResponse): boolean {
  return results.some(({ result, replayed }) => result.case !== "failure" && !replayed);
}

function settle(entries: readonly BatchEntry[], { results, readInfo }: ExecuteBatchResponse, server: string): void {
  if (results.length !== entries.length)
    throw new UnexpectedReplyError(`it gave ${results.length} results for ${entries.length} commands`);
  const propagation = propagationOf(readInfo);
  entries.forEach((entry, i) => {
    entry.answered(results[i] as WireBatchResult, { server, propagation });
  });
}
