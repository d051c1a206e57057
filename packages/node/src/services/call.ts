import type { Ledger, Position, Session } from "@bank/core";
import { type BatchResult, type CommandOutcome, type Failure, type ReadInfo, ReadInfoSchema } from "@bank/proto";
import { epochNumberAt } from "@bank/replica";
import {
  type CommandCase,
  commandCount,
  connectErrorFromFailure,
  encodeSession,
  type ItemCase,
  SESSION_HEADER,
  timestampMessage,
} from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import type { TimedResult } from "../timed-read.ts";
import { askedRead, limitOf, requireOpen } from "./asked-read.ts";
import { PatientLimit } from "./patient-limit.ts";
import { timeOfResult } from "./result-time.ts";
import { askedPropagation, propagationOf } from "./write-propagation.ts";

const EPOCH_ID_BYTES = 16;

/** Reads at a teller as `askedRead` says. Rejects with `RefusalError`, also READ_… when `query` throws one. */
export async function readAt<T>(
  teller: Teller,
  context: HandlerContext,
  query: (ledger: Ledger) => T,
  floor?: Session,
): Promise<{ value: T; readInfo: ReadInfo }> {
  const { consistency, limit } = askedRead(teller, context, floor);
  const result = await teller.read(consistency, query, limit.signal);
  return { value: result.value, readInfo: readInfo(result) };
}

type Result = BatchResult["result"];
/** What a command can give that was done. */
type DoneCase = Exclude<NonNullable<Result["case"]>, "failure">;
type ResultValue<Case extends DoneCase> = Extract<Result, { case: Case }>["value"];

/**
 * A single command: what it gives, or the error that it ended with.
 *
 * @param expected the kind of result that the command has.
 */
export async function executeOne<Case extends DoneCase>(
  teller: Teller,
  context: HandlerContext,
  command: CommandCase,
  expected: Case,
): Promise<{ readonly value: ResultValue<Case>; readonly replayed: boolean; readonly readInfo: ReadInfo }> {
  const { result: told, readInfo } = await executeAny(teller, context, command);
  const groupSize = command.case === "group" ? commandCount(command) : 0;
  return { value: resultValue(told, expected, readInfo, groupSize), replayed: told.replayed, readInfo };
}

/** A movement by itself likewise: what its reply says. */
export async function executeMovement<Name extends string>(
  teller: Teller,
  context: HandlerContext,
  command: Extract<ItemCase, { case: "deposit" | "withdraw" | "transfer" }>,
  $typeName: Name,
) {
  const { result: told, readInfo } = await executeAny(teller, context, command);
  const transaction = resultValue(told, "transaction", readInfo, 0);
  return { $typeName, transaction, replayed: told.replayed, readInfo };
}

/** What a command gave. Throws: the error that it ended with. */
function resultValue<Case extends DoneCase>(
  { result }: BatchResult,
  expected: Case,
  readInfo: ReadInfo,
  groupSize: number,
): ResultValue<Case> {
  if (result.case === "failure") throw rejected(result.value, readInfo, groupSize);
  if (result.case !== expected) throw new Error(`a command that gives ${expected} ended as ${result.case}`);
  return result.value as ResultValue<Case>;
}

/** A single command with the answer to its id, whatever that is; rejects where it has none. */
export async function executeAny(
  teller: Teller,
  context: HandlerContext,
  command: CommandCase,
): Promise<{ readonly result: BatchResult; readonly position: bigint; readonly readInfo: ReadInfo }> {
  requireOpen(teller, context, "OUTCOME_UNKNOWN");
  const asked = askedPropagation(context);
  const session = context.requestHeader.get(SESSION_HEADER) ?? "";
  const limit = new PatientLimit(context);
  const { signal, timeoutMs } = limit;
  try {
    const commands = [command];
    const outcomes = await teller.execute(commands, { signal, timeoutMs, session });
    const [outcome] = outcomes;
    if (outcome?.result === undefined) throw new Error("a command has a result");
    const { result, position, epochId } = outcome;
    const propagation =
      asked.mode === "bank" ? undefined : await propagationOf(teller, context, asked, { commands, outcomes });
    const readInfo = writtenInfo(teller, { position: Number(position), epochId, time: timeOfResult(result) });
    if (propagation !== undefined) readInfo.propagation = propagation;
    return { result, position, readInfo };
  } finally {
    limit.over();
  }
}

