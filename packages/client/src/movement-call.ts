import {
  BatchItemSchema,
  type ExecuteBatchResponse,
  type ExecuteMovementsRequest,
  ExecuteMovementsRequestSchema,
  type BatchResult as WireBatchResult,
} from "@bank/proto";
import { decodeMovementsReply, encodeMovements, type MovementsReply } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type AttemptFailure,
  attemptFailure,
  FailedAttempt,
  toTryAgain,
  UnexpectedReplyError,
} from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import type { Caller, Sending } from "./caller.ts";
import type { Server } from "./connections.ts";
import { commandMessage, readInfoOf } from "./messages/index.ts";
import type { MovementEntry } from "./movement-entry.ts";
import { checkReply, settleOne, settleRows } from "./movement-reply.ts";
import { inDoubt } from "./pipeline-entry.ts";
import { type Attempt, EndedCall } from "./retry.ts";

/** Servers of a release that does not know columns yet. */
const withoutColumns = new WeakSet<Server>();
/** Likewise, columns on a stream. */
const withoutStreams = new WeakSet<Server>();
/** So few are not worth a stream, which is open for a while after the last of them. */
const ROWS_ALONE_MAX = 2;
/**
 * With so many commands on the stream the next columns go by themselves: a server reads no further in a stream that it has not
 * answered 9,900 of, and single operations go over it too. Three of the largest calls are fewer.
 */
const STREAM_COMMANDS_MAX = 4_000;

type Try = Parameters<Attempt<void>>[0];

/** Whom a call of movements belongs to. */
export interface MovementCallParts {
  /** Called behind every try that leaves something to be tried again. */
  readonly onFailedTry: () => void;
  /** Resolves when it is the turn of an answer that has come to be told; undefined where that is now. */
  readonly turnOfAnswer: () => Promise<void> | undefined;
}

/**
 * Movements of one currency on their way in one call, and again those of them that were not answered, each with its own request
 * id. Each is told what became of it as soon as that is known.
 */
export class MovementCall {
  /** Those that this call has to see to; settled ones among them are passed over. */
  entries: readonly MovementEntry[];
  /** URL of the server that is asked. */
  server: string;
  /** An answer has come, and only waits for its turn to be told. */
  isAnswered = false;
  /** Why tries of the whole call failed, the latest of each server. */
  readonly reasons = new Map<string, string>();
  private readonly caller: Caller;
  private readonly ending = new AbortController();
  private readonly parts: MovementCallParts;

  constructor(caller: Caller, entries: readonly MovementEntry[], parts: MovementCallParts) {
    this.caller = caller;
    this.entries = entries;
    this.server = caller.server.url;
    this.parts = parts;
  }

  /** Resolves once every movement has ended. Never rejects: what goes wrong is theirs. */
  async run(): Promise<void> {
    const nowMs = performance.now();
    const untilMs = this.entries.reduce((latest, { deadlineMs }) => Math.max(latest, deadlineMs), nowMs + 1);
    const [only, second] = this.entries;
    const requestId = second === undefined ? only?.requestId : undefined;
    const { lifetime } = this.caller.options;
    // A signal made of both would cost a quarter of what the whole call does.
    const onClosed = () => this.ending.abort(lifetime.reason);
    if (lifetime.aborted) onClosed();
    else lifetime.addEventListener("abort", onClosed, { once: true });
    try {
      const timeoutMs = Math.floor(untilMs - nowMs);
      await this.caller.retried({ mutates: true, timeoutMs, ending: this.ending.signal, requestId }, async (call) => {
        this.server = call.server.url;
        const sent = this.open();
        if (sent.length === 0) throw this.end();
        try {
          await this.send(sent, call);
        } catch (error) {
          this.leftOver();
          throw error;
        }
        const again = toTryAgain(this.leftOver());
        if (again !== undefined) throw new FailedAttempt(again);
      });
    } catch (error) {
      for (const entry of this.entries) {
        if (error instanceof BankError) entry.giveUp(error);
        // Whatever a caller's own `onRetry` throws, and bugs: as a call by itself would reject.
        else entry.crash(error);
      }
    } finally {
      lifetime.removeEventListener("abort", onClosed);
    }
  }

