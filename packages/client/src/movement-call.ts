import { AccountType, internalAccountName } from "@bank/core";
import {
  BatchItemSchema,
  type ExecuteBatchResponse,
  type ExecuteMovementsRequest,
  ExecuteMovementsRequestSchema,
  type ExecuteMovementsResponse,
  type BatchResult as WireBatchResult,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { attemptFailure, FailedAttempt, resultFailure, UnexpectedReplyError } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import type { Caller } from "./caller.ts";
import type { Server } from "./connections.ts";
import { commandMessage, readInfoOf, safeNumber, transactionOf } from "./messages/index.ts";
import type { MovementCommand, MovementEntry, RowMovement } from "./movement-entry.ts";
import type { Attempt } from "./retry.ts";
import type { Booked, ReadInfo } from "./types/index.ts";

/** Servers of a release that does not know columns yet. */
const withoutColumns = new WeakSet<Server>();

/**
 * Sends movements of one currency in one call, and again those that were not answered, each with its own request id. Each is
 * told what became of it as soon as that is known. Never rejects for what the network or the bank does.
 */
export async function callMovements(
  caller: Caller,
  entries: readonly MovementEntry[],
  timeoutMs: number,
): Promise<void> {
  const pending = () => entries.filter((entry) => !entry.settled);
  try {
    await caller.retried({ mutates: true, timeoutMs }, async (call) => {
      const sent = pending();
      if (sent.length === 0) return;
      await sendOnce(caller, sent, call);
      const again = pending()[0]?.lastFailure;
      if (again !== undefined) throw new FailedAttempt(again);
    });
  } catch (error) {
    if (!(error instanceof BankError)) throw error;
    for (const entry of pending()) entry.giveUp(error);
  }
}

async function sendOnce(
  caller: Caller,
  sent: readonly MovementEntry[],
  call: Parameters<Attempt<void>>[0],
): Promise<void> {
  const { server } = call;
  for (const entry of sent) entry.sent = true;
  const started = performance.now();
  try {
    if (!withoutColumns.has(server)) {
      try {
        await caller.once(
          { ...call, isBeyondSession: (reply: ExecuteMovementsResponse) => reply.others.length < sent.length },
          (sending) => server.transactions.executeMovements(columnsOf(sent), sending),
          (reply) => settleRows(sent, reply, server),
        );
        return;
      } catch (error) {
        if (ConnectError.from(error).code !== Code.Unimplemented) throw error;
        withoutColumns.add(server);
      }
    }
    // What was refused took a moment of the time that there was.
    const timeoutMs = Math.max(1, Math.floor(call.timeoutMs - (performance.now() - started)));
    await caller.once(
      { ...call, timeoutMs, isBeyondSession: (reply: ExecuteBatchResponse) => reply.results.some(isNew) },
      (sending) => server.transactions.executeBatch({ items: sent.map(itemOf) }, sending),
      ({ results, readInfo }) => {
        if (results.length !== sent.length)
          throw new UnexpectedReplyError(`it gave ${results.length} results for ${sent.length} commands`);
        const info = readInfoOf(readInfo);
        sent.forEach((entry, i) => {
          settleOne(entry, results[i] as WireBatchResult, info, server);
        });
      },
    );
  } catch (error) {
    const failure = attemptFailure(error, server.url);
    for (const entry of sent) entry.failed(failure);
    throw error;
  }
}

/** What is done now comes after all that the session saw; repeated answers may be older. */
function isNew({ result, replayed }: WireBatchResult): boolean {
  return result.case !== "failure" && !replayed;
}

function columnsOf(entries: readonly MovementEntry[]): ExecuteMovementsRequest {
  const count = entries.length;
  const debits = new BigUint64Array(count);
  const credits = new BigUint64Array(count);
  const amounts = new BigUint64Array(count);
  const high = new BigUint64Array(count);
  const low = new BigUint64Array(count);
  // Numbers and ids as two words each, the low one first: without an object for each entry.
  const debitWords = new Uint32Array(debits.buffer);
  const creditWords = new Uint32Array(credits.buffer);
  const highWords = new Uint32Array(high.buffer);
  const lowWords = new Uint32Array(low.buffer);
  for (let i = 0; i < count; i++) {
    const { row, id } = entries[i] as MovementEntry;
    debitWords[2 * i] = row.debit;
    debitWords[2 * i + 1] = row.debit / 4_294_967_296;
    creditWords[2 * i] = row.credit;
    creditWords[2 * i + 1] = row.credit / 4_294_967_296;
    amounts[i] = row.amount.minor;
    highWords[2 * i] = id.b;
    highWords[2 * i + 1] = id.a;
    lowWords[2 * i] = id.d;
    lowWords[2 * i + 1] = id.c;
  }
  const message = create(ExecuteMovementsRequestSchema, {
    currencyCode: (entries[0] as MovementEntry).row.amount.currency,
  });
  // A typed array is read like a list, by protobuf-es too.
  return Object.assign(message, {
    debitAccounts: debits,
    creditAccounts: credits,
    amountsMinor: amounts,
    requestIdsHigh: high,
    requestIdsLow: low,
  }) as unknown as ExecuteMovementsRequest;
}

function settleRows(sent: readonly MovementEntry[], reply: ExecuteMovementsResponse, server: Server): void {
  const { positions, times, others, branch } = reply;
  if (positions.length !== sent.length)
    throw new UnexpectedReplyError(`it gave ${positions.length} positions for ${sent.length} rows`);
  const info = readInfoOf(reply.readInfo);
  let other = 0;
  let time = -1;
  let timeMs = 0;
  for (let i = 0; i < sent.length; i++) {
    const entry = sent[i] as MovementEntry;
    while (times[time + 1] !== undefined && (times[time + 1]?.row as number) <= i) {
      time++;
      timeMs = safeNumber(times[time]?.timeMs as bigint);
    }
    const told = others[other];
    if (told?.row === i) {
      other++;
      if (told.result === undefined) throw new UnexpectedReplyError(`it left out the result of row ${i}`);
      settleOne(entry, told.result, info, server);
      continue;
    }
    if (entry.settled) continue;
    if (time < 0) throw new UnexpectedReplyError(`it left out the time of row ${i}`);
    entry.answered(bookedRow(entry, info, { position: Number(positions[i]), timeMs, branch }));
  }
  if (other !== others.length) throw new UnexpectedReplyError("it told of rows that were not sent, or out of order");
}

function bookedRow(
  { row, requestId }: MovementEntry,
  info: ReadInfo,
  at: { readonly position: number; readonly timeMs: number; readonly branch: number },
): Booked {
  const { debit, credit, amount } = row;
  return {
    requestId,
    replayed: false,
    preview: false,
    position: info.position,
    timeMs: info.timeMs,
    stalenessMs: info.stalenessMs,
    connected: info.connected,
    epoch: info.epoch,
    session: info.session,
    propagation: undefined,
    transaction: {
      position: at.position,
      kind: debit === 0 ? "deposit" : credit === 0 ? "withdrawal" : "transfer",
      debitAccount: referenceOf(debit, row, at.branch),
      creditAccount: referenceOf(credit, row, at.branch),
      amount: { currency: amount.currency, minor: amount.minor },
      branch: at.branch,
      timeMs: at.timeMs,
      requestId,
      reverses: undefined,
      hold: undefined,
      reversedBy: undefined,
    },
  };
}

function referenceOf(account: number, { amount }: RowMovement, branch: number): string {
  return account === 0 ? internalAccountName(AccountType.CASH, branch, amount.currency) : String(account);
}

/** A result that no such command has says nothing: then it is not known what became of this one. */
function settleOne(entry: MovementEntry, { result, replayed }: WireBatchResult, info: ReadInfo, server: Server): void {
  if (entry.settled) return;
  if (result.case === "failure") {
    entry.failed(resultFailure(result.value, server.url));
    return;
  }
  if (result.case !== "transaction") {
    const error = new UnexpectedReplyError(`it answered a movement with ${result.case ?? "nothing"}`);
    entry.failed(attemptFailure(error, server.url));
    return;
  }
  const { requestId } = entry;
  const transaction = transactionOf(result.value);
  entry.answered({ requestId, replayed, preview: false, ...info, propagation: undefined, transaction });
}

function itemOf({ row, requestId }: MovementEntry) {
  const head = { requestId, validateOnly: false };
  return create(BatchItemSchema, { command: commandMessage(commandOf(row), head) });
}

function commandOf({ debit, credit, amount }: RowMovement): MovementCommand {
  if (debit === 0) return { kind: "deposit", account: String(credit), amount };
  if (credit === 0) return { kind: "withdraw", account: String(debit), amount };
  return { kind: "transfer", from: String(debit), to: String(credit), amount };
}
