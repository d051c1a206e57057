import type { AttemptFailure } from "./attempt-failure.ts";
import { type Caller, isTimeout } from "./caller.ts";
import { callMovements } from "./movement-call.ts";
import { type MovementCommand, MovementEntry, rowOf } from "./movement-entry.ts";
import { SignalWatch } from "./pipeline-signals.ts";
import { RequestWords } from "./request-words.ts";
import { EndedCall } from "./retry.ts";
import type { Booked, MutationOptions } from "./types/index.ts";

/** Movements in one call: a server takes 10,000, and two calls of this many fit into one batch of its journal. */
const ROWS_PER_CALL_MAX = 8_000;
/** While the server works on one call the next is being made, and the one before is being read. */
const CALLS_IN_FLIGHT_MAX = 3;
/** With so many waiting to be sent, `whenRoom` waits. */
const WAITING_ENOUGH = 32_768;
/** Beyond so many nothing more is taken: whoever does not wait for answers must wait for room. */
const WAITING_MAX = 1_000_000;
/** How late a call may be told that its time is up: so seldom its queue is looked through. */
const DEADLINE_GRAIN_MS = 10;

/**
 * Gathers movements that are asked for at the same time into calls, without waiting for more to come: what comes while calls are
 * on their way makes up the next. A thousand callers who each wait for their own movement become a few calls in flight.
 */
export class MovementQueue {
  private readonly caller: Caller;
  /** Waiting to be sent, by currency: a call has one. Whose turn it is stands first. */
  private readonly waiting = new Map<string, MovementEntry[]>();
  private waitingCount = 0;
  private readonly inFlight = new Set<readonly MovementEntry[]>();
  private scheduled = false;
  private timer: NodeJS.Timeout | undefined;
  private timerAtMs = Number.POSITIVE_INFINITY;
  private readonly signals: SignalWatch<MovementEntry>;
  private readonly roomWaiters: (() => void)[] = [];

  constructor(caller: Caller) {
    this.caller = caller;
    this.signals = new SignalWatch((entry, reason) => this.abandon(entry, ended(reason, this.url)));
  }

  /**
   * Books a movement: with others that are under way, or, where there are none, in a call of its own. What a row of columns
   * cannot say goes by itself anyway.
   */
  book(
    command: MovementCommand,
    options: MutationOptions,
    alone: (options: MutationOptions) => Promise<Booked>,
  ): Promise<Booked> {
    const { requestId, signal, timeoutMs = this.caller.options.timeoutMs, validateOnly } = options;
    const row = validateOnly === true || !isTimeout(timeoutMs) ? undefined : rowOf(command);
    const id = requestId === undefined ? undefined : RequestWords.of(requestId);
    // A call that waits until all branches have it would have others wait with it.
    const spreads = (options.propagation ?? "bank") !== "bank" || this.caller.options.propagation.mode !== "bank";
    if (row === undefined || spreads || (requestId !== undefined && id === undefined)) return alone(options);
    return new Promise((resolve, reject) => {
      const deadlineMs = performance.now() + timeoutMs;
      const call = {
        deadlineMs,
        signal,
        alone: (own: MutationOptions) => alone({ ...options, ...own }),
        resolve,
        reject,
      };
      this.add(new MovementEntry(row, id ?? RequestWords.random(), call));
    });
  }

  /** Resolves once not too many movements wait to be sent: for those who make them faster than they are answered. */
  async whenRoom(): Promise<void> {
    while (this.waitingCount >= WAITING_ENOUGH)
      await new Promise<void>((resolve) => {
        this.roomWaiters.push(resolve);
      });
  }

  private add(entry: MovementEntry): void {
    const { signal, row } = entry;
    const refusal = signal?.aborted
      ? ended(signal.reason, this.url)
      : this.waitingCount >= WAITING_MAX
        ? tooMany(this.waitingCount, this.url)
        : undefined;
    if (refusal !== undefined) {
      entry.abandon(refusal);
      return;
    }
    if (signal !== undefined) this.signals.add(signal, entry);
    const { currency } = row.amount;
    const queue = this.waiting.get(currency);
    if (queue === undefined) this.waiting.set(currency, [entry]);
    else queue.push(entry);
    this.waitingCount++;
    this.watchDeadline(entry.deadlineMs);
    this.schedule();
  }

  private get url(): string {
    return this.caller.server.url;
  }

