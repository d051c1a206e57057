import type { Ledger, Position } from "@bank/core";
import {
  type BatchResult,
  BatchResultSchema,
  type CommandOutcome,
  ExecuteMovementsResponseSchema,
  type MovementOutcome,
  MovementOutcomeSchema,
  type MovementTime,
  MovementTimeSchema,
} from "@bank/proto";
import type { OrdersOutcome, Outcome } from "@bank/replica";
import { columnOf, failureFromRefusal, type MovementsReply, resultFromRecord, unixMs } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { timeOfResult } from "./services/result-time.ts";

/** What became of a call of movements. */
export interface MovementsDone {
  /** Without what it says about the state. */
  readonly reply: MovementsReply;
  /** The position that it was computed from. */
  readonly position: Position;
  /** The epoch of that position, 16 bytes; undefined where nobody says. */
  readonly epochId?: Uint8Array | undefined;
}

/** The reply of the one who decided. */
export function replyFromOrders(ledger: Ledger, done: OrdersOutcome, branch: number): MovementsReply {
  const others: MovementOutcome[] = [];
  for (const [row, outcome] of done.others)
    others.push(create(MovementOutcomeSchema, { row, result: resultOf(ledger, outcome) }));
  return reply({ positions: done.positions, times: timesOf(done.timesMs), others, branch });
}

/** The reply of an older bank, which was asked row by row. */
export function replyFromOutcomes(outcomes: readonly CommandOutcome[], branch: number): MovementsReply {
  const positions = new Float64Array(outcomes.length);
  const timesMs = new Float64Array(outcomes.length);
  const others: MovementOutcome[] = [];
  for (const [row, { result }] of outcomes.entries()) {
    if (result === undefined) throw new Error("a command has a result");
    positions[row] = answeredAt(result);
    const time = result.replayed ? undefined : timeOfResult(result);
    if (time === undefined) others.push(create(MovementOutcomeSchema, { row, result }));
    else timesMs[row] = unixMs(time, "time");
  }
  return reply({ positions, times: timesOf(timesMs), others, branch });
}

/** Journal time of the row that a position answers; undefined where no row that was done is answered by it. */
export function timeOfReply({ positions, times, others }: MovementsReply, position: Position): Timestamp | undefined {
  const row = positions.lastIndexOf(BigInt(position) as never);
  if (position === 0 || row === -1) return undefined;
  const other = others.find((each) => each.row === row);
  if (other !== undefined) return timeOfResult(other.result);
  const time = times.findLast((each) => each.row <= row);
  return time === undefined ? undefined : timestampFromMs(Number(time.timeMs));
}

/** The newest position of the rows that were done, now or before; 0 where none were. */
export function newestDone({ positions, others }: MovementsReply): Position {
  const failed = new Set(others.flatMap(({ row, result }) => (result?.result.case === "transaction" ? [] : row)));
  let newest = 0n;
  for (let row = 0; row < positions.length; row++) {
    const position = positions[row] as bigint;
    if (position > newest && !failed.has(row)) newest = position;
  }
  return Number(newest);
}

function reply(parts: {
  readonly positions: Float64Array;
  readonly times: MovementTime[];
  readonly others: MovementOutcome[];
  readonly branch: number;
}): MovementsReply {
  const { positions, ...rest } = parts;
  return Object.assign(create(ExecuteMovementsResponseSchema, rest), { positions: columnOf(positions) } as const);
}

/** One entry for each run of rows of one time; rows without one do not end a run. */
function timesOf(timesMs: Float64Array): MovementTime[] {
  const times: MovementTime[] = [];
  let last = 0;
  for (let row = 0; row < timesMs.length; row++) {
    const timeMs = timesMs[row] as number;
    if (timeMs === 0 || timeMs === last) continue;
    times.push(create(MovementTimeSchema, { row, timeMs: BigInt(timeMs) }));
    last = timeMs;
  }
  return times;
}

function resultOf(ledger: Ledger, outcome: Outcome): BatchResult {
  if (outcome.kind === "answered") return resultFromRecord(ledger, outcome);
  const value = failureFromRefusal(outcome.error);
  return create(BatchResultSchema, { result: { case: "failure", value } });
}

/** The position of the record that a result shows; 0 for what no record answers. */
function answeredAt({ result }: BatchResult): Position {
  switch (result.case) {
    case "transaction":
    case "failure":
      return Number(result.value.position);
    default:
      throw new Error(`a movement ended as ${result.case}`);
  }
}
