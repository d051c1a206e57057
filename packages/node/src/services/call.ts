import { checkSession, invalidSession, type Ledger, type Position, type Session } from "@bank/core";
import { type CommandOutcome, type Failure, type ReadInfo, ReadInfoSchema } from "@bank/proto";
import { type Consistency, lostSession, type ReadResult } from "@bank/replica";
import {
  type CommandCase,
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
 */
export async function readAt<T>(
  teller: Teller,
  context: HandlerContext,
  query: (ledger: Ledger) => T,
  floor?: Session,
): Promise<{ value: T; readInfo: ReadInfo }> {
  const { mode, session: token } = readConsistency(context.requestHeader);
  const session = token === undefined ? undefined : decodeSession(token);
  const checked = mode === "local" ? [] : [session];
  const result = await teller.read(
    consistencyOf(mode, session, floor),
    (ledger) => {
      for (const seen of [...checked, floor]) if (seen !== undefined) requireSeen(teller, ledger, seen);
      return query(ledger);
    },
    context.signal,
  );
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
  return teller.execute(commands, { signal: context.signal, session });
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

function consistencyOf(mode: string, session: Session | undefined, floor: Session | undefined): Consistency {
  if (mode === "linearizable") return { mode: "linearizable" };
  if (mode === "session" && session !== undefined) return { mode: "session", session };
  // A later page is never of an older state than the first, wherever it is read.
  return floor === undefined ? { mode: "local" } : { mode: "session", session: floor };
}

function requireSeen(teller: Teller, ledger: Ledger, session: Session): void {
  const check = checkSession(session, teller.bankId, ledger.epochs);
  if (check.kind === "unknownEpoch") throw lostSession(session, ledger.epochs);
  if (check.position > ledger.position) throw notReached(check.position, ledger.position);
}

function notReached(position: Position, end: Position) {
  return invalidSession(`it names position ${position}, and the journal ends at ${end}`);
}
