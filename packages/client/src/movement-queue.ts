import type { Money } from "@bank/core";
import { type Caller, isTimeout } from "./caller.ts";
import { MovementCall } from "./movement-call.ts";
import { canceled, late, tooMany } from "./movement-ends.ts";
import { MovementEntry, rowOf } from "./movement-entry.ts";
import { MovementLine } from "./movement-line.ts";
import { SignalWatch } from "./pipeline-signals.ts";
import { randomRequestWords, requestWordsOf } from "./request-words.ts";
import { bookAlone, type MovementCommand } from "./single-movement.ts";
import type { Booked, VersionedOptions } from "./types/index.ts";

/** How much is gathered, and how much may wait. */
export interface MovementLimits {
  /** Movements in one call. */
  readonly rowsPerCallMax: number;
  /** Fewer than twice as many are not parted into two calls. */
  readonly rowsPerCallMin: number;
  /** Calls that keep others waiting. */
  readonly callsInFlightMax: number;
  /** With so many waiting, `whenRoom` waits. */
  readonly waitingEnough: number;
  /** Beyond so many waiting nothing more is taken: whoever does not wait for answers must wait for room. */
  readonly waitingMax: number;
  /** A call that has no answer after so long, in milliseconds, keeps nobody waiting any more. */
  readonly slowMs: number;
}

const LIMITS: MovementLimits = {
  // A server takes 10,000, and two calls of this many fit into one batch of its journal.
  rowsPerCallMax: 8_000,
  // With fewer, a second call costs more than it brings: measured with 128, 256 and 512 callers.
  rowsPerCallMin: 256,
  // While the server works on one call the next is being made, and the one before is being read.
  callsInFlightMax: 3,
  waitingEnough: 32_768,
  waitingMax: 1_000_000,
  slowMs: 1_000,
};

/** Where many are under way, a call that others are under way beside has at least this part of the rows that a call has then. */
const CALL_PART_MIN = 2;

/** How late a movement may be told that its time is up: so seldom they are looked through. */
const DEADLINE_GRAIN_MS = 10;
/** Where many wait, looking through them takes time: at least so many times as long it is left alone afterwards. */
const DEADLINE_REST = 10;
/** But no longer than that: nobody is told later. */
const DEADLINE_REST_MAX_MS = 1_000;

/**
 * Gathers movements that are asked for at the same time into calls, without waiting for more to come: what comes while calls are
 * on their way makes up the next. A thousand callers who each wait for their own movement become a few calls in flight.
 *
 * Each ends as by itself: with the same answer or the same error, tried as often, under its own request id. A call that
 * failed, or is not answered for a second, goes on by itself and keeps no others waiting: one that must be tried again, or
 * hangs, is as little in others' way as it would be in a call of its own.
 */
export class MovementQueue {
  private readonly caller: Caller;
  private readonly limits: MovementLimits;
  /** Whose turn it is stands first. None is empty. */
  private readonly lines: MovementLine[] = [];
  /** In all lines. */
  private waiting = 0;
  /** In calls that keep nobody waiting any more. */
  private lingering = 0;
  private readonly calls = new Set<MovementCall>();
  /** Of those, the ones that keep others waiting. */
  private inFlight = 0;
  /** Movements in those. */
  private rowsInFlight = 0;
  private isScheduled = false;
  private isSweeping = false;
  private timer: NodeJS.Timeout | undefined;
  private timerAtMs = Number.POSITIVE_INFINITY;
  /** Deadlines are not looked through again before. */
  private restsUntilMs = 0;
  private readonly signals: SignalWatch<MovementEntry>;
  private readonly roomWaiters: (() => void)[] = [];
  /** Calls whose answers have come and were not told. */
  private readonly answered: (() => void)[] = [];
  /** Turns in which calls were sent, since the last one in which none was. */
  private sentInARow = 0;

  constructor(caller: Caller, limits: Partial<MovementLimits> = {}) {
    this.caller = caller;
    this.limits = { ...LIMITS, ...limits };
    this.signals = new SignalWatch((entry, reason) => {
      entry.abandon(canceled(entry, reason, this.url));
      this.sweep();
    });
  }

