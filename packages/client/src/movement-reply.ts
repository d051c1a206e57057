import { AccountType, BRANCH_NUMBER_MAX, internalAccountName, TIME_MS_MAX } from "@bank/core";
import type { ExecuteMovementsResponse, MovementOutcome, BatchResult as WireBatchResult } from "@bank/proto";
import { halvesOf, type MovementsReply } from "@bank/rpc";
import { attemptFailure, isFinal, resultFailure, UnexpectedReplyError } from "./attempt-failure.ts";
import { readInfoOf, safeNumber, transactionOf } from "./messages/index.ts";
import type { MovementEntry } from "./movement-entry.ts";
import type { Booked, ReadInfo } from "./types/index.ts";

/** What a call of movements was answered with, looked through: it fits the rows that were sent. */
export interface CheckedReply {
  readonly info: ReadInfo;
  readonly others: readonly MovementOutcome[];
  readonly times: readonly { readonly row: number; readonly timeMs: number }[];
  /** Low and high half of each. */
  readonly positions: Uint32Array;
  readonly branch: number;
}

/** Throws: `UnexpectedReplyError` for what no bank says about so many rows. */
export function checkReply(reply: ExecuteMovementsResponse | MovementsReply, count: number): CheckedReply {
  const { others, branch } = reply;
  if (reply.positions.length !== count)
    throw new UnexpectedReplyError(`it gave ${reply.positions.length} positions for ${count} rows`);
  if (branch > BRANCH_NUMBER_MAX) throw new UnexpectedReplyError(`it says the impossible branch ${branch}`);
  checkOthers(others, count);
  const times = timesOf(reply, count);
  if (others.length < count && (times[0] === undefined || times[0].row > firstPlainRow(others)))
    throw new UnexpectedReplyError("it left out the time of rows that were done");
  const info = readInfoOf(reply.readInfo);
  const positions = halvesOf(reply.positions);
  checkPositions(positions, others, info.position);
  return { info, others, times, positions, branch };
}

function checkOthers(others: readonly MovementOutcome[], count: number): void {
  let row = -1;
  for (const other of others) {
    if (other.row <= row || other.row >= count)
      throw new UnexpectedReplyError("it told of rows that were not sent, or out of order");
    if (other.result === undefined) throw new UnexpectedReplyError(`it left out the result of row ${other.row}`);
    row = other.row;
  }
}

function timesOf(reply: ExecuteMovementsResponse | MovementsReply, count: number): CheckedReply["times"] {
  let last = -1;
  return reply.times.map(({ row, timeMs }) => {
    if (row <= last || row >= count)
      throw new UnexpectedReplyError("it told the times of rows that were not sent, or out of order");
    last = row;
    const ms = safeNumber(timeMs);
    if (ms > TIME_MS_MAX) throw new UnexpectedReplyError(`it says the impossible time ${ms}`);
    return { row, timeMs: ms };
  });
}

/** What was done has a position, and stands in the state that contains it all. The others say theirs by themselves. */
function checkPositions(positions: Uint32Array, others: readonly MovementOutcome[], newest: number): void {
  let other = 0;
  for (let row = 0; 2 * row < positions.length; row++) {
    if (others[other]?.row === row) {
      other++;
      continue;
    }
    const position = positionAt(positions, row);
    if (position < 1 || position > newest)
      throw new UnexpectedReplyError(`it says position ${position} of a row that was done, in the state at ${newest}`);
  }
}

/** Rounded where it is greater than any that there is. */
function positionAt(positions: Uint32Array, row: number): number {
  return (positions[2 * row] as number) + (positions[2 * row + 1] as number) * 2 ** 32;
}

function firstPlainRow(others: readonly MovementOutcome[]): number {
  const row = others.findIndex((other, i) => other.row !== i);
  return row === -1 ? others.length : row;
}

/** Tells each movement what became of it. */
export function settleRows(sent: readonly MovementEntry[], reply: CheckedReply, server: string): void {
  const { info, others, times, positions, branch } = reply;
  // A call has one currency, and so one account for cash.
  const cash = internalAccountName(AccountType.CASH, branch, sent[0]?.currency ?? "");
  let other = 0;
  let time = 0;
  for (let i = 0; i < sent.length; i++) {
    const entry = sent[i] as MovementEntry;
    while ((times[time + 1]?.row ?? sent.length) <= i) time++;
    const told = others[other];
    if (told?.row === i) {
      other++;
      settleOne(entry, told.result as WireBatchResult, info, server);
    } else if (!entry.settled) {
      const position = positionAt(positions, i);
      entry.answered(bookedRow(entry, { info, position, timeMs: times[time]?.timeMs ?? 0, branch, cash }));
    }
  }
}

interface RowAnswer {
  readonly info: ReadInfo;
  readonly position: number;
  readonly timeMs: number;
  readonly branch: number;
  readonly cash: string;
}

/** What the call by itself would have resolved with. Written out: there are hundreds of thousands of them in a second. */
function bookedRow(entry: MovementEntry, { info, position, timeMs, branch, cash }: RowAnswer): Booked {
  const { debitAccount, creditAccount, currency, minor, requestId } = entry;
  return {
    requestId,
    replayed: false,
    preview: false,
    position: info.position,
    timeMs: info.timeMs ?? timeMs,
    stalenessMs: info.stalenessMs,
    connected: info.connected,
    epoch: info.epoch,
    session: info.session,
    propagation: undefined,
    transaction: {
      position,
      kind: debitAccount === undefined ? "deposit" : creditAccount === undefined ? "withdrawal" : "transfer",
      debitAccount: debitAccount ?? cash,
      creditAccount: creditAccount ?? cash,
      amount: { currency, minor },
      branch,
      timeMs,
      // As servers write it.
      requestId: requestId.toLowerCase(),
      reverses: undefined,
      hold: undefined,
      reversedBy: undefined,
    },
  };
}

/** A result that no movement has says nothing: then it is not known what became of this one. */
export function settleOne(
  entry: MovementEntry,
  { result, replayed }: WireBatchResult,
  info: ReadInfo,
  server: string,
): void {
  if (entry.settled) return;
  if (result.case === "failure") {
    const failure = resultFailure(result.value, server);
    entry.failed(failure);
    if (isFinal(failure)) entry.endAs(failure);
    return;
  }
  try {
    if (result.case !== "transaction")
      throw new UnexpectedReplyError(`it answered a movement with ${result.case ?? "nothing"}`);
    const { requestId } = entry;
    const transaction = transactionOf(result.value);
    // A replay stands where it was done, and is told in the state of now.
    const timeMs = info.timeMs ?? transaction.timeMs;
    entry.answered({ requestId, replayed, preview: false, ...info, timeMs, propagation: undefined, transaction });
  } catch (error) {
    if (!(error instanceof UnexpectedReplyError)) throw error;
    const failure = attemptFailure(error, server);
    entry.failed(failure);
    // It is about this movement alone, and says nothing about the server.
    entry.endAs(failure);
  }
}
