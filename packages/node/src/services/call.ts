import { type Ledger, mergeSessions, type Session } from "@bank/core";
import { type CommandOutcome, type Failure, type ReadInfo, ReadInfoSchema } from "@bank/proto";
import type { Consistency, ReadResult } from "@bank/replica";
import {
  type CommandCase,
  type ConsistencyMode,
  connectErrorFromFailure,
  decodeSession,
  encodeSession,
  readConsistency,
  SESSION_HEADER,
} from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";

/**
 * Reads at a teller as the call's headers ask. A session that comes with a read is checked in every mode but `local`:
 * what it saw must be in the state that is read.
 * Rejects with `RefusalError`, also READ_… when `query` throws one.
 *
 * @param floor what must be in that state in every mode.
 */
export async function readAt<T>(
  teller: Teller,
  context: HandlerContext,
  query: (ledger: Ledger) => T,
  floor?: Session,
): Promise<{ value: T; readInfo: ReadInfo }> {
  const { mode, session: token } = readConsistency(context.requestHeader);
  const session = token === undefined ? undefined : decodeSession(token);
  const seen = joined(mode === "local" ? undefined : session, floor);
  const signal = limitedSignal(context);
  // What a session saw is in every linearizable read, unless it was lost.
  if (mode === "linearizable" && seen !== undefined) await teller.checkSession(seen, signal);
  const result = await teller.read(consistencyOf(mode, seen), query, signal);
  return { value: result.value, readInfo: readInfo(result) };
}

/** A single command: its outcome, or the error that it ended with. */
export async function executeOne(
  teller: Teller,
  context: HandlerContext,
  command: CommandCase,
): Promise<CommandOutcome & { readonly readInfo: ReadInfo }> {
  const [outcome] = await executeAll(teller, context, [command]);
  if (outcome === undefined) throw new Error("a command has an outcome");
  const readInfo = writeInfo(teller, outcome.position);
  if (outcome.result.case === "failure") throw rejected(outcome.result.value, readInfo);
  return { ...outcome, readInfo };
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

/** Names a state that contains the position. */
export function writeInfo(teller: Teller, position: bigint): ReadInfo {
  const session = position === 0n ? undefined : teller.sessionAt(Number(position));
  return create(ReadInfoSchema, { position, session: session === undefined ? "" : encodeSession(session) });
}

function readInfo<T>({ position, stalenessMs, session }: ReadResult<T>): ReadInfo {
  return create(ReadInfoSchema, {
    position: BigInt(position),
    ...(stalenessMs === undefined ? {} : { stalenessMs: BigInt(stalenessMs) }),
    session: session === undefined ? "" : encodeSession(session),
  });
}

/** A rejection is an outcome that was seen: its error carries the session as a success would. */
function rejected(failure: Failure, { session }: ReadInfo) {
  const error = connectErrorFromFailure(failure);
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