  /**
   * Books a movement between two accounts, undefined for cash: with others that are under way, or, where there are none, in a
   * call of its own. What a row of columns cannot say goes by itself anyway.
   */
  book(
    debit: string | undefined,
    credit: string | undefined,
    amount: Money,
    options: VersionedOptions,
  ): Promise<Booked> {
    const { requestId, signal, timeoutMs = this.caller.options.timeoutMs } = options;
    const row = this.isPlain(options) && isTimeout(timeoutMs) ? rowOf(debit, credit, amount) : undefined;
    const id = requestId === undefined ? randomRequestWords() : requestWordsOf(requestId);
    if (row === undefined || id === undefined)
      return bookAlone(this.caller, commandOf(debit, credit, amount, options), options);
    return new Promise((resolve, reject) => {
      const deadlineMs = Math.floor(performance.now() + timeoutMs);
      this.add(new MovementEntry(row, id, { deadlineMs, signal, requestId, resolve, reject }), timeoutMs);
    });
  }

  /** Resolves once not too many movements wait to be sent: for those who make them faster than they are answered. */
  async whenRoom(): Promise<void> {
    while (!this.hasRoom)
      await new Promise<void>((resolve) => {
        this.roomWaiters.push(resolve);
      });
  }

  private isPlain({ validateOnly, expectedVersion, propagation }: VersionedOptions): boolean {
    // A call that waits until all branches have it would have others wait with it.
    const isOfBank = (propagation ?? this.caller.options.propagation.mode) === "bank";
    return isOfBank && validateOnly !== true && expectedVersion === undefined;
  }

  private get backlog(): number {
    return this.waiting + this.lingering;
  }

  private get hasRoom(): boolean {
    return this.backlog < this.limits.waitingEnough;
  }

  private get url(): string {
    return this.caller.server.url;
  }

  private add(entry: MovementEntry, timeoutMs: number): void {
    const { signal } = entry;
    if (signal?.aborted) {
      entry.abandon(canceled(entry, signal.reason, this.url));
      return;
    }
    if (this.backlog >= this.limits.waitingMax) {
      entry.abandon(tooMany(this.backlog, this.url));
      return;
    }
    if (signal !== undefined) this.signals.add(signal, entry);
    this.lineOf(entry.currency, Math.clz32(timeoutMs)).push(entry);
    this.waiting++;
    this.watchDeadline(entry.deadlineMs);
    this.schedule();
  }

  /** There are few lines, and most often one. */
  private lineOf(currency: string, timeClass: number): MovementLine {
    for (const line of this.lines) if (line.currency === currency && line.timeClass === timeClass) return line;
    const line = new MovementLine(currency, timeClass);
    this.lines.push(line);
    return line;
  }

  private get isFree(): boolean {
    return this.inFlight < this.limits.callsInFlightMax;
  }

  /** Fewer are under way than two calls are worth: those that are answered together had better ask together again. */
  private get areFew(): boolean {
    return this.waiting + this.rowsInFlight < 2 * this.limits.rowsPerCallMin;
  }

  private get canSend(): boolean {
    return this.waiting > 0 && this.isFree && (this.inFlight === 0 || this.areFew || this.isWorthACall);
  }

  /**
   * Whether those that wait are a good part of what a call is now. One that came before the others would else go by himself for
   * ever: he is answered by himself, asks again, and costs as much as a call of hundreds. He goes along with the next who are
   * answered instead.
   */
  private get isWorthACall(): boolean {
    return this.waiting * CALL_PART_MIN >= this.rowsNow;
  }

  private schedule(): void {
    if (this.isScheduled || !(this.canSend || this.answered.length > 0)) return;
    this.isScheduled = true;
    setImmediate(this.takeTurn);
  }

  /**
   * One thing in each turn of the event loop, behind everything that is ready in it: a call is sent, or the answer to one is told.
   * Whoever is told an answer, and asks for the next movement, comes along with the call that is sent in the next turn, and that
   * has left before another answer is told. So calls that were answered together come apart again, and the server works on the
   * one while the answer to the other is being read.
   */
  private readonly takeTurn = () => {
    this.isScheduled = false;
    if (this.areFew) {
      for (const tell of this.answered.splice(0)) tell();
      while (this.canSend) void this.send();
      return;
    }
    // Calls that fail at once, and whose callers ask again, hold up no answers for ever.
    const tell = this.sentInARow >= this.limits.callsInFlightMax ? this.answered.shift() : undefined;
    const sends = tell === undefined && this.canSend;
    this.sentInARow = sends ? this.sentInARow + 1 : 0;
    if (sends) void this.send();
    else (tell ?? this.answered.shift())?.();
    this.schedule();
  };

  /** Resolves when it is the turn of an answer to be told; undefined where that is now: no other call is under way, or about to be. */
  private readonly turnOfAnswer = (): Promise<void> | undefined => {
    if (this.areFew || (this.calls.size === 1 && !this.canSend)) return undefined;
    return new Promise<void>((resolve) => {
      this.answered.push(resolve);
      this.schedule();
    });
  };

