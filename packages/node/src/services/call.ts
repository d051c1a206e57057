import type { Ledger, Position, Session } from "@bank/core";
import { type BatchResult, type CommandOutcome, type Failure, type ReadInfo, ReadInfoSchema } from "@bank/proto";
import { epochNumberAt } from "@bank/replica";
import {
  type CommandCase,
  commandCount,
  connectErrorFromFailure,
  encodeSession,
  SESSION_HEADER,
  timestampMessage,
} from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import type { TimedResult } from "../timed-read.ts";
import { askedRead, limitOf, requireOpen } from "./asked-read.ts";
import { timeOfResult } from "./result-time.ts";
import { askedPropagation, propagationOf } from "./write-propagation.ts";

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
  const { result, replayed } = told;
  if (result.case === "failure")
    throw rejected(result.value, readInfo, command.case === "group" ? commandCount(command) : 0);
  if (result.case !== expected) throw new Error(`${command.case} ended as ${result.case}`);
  return { value: result.value as ResultValue<Case>, replayed, readInfo };
}

/** A single command with the answer to its id, whatever that is; rejects where it has none. */
export async function executeAny(
  teller: Teller,
  context: HandlerContext,
  command: CommandCase,
): Promise<{ readonly result: BatchResult; readonly position: bigint; readonly readInfo: ReadInfo }> {
  const { outcomes, readInfo } = await executeAll(teller, context, [command]);
  const [outcome] = outcomes;
  if (outcome?.result === undefined) throw new Error("a command has a result");
  const { result, position } = outcome;
  return { result, position, readInfo };
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
  const newest = outcomes.reduce<CommandOutcome | undefined>(
    (last, outcome) => (outcome.position > (last?.position ?? 0n) ? outcome : last),
    undefined,
  );
  const position = newest?.position ?? 0n;
  const told = newest?.epochId.length === 16 ? newest.epochId : undefined;
  const session = newest === undefined ? undefined : teller.sessionAt(Number(position), told);
  const isShown = session !== undefined && teller.shows(Number(position));
  const epoch = isShown ? epochNumberAt(teller.ledger.epochs, Number(position)) : 0;
  const times = outcomes.flatMap(({ position: p, result }) => (p === position ? (timeOfResult(result) ?? []) : []));
  return create(ReadInfoSchema, {
    position,
    session: session === undefined ? "" : encodeSession(session),
    connected: teller.currency().connected,
    epoch: BigInt(epoch),
    ...(times[0] === undefined ? {} : { time: times[0] }),
  });
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
