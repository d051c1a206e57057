import { RefusalError } from "@bank/core";
import { Freshness } from "./freshness.ts";
import { LinkWatch, SILENCE_MAX_MS } from "./link-watch.ts";
import type { Platform } from "./platform.ts";
import { ReadGate, type ReadIndex } from "./read-gate.ts";

/** A read waits no longer than this for the bank to say how far it is, also where the bank is only slow. */
const INDEX_WAIT_MAX_MS = 900;
/** A follower is told sooner than it takes its link to this branch for lost, the way there and back included. */
const FOLLOWER_WAIT_MAX_MS = SILENCE_MAX_MS - 150;

export interface BankContactOptions {
  readonly platform: Platform;
  /** The branches that this replica serves, for people. */
  readonly branch: string;
  readonly probe: (signal: AbortSignal) => Promise<ReadIndex>;
  /** Whether the journal's stream is open. */
  readonly isFollowing: () => boolean;
  /** Drops the connection, which may be half open. */
  readonly reset: (reason: Error) => void;
}

/** What a branch knows of the bank, by its probes: how far it is, whether it is there, and how fresh its own state is. */
export class BankContact {
  readonly gate: ReadGate;
  readonly watch: LinkWatch;
  readonly freshness: Freshness;
  /** The branches that this replica serves, for people. */
  readonly branch: string;
  private readonly isFollowing: () => boolean;
  /** Followers that wait for an answer to their probes. */
  private readonly followers = new Set<{ readonly sinceMs: number; readonly reject: (reason: RefusalError) => void }>();

  constructor(options: BankContactOptions) {
    const { platform, probe } = options;
    this.branch = options.branch;
    this.isFollowing = options.isFollowing;
    this.freshness = new Freshness(platform);
    this.watch = new LinkWatch({
      platform,
      probe: () => this.gate.readIndex(),
      onDown: (reason) => this.gate.fail(reason),
      onDropped: options.reset,
      onTick: (nowMs) => this.look(nowMs),
    });
    this.gate = new ReadGate(
      () => this.watch.sends((signal) => this.freshness.probe(() => probe(signal))),
      () => this.watch.nowMs,
    );
  }

  /** Whether something that needs the bank can be begun. */
  get isReachable(): boolean {
    return this.watch.isUp && this.isFollowing();
  }

  /** See `Freshness.isConnected`. */
  isConnected(applied: number): boolean {
    return this.isReachable && this.freshness.isConnected(applied);
  }

  /**
   * The bank's committed position as it stood after this call. Rejects with `RefusalError`: at once where the bank cannot
   * be reached, and within a second where it does not answer.
   */
  async readIndex(): Promise<ReadIndex> {
    if (!this.isReachable) throw this.unreachable("NOT_APPLIED");
    try {
      return await this.gate.readIndex();
    } catch (cause) {
      throw cause instanceof RefusalError ? cause : this.unreachable("NOT_APPLIED", cause);
    }
  }

  /**
   * Likewise, for the probe of a follower. Where the bank is only slow, that is told in time: a refusal is an answer, and the
   * follower keeps its stream and its calls, which are on their way over the same connection.
   */
  async readIndexForFollower(): Promise<ReadIndex> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const wait = { sinceMs: this.watch.nowMs, reject };
    this.followers.add(wait);
    try {
      return await Promise.race([this.readIndex(), late]);
    } finally {
      this.followers.delete(wait);
    }
  }

  /** By the same clock as the watch of the link, which runs little while this process stands still. */
  private look(nowMs: number): void {
    const reason = new Error("the bank is slow to answer");
    this.gate.expire(nowMs - INDEX_WAIT_MAX_MS, () => reason);
    for (const { sinceMs, reject } of this.followers)
      if (nowMs - sinceMs >= FOLLOWER_WAIT_MAX_MS) reject(this.unreachable("NOT_APPLIED", reason));
  }

  unreachable(outcome: "NOT_APPLIED" | "OUTCOME_UNKNOWN", cause?: unknown): RefusalError {
    const { branch } = this;
    return new RefusalError("BANK_UNREACHABLE", { branch }, outcome, cause === undefined ? undefined : { cause });
  }
}
