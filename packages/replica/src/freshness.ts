import { bytesEqual, type EpochEntry, type Position } from "@bank/core";
import type { Platform } from "./platform.ts";
import type { ReadIndex } from "./read-gate.ts";

/** Answers whose position is not applied yet that are remembered; of more, the least telling are forgotten. */
const ANSWERS_MAX = 16;
/**
 * A machine that sleeps may stop its monotonic clock, and its wall clock then jumps. Clocks that moved apart by more
 * than this, one way or the other, tell nothing about the time between.
 */
export const CLOCK_DRIFT_MAX_MS = 1_000;

type Clocks = Pick<Platform, "monotonicMs" | "wallMs">;

/** A moment on this machine's two clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** Now, on both clocks. */
export function momentOf(clocks: Clocks): Moment {
  return { monotonicMs: clocks.monotonicMs(), wallMs: clocks.wallMs() };
}

/** Milliseconds from one moment to another, by the clock that says more; undefined where the clocks moved apart. */
export function elapsedMs(from: Moment, to: Moment): number | undefined {
  const monotonicMs = to.monotonicMs - from.monotonicMs;
  const wallMs = to.wallMs - from.wallMs;
  return Math.abs(wallMs - monotonicMs) > CLOCK_DRIFT_MAX_MS ? undefined : Math.max(monotonicMs, wallMs);
}

interface Answer {
  readonly position: Position;
  readonly epochId: Uint8Array;
  readonly sent: Moment;
}

/** The part of a ledger that says what it holds. */
export interface ShownState {
  readonly position: Position;
  readonly epochs: readonly EpochEntry[];
}

/**
 * How old the shown state may be, and whether the bank takes this replica for connected, measured on this replica's own
 * clocks alone: from when it sent the probe whose answer it has applied.
 */
export class Freshness {
  private readonly clocks: Clocks;
  /** When the newest probe was sent whose position is applied. */
  private freshAsOf: Moment | undefined;
  /** In the order in which they were sent. */
  private answers: Answer[] = [];
  /** The last probe that was answered. */
  private contact: { readonly sent: Moment; readonly connectedMs: number } | undefined;
  /** What must be applied before this replica may call itself connected again. */
  private joinPosition: Position = 0;

  constructor(clocks: Clocks) {
    this.clocks = clocks;
  }

  /** Asks, and remembers when the question was sent. */
  async probe(ask: () => Promise<ReadIndex>): Promise<ReadIndex> {
    const sent = momentOf(this.clocks);
    const index = await ask();
    const { position, epochId } = index;
    // Of two with one position the later says more.
    if (this.answers.at(-1)?.position === position) this.answers.pop();
    this.answers.push({ position, epochId, sent });
    if (this.answers.length > ANSWERS_MAX) this.answers.splice(leastTelling(this.answers), 1);
    this.meet(index, sent);
    return index;
  }

  /**
   * Upper bound on the age of a state. Undefined before the first answered probe, and from a suspected sleep of the
   * machine until the next one.
   *
   * @param state the newest that is shown.
   */
  stalenessMs(state: ShownState): number | undefined {
    const isShown = ({ position }: Answer) => position <= state.position;
    // What answered for an epoch that is not in the table spoke of another history.
    const newest = this.answers.findLast((answer) => isShown(answer) && knows(state.epochs, answer.epochId));
    if (newest !== undefined) {
      if (newest.sent.monotonicMs >= (this.freshAsOf?.monotonicMs ?? newest.sent.monotonicMs))
        this.freshAsOf = newest.sent;
      this.answers = this.answers.filter((answer) => !isShown(answer));
    }
    return this.freshAsOf === undefined ? undefined : elapsedMs(this.freshAsOf, momentOf(this.clocks));
  }

  /**
   * Whether the bank still waits for this replica before it tells a writer that every connected branch shows a write:
   * then this state has every write of which that was told.
   */
  isConnected(applied: Position): boolean {
    return applied >= this.joinPosition && this.isInContact();
  }

  /** The bank may have dropped this replica while it heard nothing of it: then it joins anew, with what it is told now. */
  private meet({ position, connectedMs }: ReadIndex, sent: Moment): void {
    if (!this.isInContact()) this.joinPosition = position;
    this.contact = { sent, connectedMs };
  }

  private isInContact(): boolean {
    if (this.contact === undefined) return false;
    const { sent, connectedMs } = this.contact;
    return (elapsedMs(sent, momentOf(this.clocks)) ?? connectedMs) < connectedMs;
  }
}

/**
 * The answer that can be missed most easily: the one between two that were asked for shortly after one another. The first,
 * which is applied first, and the last, which says most, stay.
 */
function leastTelling(answers: readonly Answer[]): number {
  const gapMs = (i: number) => (answers[i + 1]?.sent.monotonicMs ?? 0) - (answers[i - 1]?.sent.monotonicMs ?? 0);
  let least = 1;
  for (let i = 2; i < answers.length - 1; i++) if (gapMs(i) < gapMs(least)) least = i;
  return least;
}

function knows(epochs: readonly EpochEntry[], epochId: Uint8Array): boolean {
  return epochs.some(({ id }) => bytesEqual(id, epochId));
}