  /** Nobody may wait for any of them any more: then it is not waited for their answers, nor tried again. */
  endIfAbandoned(): void {
    if (this.entries.every(({ settled }) => settled)) this.end();
  }

  private end(): EndedCall {
    const ended = new EndedCall("CANCELED");
    this.ending.abort(ended);
    return ended;
  }

  private open(): readonly MovementEntry[] {
    return this.entries.filter(({ settled }) => !settled);
  }

  private leftOver(): readonly MovementEntry[] {
    this.entries = this.open();
    if (this.entries.length > 0) this.parts.onFailedTry();
    return this.entries;
  }

  private async send(sent: readonly MovementEntry[], call: Try): Promise<void> {
    for (const entry of sent) entry.underWay = true;
    const begunMs = performance.now();
    try {
      await this.sendOnce(sent, call);
    } catch (error) {
      const failure = attemptFailure(error, call.server.url);
      if (isMalformed(failure)) {
        for (const entry of sent) {
          // What a stream that broke before may have done stays in mind.
          if (failure.outcome === "OUTCOME_UNKNOWN") entry.failed(failure);
          entry.underWay = false;
        }
        await this.sendApart(sent, { ...call, timeoutMs: leftOf(call, begunMs) });
        return;
      }
      this.reasons.set(call.server.url, failure.reason);
      for (const entry of sent) entry.failed(failure);
      throw error;
    }
  }

  /**
   * One row that no bank takes refuses the whole call, and nothing of it was done: it is looked for by halves, and goes alone, so
   * that it is told of it in the words of its own call, and the others of nothing.
   */
  private async sendApart(refused: readonly MovementEntry[], call: Try): Promise<void> {
    const [only, second] = refused;
    if (second === undefined) {
      void only?.goAlone(this.caller);
      return;
    }
    const begunMs = performance.now();
    const half = Math.ceil(refused.length / 2);
    for (const part of [refused.slice(0, half), refused.slice(half)]) {
      const sent = part.filter(({ settled }) => !settled);
      if (sent.length > 0) await this.send(sent, { ...call, timeoutMs: leftOf(call, begunMs) });
    }
  }

  private async sendOnce(sent: readonly MovementEntry[], call: Try): Promise<void> {
    const { server } = call;
    if (withoutColumns.has(server)) return this.sendItems(sent, call);
    const begunMs = performance.now();
    try {
      const reply = await this.caller.once(
        // What is done now comes after all that the session saw; repeated answers may be older.
        { ...call, isBeyondSession: ({ others }: MovementsReply) => others.length < sent.length },
        (sending) => askServer(server, columnsOf(sent), sending),
        (told) => checkReply(told, sent.length),
      );
      await this.turnOfAnswer();
      // Not before the session has taken note of it: an answer of another bank is none.
      settleRows(sent, reply, server.url);
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unimplemented) throw error;
      withoutColumns.add(server);
      await this.sendItems(sent, { ...call, timeoutMs: leftOf(call, begunMs) });
    }
  }

  private async turnOfAnswer(): Promise<void> {
    this.isAnswered = true;
    await this.parts.turnOfAnswer();
    this.isAnswered = false;
  }

  /** To a server that does not know columns. */
  private async sendItems(sent: readonly MovementEntry[], call: Try): Promise<void> {
    const { server } = call;
    const { results, info } = await this.caller.once(
      { ...call, isBeyondSession: (reply: ExecuteBatchResponse) => reply.results.some(isNew) },
      (sending) => server.transactions.executeBatch({ items: sent.map(itemOf) }, sending),
      (reply) => {
        if (reply.results.length === sent.length) return { results: reply.results, info: readInfoOf(reply.readInfo) };
        throw new UnexpectedReplyError(`it gave ${reply.results.length} results for ${sent.length} commands`);
      },
    );
    await this.turnOfAnswer();
    sent.forEach((entry, i) => {
      settleOne(entry, results[i] as WireBatchResult, info, server.url);
    });
  }
}