/**
 * Many commands: one outcome for each, and a state that contains them, once they have spread as far as the call asked for.
 * Rejects with `RefusalError`, also DRAINING.
 */
export async function executeAll(
  teller: Teller,
  context: HandlerContext,
  commands: readonly CommandCase[],
): Promise<{ readonly outcomes: readonly CommandOutcome[]; readonly readInfo: ReadInfo }> {
  requireOpen(teller, context, "OUTCOME_UNKNOWN");
  const asked = askedPropagation(context);
  const session = context.requestHeader.get(SESSION_HEADER) ?? "";
  const outcomes = await teller.execute(commands, { ...limitOf(context), session });
  const propagation = await propagationOf(teller, context, asked, { commands, outcomes });
  const readInfo = writeInfo(teller, outcomes);
  if (propagation !== undefined) readInfo.propagation = propagation;
  return { outcomes, readInfo };
}

/** Names a state that contains the outcomes. Its time is known only where a result says when it came about. */
export function writeInfo(teller: Teller, outcomes: readonly CommandOutcome[]): ReadInfo {
  let newest: CommandOutcome | undefined;
  for (const outcome of outcomes) if (outcome.position > (newest?.position ?? 0n)) newest = outcome;
  const position = newest?.position ?? 0n;
  let time: Timestamp | undefined;
  for (const outcome of outcomes) if (outcome.position === position) time ??= timeOfResult(outcome.result);
  return writtenInfo(teller, { position: Number(position), epochId: newest?.epochId, time });
}

/**
 * Names a state that contains what was done.
 *
 * @param done with the highest position that any of it was computed from, and what is known of that position.
 */
export function writtenInfo(
  teller: Teller,
  done: {
    readonly position: Position;
    readonly epochId: Uint8Array | undefined;
    readonly time: Timestamp | undefined;
  },
): ReadInfo {
  const { position, epochId, time } = done;
  const told = epochId?.length === EPOCH_ID_BYTES ? epochId : undefined;
  const session = position === 0 ? undefined : teller.sessionAt(position, told);
  const isShown = session !== undefined && teller.shows(position);
  // A literal: every write has one, and `create` takes ten times as long.
  const info: ReadInfo = {
    $typeName: "bank.v1.ReadInfo",
    position: BigInt(position),
    session: session === undefined ? "" : encodeSession(session),
    connected: teller.isConnected,
    epoch: isShown ? BigInt(epochNumberAt(teller.ledger.epochs, position)) : 0n,
  };
  if (time !== undefined) info.time = time;
  return info;
}

/** What a reply says about the state that it was read from. */
export function readInfo<T>(read: TimedResult<T>): ReadInfo {
  const { position, timeMs, stalenessMs, session, connected, epoch } = read;
  return create(ReadInfoSchema, {
    position: BigInt(position),
    ...(stalenessMs === undefined ? {} : { stalenessMs: BigInt(stalenessMs) }),
    session: session === undefined ? "" : encodeSession(session),
    ...(timeMs === undefined ? {} : { time: timestampMessage(timeMs) }),
    connected,
    epoch: BigInt(epoch),
  });
}

/**
 * What a reply says about a state of the past. Nobody knows until when it was the newest.
 *
 * @param read by which it became known.
 */
export function pastInfo<T>(
  teller: Teller,
  { connected }: TimedResult<T>,
  { position, timeMs }: { readonly position: Position; readonly timeMs: number | undefined },
): ReadInfo {
  const session = teller.sessionAt(position);
  const epoch = epochNumberAt(teller.ledger.epochs, position);
  return readInfo({ value: undefined, position, timeMs, stalenessMs: undefined, session, connected, epoch });
}

/** A rejection is an outcome that was seen: its error carries the session as a success would. */
function rejected(failure: Failure, { session }: ReadInfo, groupSize: number) {
  const error = connectErrorFromFailure(failure, groupSize);
  if (session !== "") error.metadata.set(SESSION_HEADER, session);
  return error;
}
