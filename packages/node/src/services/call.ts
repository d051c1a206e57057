import { type Ledger, mergeSessions, RefusalError, type Session } from "@bank/core";
import { type BatchResult, type CommandOutcome, type Failure, type ReadInfo, ReadInfoSchema } from "@bank/proto";
import type { Consistency } from "@bank/replica";
import {
  type CommandCase,
  type ConsistencyMode,
  commandCount,
  connectErrorFromFailure,
  decodeSession,
  encodeSession,
  readConsistency,
  SESSION_HEADER,
  timestampMessage,
} from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";
import type { TimedResult } from "../timed-read.ts";
import { timeOfResult } from "./result-time.ts";

/**
 * What a call's headers ask of the state that it is answered from. A session that comes along is checked in every mode
 * but `local`: what it saw must be in that state.
 * Rejects with `RefusalError`.
 *
 * @param floor what must be in that state in every mode.
 */
export async function askedConsistency(
  teller: Teller,
  context: HandlerContext,
  floor?: Session,
): Promise<{ readonly consistency: Consistency; readonly signal: AbortSignal }> {
  const { consistency, session: token } = readConsistency(context.requestHeader);
  const { mode } = consistency;
  if (mode === "bounded" || mode === "position" || mode === "time")
    throw new RefusalError("INVALID_REQUEST", { problem: `this read cannot be ${mode}` });
  const session = token === undefined ? undefined : decodeSession(token);
  const seen = joined(mode === "local" ? undefined : session, floor);
  const signal = limitedSignal(context);
  // What a session saw is in every linearizable read, unless it was lost.
  if (mode === "linearizable" && seen !== undefined) await teller.checkSession(seen, signal);
  return { consistency: consistencyOf(mode, seen), signal };
}

/** Reads at a teller as `askedConsistency`. Rejects with `RefusalError`, also READ_… when `query` throws one. */
export async function readAt<T>(
  teller: Teller,
  context: HandlerContext,
  query: (ledger: Ledger) => T,
  floor?: Session,
): Promise<{ value: T; readInfo: ReadInfo }> {
  const { consistency, signal } = await askedConsistency(teller, context, floor);
  const result = await teller.read(consistency, query, signal);
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
  const [outcome] = await executeAll(teller, context, [command]);
  if (outcome?.result === undefined) throw new Error("a command has a result");
  const { result, position } = outcome;
  return { result, position, readInfo: writeInfo(teller, [outcome]) };
}

/** Many commands: one outcome for each. */
export function executeAll(
  teller: Teller,
  context: HandlerContext,
  commands: readonly CommandCase[],
): Promise<readonly CommandOutcome[]> {
  const session = context.requestHeader.get(SESSION_HEADER) ?? "";
  return teller.execute(commands, { signal: limitedSignal(context), session });
}

/** How long a call may take that says nothing about it. */
const TIMEOUT_DEFAULT_MS = 30_000;

/** Aborts when the caller leaves, at the caller's deadline, and where there is none at the default. */
function limitedSignal(context: HandlerContext): AbortSignal {
  if (context.timeoutMs() !== undefined) return context.signal;
  return AbortSignal.any([context.signal, AbortSignal.timeout(TIMEOUT_DEFAULT_MS)]);
}

/** Names a state that contains the outcomes. Its time is known only where a result says when it came about. */
export function writeInfo(teller: Teller, outcomes: readonly CommandOutcome[]): ReadInfo {
  const position = outcomes.reduce((highest, { position: p }) => (p > highest ? p : highest), 0n);
  const session = position === 0n ? undefined : teller.sessionAt(Number(position));
  const times = outcomes.flatMap(({ position: p, result }) => (p === position ? (timeOfResult(result) ?? []) : []));
  return create(ReadInfoSchema, {
    position,
    session: session === undefined ? "" : encodeSession(session),
    ...(times[0] === undefined ? {} : { time: times[0] }),
  });
}

/** What a reply says about the state that it was read from. */
export function readInfo<T>({ position, timeMs, stalenessMs, session }: TimedResult<T>): ReadInfo {
  return create(ReadInfoSchema, {
    position: BigInt(position),
    ...(stalenessMs === undefined ? {} : { stalenessMs: BigInt(stalenessMs) }),
    session: session === undefined ? "" : encodeSession(session),
    ...(timeMs === undefined ? {} : { time: timestampMessage(timeMs) }),
  });
}

/** A rejection is an outcome that was seen: its error carries the session as a success would. */
function rejected(failure: Failure, { session }: ReadInfo, groupSize: number) {
  const error = connectErrorFromFailure(failure, groupSize);
  if (session !== "") error.metadata.set(SESSION_HEADER, session);
  return error;
}

function consistencyOf(mode: ConsistencyMode, seen: Session | undefined): Consistency {
  if (mode === "linearizable") return { mode: "linearizable" };
  // Also a local read of a later page: it is never of an older state than the first, wherever it is read.
  return seen === undefined ? { mode: "local" } : { mode: "session", session: seen };
}

function joined(session: Session | undefined, floor: Session | undefined): Session | undefined {
  return session === undefined || floor === undefined ? (session ?? floor) : mergeSessions(session, floor);
}
