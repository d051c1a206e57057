import { assert, COMMANDS_PER_CALL_MAX, type Position, RefusalError } from "@bank/core";
import { abortable } from "./abortable.ts";
import { QUEUED_REQUESTS_MAX } from "./admission.ts";
import type { BankContact } from "./bank-contact.ts";
import { Coalescer } from "./coalescer.ts";
import { type MovementsAnswer, type MovementsCall, weightOf } from "./movements-call.ts";
import type { Platform } from "./platform.ts";
import type { PositionWatch } from "./position-watch.ts";

/** How long a call to the bank may go on. */
export interface CallLimit {
  /** Aborts when the connection is dropped, or nobody waits any more. */
  readonly signal: AbortSignal;
  /** How long somebody still waits for it, in whole milliseconds; undefined when nobody said. */
  readonly timeoutMs: number | undefined;
}

/** How long a committed write waits for this branch to show it, before it is answered anyway. */
const SHOW_WRITE_TIMEOUT_MS = 5_000;
const CALLS_IN_FLIGHT_MAX = 4;
const MOVEMENT_CALLS_IN_FLIGHT_MAX = 3;
/** A call to the bank is given whole milliseconds, and timers are no more exact. */
const DEADLINE_SLACK_MS = 2;
/** Rows of movements, as `weightOf` counts them, that go to the bank in one call. */
const MOVEMENTS_PER_CALL_MAX = 2 * COMMANDS_PER_CALL_MAX;
assert(
  CALLS_IN_FLIGHT_MAX * COMMANDS_PER_CALL_MAX + MOVEMENT_CALLS_IN_FLIGHT_MAX * MOVEMENTS_PER_CALL_MAX <=
    QUEUED_REQUESTS_MAX,
  "a branch alone does not overload its bank",
);

export interface BranchWritesOptions<Command, CommandResult> {
  readonly platform: Platform;
  readonly contact: BankContact;
  readonly applied: PositionWatch;
  /** One result for each command, in order. */
  readonly send: (commands: readonly Command[], limit: CallLimit) => Promise<readonly CommandResult[]>;
  /** One answer for each call, in order. */
  readonly sendMovements: (calls: readonly MovementsCall[], limit: CallLimit) => Promise<readonly MovementsAnswer[]>;
}

/** Sends what was gathered. */
type Send<Item, Result> = (items: readonly Item[], limit: CallLimit) => Promise<readonly Result[]>;

/** Passes commands on to the bank, together with what others ask at the same time. */
export class BranchWrites<Command, CommandResult extends { readonly position: Position }> {
  private readonly options: BranchWritesOptions<Command, CommandResult>;
  private readonly forwarder: Coalescer<Command, CommandResult>;
  private readonly movements: Coalescer<MovementsCall, MovementsAnswer>;

  constructor(options: BranchWritesOptions<Command, CommandResult>) {
    this.options = options;
    this.forwarder = new Coalescer({
      send: (commands, untilMs) => this.send(options.send, commands, untilMs),
      weightPerCallMax: COMMANDS_PER_CALL_MAX,
      callsInFlightMax: CALLS_IN_FLIGHT_MAX,
      waitingWeightMax: 10 * COMMANDS_PER_CALL_MAX,
    });
    this.movements = new Coalescer({
      send: (calls, untilMs) => this.send(options.sendMovements, calls, untilMs),
      weightOf,
      weightPerCallMax: MOVEMENTS_PER_CALL_MAX,
      callsInFlightMax: MOVEMENT_CALLS_IN_FLIGHT_MAX,
      waitingWeightMax: 10 * MOVEMENTS_PER_CALL_MAX,
    });
  }

  /**
   * One result for each command, in order. Rejects with `RefusalError`: always OUTCOME_UNKNOWN where the bank did not say
   * otherwise, for an earlier try of the same request may have reached it.
   *
   * @param timeoutMs how long the caller waits, where it said; passed on.
   */
  passOn(
    commands: readonly Command[],
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): Promise<readonly CommandResult[]> {
    return this.gathered(this.forwarder, commands, signal, timeoutMs);
  }

  /** Likewise for movements in columns: one answer for each call, in order. */
  passOnMovements(
    calls: readonly MovementsCall[],
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): Promise<readonly MovementsAnswer[]> {
    return this.gathered(this.movements, calls, signal, timeoutMs);
  }

  private async gathered<Item, Result>(
    forwarder: Coalescer<Item, Result>,
    items: readonly Item[],
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): Promise<readonly Result[]> {
    const { contact, platform } = this.options;
    if (!contact.isReachable) throw contact.unreachable("OUTCOME_UNKNOWN");
    if (signal?.aborted) throw late();
    const untilMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : platform.monotonicMs() + timeoutMs;
    return abortable(this.forward(forwarder, items, untilMs), signal, late);
  }

  /** Waits until a committed write shows here. It is committed whatever happens now, so this never fails. */
  async show(position: Position, signal: AbortSignal | undefined): Promise<void> {
    const { applied, platform, contact } = this.options;
    if (position <= applied.current) return;
    // A timer that lives no longer than the write: thousands of writes a second would gather five seconds of them.
    const shown = new AbortController();
    const late = new AbortController();
    const giveUp = () => late.abort();
    platform.delay(SHOW_WRITE_TIMEOUT_MS, shown.signal).then(giveUp, () => {
      // The write was shown before.
    });
    // While the bank cannot be reached nothing comes that could be shown.
    const signals = [signal, contact.watch.down].filter((each) => each !== undefined);
    for (const each of signals) {
      if (each.aborted) giveUp();
      each.addEventListener("abort", giveUp, { once: true });
    }
    try {
      await applied.reached(position, late.signal);
    } catch {
      // Whatever ended the wait: the write is committed, and that is the answer.
      platform.log.warn("a committed write was answered before this branch shows it", { position });
    } finally {
      for (const each of signals) each.removeEventListener("abort", giveUp);
      shown.abort();
    }
  }

  private async forward<Item, Result>(
    forwarder: Coalescer<Item, Result>,
    items: readonly Item[],
    untilMs: number,
  ): Promise<readonly Result[]> {
    try {
      return await forwarder.submit(items, untilMs);
    } catch (cause) {
      if (cause instanceof RefusalError) throw cause;
      // The call to the bank ends with its callers' time: that says nothing about the bank.
      if (this.options.platform.monotonicMs() >= untilMs - DEADLINE_SLACK_MS) throw late();
      throw this.options.contact.unreachable("OUTCOME_UNKNOWN", cause);
    }
  }

  /** Those that waited while the link was lost are not sent any more: their callers are told at once. */
  private async send<Item, Result>(
    send: Send<Item, Result>,
    items: readonly Item[],
    untilMs: number,
  ): Promise<readonly Result[]> {
    const { contact, platform } = this.options;
    if (!contact.isReachable) throw contact.unreachable("OUTCOME_UNKNOWN");
    const signal = contact.watch.connection;
    const timeoutMs =
      untilMs === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.floor(untilMs - platform.monotonicMs()));
    return abortable(send(items, { signal, timeoutMs }), signal, () => signal.reason);
  }
}

function late(): RefusalError {
  return new RefusalError("DEADLINE_EXCEEDED", { waiting_for: "the bank" }, "OUTCOME_UNKNOWN");
}