  private schedule(): void {
    if (this.scheduled || this.waitingCount === 0) return;
    this.scheduled = true;
    // Behind everything that is ready in this turn: whoever is told an answer in it, and asks for the next movement, comes along.
    setImmediate(() => {
      this.scheduled = false;
      while (this.waitingCount > 0 && this.inFlight.size < CALLS_IN_FLIGHT_MAX) void this.send();
    });
  }

  private async send(): Promise<void> {
    const entries = this.take();
    if (entries.length === 0) return;
    const isLone = entries.length === 1 && this.inFlight.size === 0;
    this.inFlight.add(entries);
    const nowMs = performance.now();
    const untilMs = entries.reduce((latest, entry) => Math.max(latest, entry.deadlineMs), nowMs + 1);
    try {
      if (isLone) await entries[0]?.goAlone();
      else await callMovements(this.caller, entries, Math.max(1, Math.floor(untilMs - nowMs)));
    } finally {
      this.inFlight.delete(entries);
      for (const entry of entries) if (entry.signal !== undefined) this.signals.remove(entry.signal, entry);
      this.schedule();
    }
  }

  /** Takes the movements of one call: of the currency whose turn it is. */
  private take(): readonly MovementEntry[] {
    const [turn] = this.waiting;
    if (turn === undefined) return [];
    const [currency, queue] = turn;
    this.waiting.delete(currency);
    const taken = queue.length <= ROWS_PER_CALL_MAX ? queue : queue.slice(0, ROWS_PER_CALL_MAX);
    if (taken !== queue) this.waiting.set(currency, queue.slice(ROWS_PER_CALL_MAX));
    this.waitingCount -= taken.length;
    if (this.waitingCount < WAITING_ENOUGH) for (const go of this.roomWaiters.splice(0)) go();
    return taken.filter((entry) => !entry.settled);
  }

  private abandon(entry: MovementEntry, failure: AttemptFailure): void {
    entry.abandon(failure);
    if (entry.signal !== undefined) this.signals.remove(entry.signal, entry);
  }

  /** One timer for all: it rings when the first of their times is up. */
  private watchDeadline(deadlineMs: number): void {
    if (deadlineMs >= this.timerAtMs) return;
    clearTimeout(this.timer);
    this.timerAtMs = deadlineMs;
    this.timer = setTimeout(this.endLate, Math.max(DEADLINE_GRAIN_MS, deadlineMs - performance.now()));
    // Calls that are under way keep the process alive; a time that may never come need not.
    this.timer.unref();
  }

  private readonly endLate = () => {
    this.timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    let next = Number.POSITIVE_INFINITY;
    const look = (entry: MovementEntry) => {
      if (entry.settled) return;
      if (entry.deadlineMs <= nowMs) this.abandon(entry, late(entry, this.url));
      else next = Math.min(next, entry.deadlineMs);
    };
    for (const entries of this.inFlight) entries.forEach(look);
    for (const queue of this.waiting.values()) queue.forEach(look);
    if (next < Number.POSITIVE_INFINITY) this.watchDeadline(Math.max(next, nowMs + DEADLINE_GRAIN_MS));
  };
}

function late({ sent, lastFailure }: MovementEntry, server: string): AttemptFailure {
  const before = lastFailure === undefined ? "" : ` Before: ${lastFailure.message}`;
  return {
    code: "DEADLINE_EXCEEDED",
    reason: "DEADLINE_EXCEEDED",
    message: sent
      ? `${server} did not answer in time.${before}`
      : `Its turn to be sent to ${server} did not come in time.`,
    metadata: { server },
    outcome: sent ? "OUTCOME_UNKNOWN" : "NOT_APPLIED",
    retryable: false,
    cause: lastFailure?.cause,
  };
}

function ended(end: unknown, server: string): AttemptFailure {
  const reason = end instanceof EndedCall ? end.reason : "CANCELED";
  const words = reason === "CANCELED" ? "The call was canceled" : "The client was closed";
  return {
    code: "CANCELED",
    reason,
    message: `${words} before ${server} had answered.`,
    metadata: { server },
    outcome: "NOT_APPLIED",
    retryable: false,
    cause: end,
  };
}

function tooMany(waiting: number, server: string): AttemptFailure {
  return {
    code: "RESOURCE_EXHAUSTED",
    reason: "OVERLOADED",
    message: `${waiting} movements wait to be sent to ${server}: wait for answers, or with whenRoom(), before asking for more.`,
    metadata: { server, waiting: String(waiting) },
    outcome: "NOT_APPLIED",
    retryable: false,
    cause: undefined,
  };
}
