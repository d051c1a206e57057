import { RefusalError } from "@bank/core";
import { abortable } from "./abortable.ts";
import type { ReadResult } from "./consistency.ts";
import { elapsedMs, type Moment, momentOf } from "./freshness.ts";
import type { Leasehold } from "./leasehold.ts";
import { CONNECTED_MS, type CountedSetting, type Members } from "./members.ts";
import { errorText, type Platform } from "./platform.ts";
import { ReadGate, type ReadIndex } from "./read-gate.ts";
import { branchesText, deadlineExceeded } from "./refusals.ts";

/**
 * Copies that have not told a number back by then are taken not to. Sooner than a branch gives up its link to the bank: it
 * may be the very one that is missing, and is about to follow.
 */
const CONFIRM_TIMEOUT_MS = 400;
/** On a store that several servers reach, what is told of its age is no older than this, and the time that a write takes there. */
const CURRENT_WITHIN_MS = CONNECTED_MS / 2;

export interface LeadershipOptions {
  readonly platform: Pick<Platform, "timeout" | "monotonicMs" | "wallMs" | "delay">;
  readonly members: Members;
  /** By which copies another bank could be made; empty where none count. */
  readonly settings: () => readonly CountedSetting[];
  /** Where several servers reach the store, who holds its lease is the bank. */
  readonly leasehold: Pick<Leasehold, "isLeased" | "confirmed">;
  /** Throws where the bank knows by itself that it must not answer. */
  readonly readIndex: () => ReadIndex;
}

/**
 * Whether this is still the bank. On a store that several servers reach, another may have taken it over: a write under the lease, which
 * begins after the question, proves that none had before. With copies that count another one may have been made of them, behind its back: so what it
 * has committed is the newest only if enough of them tell back a number that was sent after the question came in. One
 * confirmation serves all who asked before it was sent, and one is under way at a time.
 */
export class Leadership {
  private readonly options: LeadershipOptions;
  private readonly gate: ReadGate;
  /** When the last question was sent by which it turned out that this was the bank. */
  private bankAsOf: Moment | undefined;
  private readonly isLeased: boolean;

  constructor(options: LeadershipOptions) {
    this.options = options;
    this.isLeased = options.leasehold.isLeased;
    this.gate = new ReadGate(async () => {
      try {
        return await this.confirm();
      } catch (error) {
        // Who came meanwhile would only wait as long again.
        this.gate.fail(error);
        throw error;
      }
    });
  }

  /** Whether the lock that it holds does not prove that it is the bank. */
  private get mustConfirm(): boolean {
    return this.isLeased || this.options.settings().length > 0;
  }

  /**
   * The committed position as it stood after this call. With an embedded store and no copies that count, the held lock is the proof.
   * Rejects with `RefusalError` NOT_READY, and as `LeadershipOptions.readIndex` throws.
   */
  async readIndex(): Promise<ReadIndex> {
    if (!this.mustConfirm) return this.options.readIndex();
    return this.gate.readIndex();
  }

  /** Likewise, for the probe of a follower, which is told in time that it has to wait: see `BankContact.readIndexForFollower`. */
  async readIndexForFollower(): Promise<ReadIndex> {
    if (!this.isLeased) return this.readIndex();
    const isLate = this.options.platform.timeout(CONFIRM_TIMEOUT_MS);
    return abortable(this.readIndex(), isLate, () => notSure("its store does not answer"));
  }

  /** A bank that has begun its epoch was the bank when it set out to. */
  wasBank(asOf: Moment): void {
    this.bankAsOf = asOf;
  }

  /**
   * How old what it has committed may be: not at all where the held lock is the proof, and else as old as the last
   * confirmation. Undefined before the first, and where the clocks moved apart since.
   */
  get currency(): Pick<ReadResult<unknown>, "stalenessMs" | "connected"> {
    if (!this.mustConfirm) return { stalenessMs: 0, connected: true };
    const ageMs = this.bankAsOf === undefined ? undefined : elapsedMs(this.bankAsOf, momentOf(this.options.platform));
    // Where the process stood still, `keepCurrent` did so too.
    if (this.isLeased && (ageMs ?? CONNECTED_MS) >= CURRENT_WITHIN_MS) this.gate.readIndex().catch(() => undefined);
    if (ageMs === undefined) return { stalenessMs: undefined, connected: false };
    return { stalenessMs: Math.ceil(ageMs), connected: ageMs < CONNECTED_MS };
  }

  /**
   * On a store that several servers reach, finds out again and again whether it is the bank, also while nobody asks: local reads
   * tell how long that is ago. Resolves, soon, once the signal aborts. Never rejects.
   */
  async keepCurrent(closing: AbortSignal): Promise<void> {
    if (!this.isLeased) return;
    for (;;) {
      await this.options.platform.delay(CURRENT_WITHIN_MS, closing).catch(() => undefined);
      if (closing.aborted) return;
      // What failed is told by whoever asks; the next try is not far.
      await this.gate.readIndex().catch(() => undefined);
    }
  }

  /** Resolves once it is sure that this was still the bank after this call. Rejects as `readIndex`, and at the deadline. */
  async confirmed(signal: AbortSignal | undefined): Promise<void> {
    if (this.mustConfirm) await abortable(this.readIndex(), signal, deadlineExceeded);
  }

  /** Likewise, but it is enough if this was the bank no longer ago than that. */
  async confirmedWithin(maxMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (!this.isCurrent(maxMs, momentOf(this.options.platform))) await this.confirmed(signal);
  }

  /** Whether this was the bank no longer ago than that, or at some moment since it was asked. */
  isCurrent(maxMs: number, asked: Moment): boolean {
    const { stalenessMs = Number.POSITIVE_INFINITY } = this.currency;
    if (stalenessMs <= maxMs) return true;
    const sinceMs = elapsedMs(asked, momentOf(this.options.platform));
    return sinceMs !== undefined && stalenessMs <= Math.ceil(sinceMs);
  }

  private async confirm(): Promise<ReadIndex> {
    const { platform, readIndex, leasehold } = this.options;
    const sent = momentOf(platform);
    readIndex();
    try {
      await Promise.all([leasehold.confirmed(), this.echoed()]);
    } catch (error) {
      // It may know more by now.
      readIndex();
      throw error;
    }
    this.bankAsOf = sent;
    return readIndex();
  }

  /** Waits for the copies by which another bank could be made. */
  private async echoed(): Promise<void> {
    const { platform, members, settings } = this.options;
    const needed = settings();
    if (needed.length === 0) return;
    for (const setting of needed) {
      const connected = members.countedConnected(setting);
      if (connected < setting.copies)
        throw unconfirmed(
          `${connected} of the ${setting.copies} that it needs are connected (not there: ${branchesText(members.countedAway(setting))})`,
        );
    }
    try {
      await members.echoed(needed, platform.timeout(CONFIRM_TIMEOUT_MS));
    } catch (cause) {
      const copies = Math.max(...needed.map((setting) => setting.copies));
      throw unconfirmed(`fewer than ${copies} have answered (${errorText(cause)})`);
    }
  }
}

function unconfirmed(problem: string): RefusalError {
  return new RefusalError("NOT_READY", {
    problem: `it cannot make sure with the branches that count that it is still the bank: ${problem}`,
  });
}

function notSure(problem: string): RefusalError {
  return new RefusalError("NOT_READY", { problem: `it cannot make sure that it is still the bank: ${problem}` });
}