  private async send(): Promise<void> {
    const taken = this.take();
    const entries = taken.filter(({ settled }) => !settled);
    const [only, second] = entries;
    if (only === undefined) return;
    const isLone = second === undefined && this.calls.size === 0;
    // It keeps others waiting until it first fails, is slow, or has ended.
    let isInFlight = true;
    let lingering = 0;
    const land = () => {
      if (!isInFlight) return;
      isInFlight = false;
      this.inFlight--;
      this.rowsInFlight -= entries.length;
    };
    const linger = () => {
      land();
      this.lingering += call.entries.length - lingering;
      lingering = call.entries.length;
      this.wakeForRoom();
      this.schedule();
    };
    const call = new MovementCall(this.caller, entries, { onFailedTry: linger, turnOfAnswer: this.turnOfAnswer });
    const slow = setTimeout(linger, this.limits.slowMs).unref();
    this.calls.add(call);
    this.inFlight++;
    this.rowsInFlight += entries.length;
    if (isLone) await only.goAlone(this.caller);
    else await call.run();
    clearTimeout(slow);
    land();
    this.lingering -= lingering;
    this.calls.delete(call);
    for (const entry of entries) if (entry.signal !== undefined) this.signals.remove(entry.signal, entry);
    this.wakeForRoom();
    this.schedule();
  }

  /** Takes the movements of one call, of the line whose turn it is. */
  private take(): readonly MovementEntry[] {
    const line = this.lines.shift();
    if (line === undefined) return [];
    const taken = line.take(this.rowsNow);
    if (line.length > 0) this.lines.push(line);
    this.waiting -= taken.length;
    this.wakeForRoom();
    return taken;
  }

  /**
   * Half of all that is under way, but for few: while the server works on the one half, the answers to the other are read and
   * what is asked for next is written.
   */
  private get rowsNow(): number {
    const { rowsPerCallMax, rowsPerCallMin } = this.limits;
    const half = Math.ceil((this.waiting + this.rowsInFlight) / 2);
    return Math.min(rowsPerCallMax, this.areFew ? 2 * rowsPerCallMin : half);
  }

  private wakeForRoom(): void {
    if (this.roomWaiters.length > 0 && this.hasRoom) for (const go of this.roomWaiters.splice(0)) go();
  }

  /** One timer for all: it rings when the first of their times is up, and looking through them has rested. */
  private watchDeadline(deadlineMs: number): void {
    const atMs = Math.max(deadlineMs, this.restsUntilMs);
    if (atMs >= this.timerAtMs) return;
    clearTimeout(this.timer);
    this.timerAtMs = atMs;
    this.timer = setTimeout(this.endLate, Math.max(DEADLINE_GRAIN_MS, atMs - performance.now()));
    // Calls that are under way keep the process alive; a time that may never come need not.
    this.timer.unref();
  }

  private readonly endLate = () => {
    this.timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    let next = Number.POSITIVE_INFINITY;
    const look = (entry: MovementEntry, call?: MovementCall) => {
      if (entry.settled) return;
      // What an answer says that is here already is told; what it leaves open is looked at again.
      if (entry.deadlineMs > nowMs || call?.isAnswered === true) {
        next = Math.min(next, entry.deadlineMs);
        return;
      }
      entry.abandon(late(entry, call, this.url));
      if (entry.signal !== undefined) this.signals.remove(entry.signal, entry);
      this.sweep();
    };
    for (const call of this.calls) for (const entry of call.entries) look(entry, call);
    for (const line of this.lines) line.forEach(look);
    const endMs = performance.now();
    this.restsUntilMs = endMs + Math.min(DEADLINE_REST_MAX_MS, DEADLINE_REST * (endMs - nowMs));
    if (next < Number.POSITIVE_INFINITY) this.watchDeadline(next);
  };

  /** Ends the calls that nobody waits for any more, once for all who have left now. */
  private sweep(): void {
    if (this.isSweeping) return;
    this.isSweeping = true;
    setImmediate(() => {
      this.isSweeping = false;
      for (const call of this.calls) call.endIfAbandoned();
    });
  }
}

function commandOf(
  debit: string | undefined,
  credit: string | undefined,
  amount: Money,
  { expectedVersion }: VersionedOptions,
): MovementCommand {
  if (debit === undefined) return { kind: "deposit", account: credit as string, amount, expectedVersion };
  if (credit === undefined) return { kind: "withdraw", account: debit, amount, expectedVersion };
  return { kind: "transfer", from: debit, to: credit, amount, expectedVersion };
}