/**
 * Sends columns over the stream of single operations, where a call costs a message each way. The answers and errors are those of a
 * call by itself, which it is for a few, and at a server that does not know them on its stream.
 */
async function askServer(server: Server, columns: ExecuteMovementsRequest, sending: Sending): Promise<MovementsReply> {
  const { pipeline } = server;
  const isOwn = columns.debitAccounts.length <= ROWS_ALONE_MAX || pipeline.commands >= STREAM_COMMANDS_MAX;
  if (isOwn || withoutStreams.has(server)) return server.transactions.executeMovements(columns, sending);
  const begunMs = performance.now();
  try {
    const operation = { case: "movements", value: encodeMovements(columns) } as const;
    const { reply, readInfo, mayHaveRun } = await pipeline.call(operation, sending);
    const told = readReply(reply.value);
    if (mayHaveRun) for (const { result } of told.others) if (result !== undefined) doubt(result);
    return Object.assign(told, readInfo === undefined ? {} : { readInfo });
  } catch (error) {
    if (ConnectError.from(error).code !== Code.Unimplemented) throw error;
    withoutStreams.add(server);
    return server.transactions.executeMovements(columns, { ...sending, timeoutMs: leftOf(sending, begunMs) });
  }
}

/** A row that was not done now may have been done over an earlier stream. */
function doubt({ result }: WireBatchResult): void {
  if (result.case === "failure") result.value = inDoubt(result.value);
}

function readReply(bytes: Uint8Array): MovementsReply {
  try {
    return decodeMovementsReply(bytes);
  } catch (error) {
    throw new UnexpectedReplyError(`its answer cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** What is left of the time of a try that began then. */
function leftOf({ timeoutMs }: Pick<Try, "timeoutMs">, begunMs: number): number {
  return Math.max(1, Math.floor(timeoutMs - (performance.now() - begunMs)));
}

function isMalformed({ reason, outcome }: AttemptFailure): boolean {
  return reason === "INVALID_REQUEST" && outcome !== "REJECTED";
}

function isNew({ result, replayed }: WireBatchResult): boolean {
  return result.case !== "failure" && !replayed;
}

const HALF = 2 ** 32;

function columnsOf(entries: readonly MovementEntry[]): ExecuteMovementsRequest {
  const count = entries.length;
  const debits = new BigUint64Array(count);
  const credits = new BigUint64Array(count);
  const amounts = new BigUint64Array(count);
  const idsHigh = new BigUint64Array(count);
  const idsLow = new BigUint64Array(count);
  // Numbers and ids as two words each, the low one first: without an object for each entry.
  const [debitWords, creditWords] = [new Uint32Array(debits.buffer), new Uint32Array(credits.buffer)];
  const [highWords, lowWords] = [new Uint32Array(idsHigh.buffer), new Uint32Array(idsLow.buffer)];
  for (let i = 0; i < count; i++) {
    const { debit, credit, minor, words, at } = entries[i] as MovementEntry;
    const [low, high] = [2 * i, 2 * i + 1];
    debitWords[low] = debit;
    debitWords[high] = debit / HALF;
    creditWords[low] = credit;
    creditWords[high] = credit / HALF;
    amounts[i] = minor;
    highWords[high] = words[at] as number;
    highWords[low] = words[at + 1] as number;
    lowWords[high] = words[at + 2] as number;
    lowWords[low] = words[at + 3] as number;
  }
  const message = create(ExecuteMovementsRequestSchema, { currencyCode: entries[0]?.currency ?? "" });
  // A typed array is read like a list, by protobuf-es too.
  return Object.assign(message, {
    debitAccounts: debits,
    creditAccounts: credits,
    amountsMinor: amounts,
    requestIdsHigh: idsHigh,
    requestIdsLow: idsLow,
  }) as unknown as ExecuteMovementsRequest;
}

function itemOf({ command, requestId }: MovementEntry) {
  return create(BatchItemSchema, { command: commandMessage(command, { requestId, validateOnly: false }) });
}
