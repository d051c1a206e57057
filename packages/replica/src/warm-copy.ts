import type { Position } from "@bank/core";
import type { Replay } from "@bank/journal";
import type { StoredBatch } from "@bank/store";
import type { KeptIn } from "./appender.ts";
import { Backoff } from "./backoff.ts";
import { type FetchOptions, fetchState, offersSnapshot } from "./fetch-state.ts";
import { type FollowedBatch, Follower, type OpenJournal } from "./follower.ts";
import { errorText, type Platform } from "./platform.ts";
import { SEED_COSTS, type SeedCosts, type SeedFrom, type SeedSource } from "./seed.ts";

/** The leader, as far as a standby needs it. */
export interface WarmSource extends SeedSource {
  /** For people: where it is. */
  readonly url: string;
  /** How far its journal goes. Rejects where it cannot be reached, or is not the leader. */
  head(from: Parameters<OpenJournal>[0], signal: AbortSignal): Promise<Pick<SeedFrom, "bankId" | "target">>;
}

export interface WarmCopyOptions {
  readonly platform: Platform;
  /** When it begins from a snapshot instead of replaying; `SEED_COSTS` where nothing is said. */
  readonly costs?: SeedCosts | undefined;
  /** What an error of the source says. */
  readonly judge: {
    /** The two journals differ. */
    isDivergence(error: unknown): boolean;
    /** What is here and not there was given up by an operator. */
    isGivenUp(error: unknown): boolean;
    /** There is no snapshot to begin from. */
    isWithoutSnapshot(error: unknown): boolean;
  };
  /** Called when a state begins to be kept, which what comes is behind. */
  readonly onBegun?: (position: Position) => void;
  /** Called with every batch that comes, committed or not. */
  readonly onReceived?: (batch: StoredBatch) => void;
  /** Called when more is committed, and has come. */
  readonly onApplied?: (position: Position) => void;
}

/**
 * Why a state is not kept any more.
 * - `behind`: it costs less to begin from a snapshot.
 * - `useless`: what it has is of no journal that goes on.
 * - `damaged`: what came does not lead to the state that it says, or memory cannot be trusted.
 */
type Ending =
  | { readonly kind: "behind" }
  | { readonly kind: "useless"; readonly problem: string }
  | { readonly kind: "damaged"; readonly error: unknown };

/** A standby that has to begin anew waits for so long, longer each time: each beginning may cost the leader a snapshot. */
const ANEW_MIN_MS = 1_000;
const ANEW_MAX_MS = 300_000;
/** After so many tries that failed, of which each may have cost a snapshot, the journal is replayed instead. */
const FAILED_FETCHES_MAX = 3;

/** What comes is in memory alone. */
const NOWHERE: KeptIn = {
  initialize: async () => undefined,
  append: async () => undefined,
  fence: async () => undefined,
  recover: () => Promise.reject(new Error("what a standby has in memory is kept nowhere")),
};

/**
 * The leader's state, kept in memory by a server that waits for its turn: from a snapshot of the leader, where that costs less than
 * a replay, and then from its stream, with every check of a branch. It is no branch: it reports nothing and counts nowhere. However
 * often the stream is cut, another server leads or what comes proves wrong, it goes on, until it is handed over.
 */
export class WarmCopy {
  private readonly options: WarmCopyOptions;
  private readonly stop = new AbortController();
  private source: WarmSource | undefined;
  /** Resolves once there is somebody to follow. */
  private known = Promise.withResolvers<void>();
  /** Aborts when another one leads than the one that is followed. */
  private left = new AbortController();
  private follower: Follower | undefined;
  private running: Promise<void> | undefined;
  /** Why it could not follow, as told last. */
  private told: string | undefined;
  private failedFetches = 0;
  private beganMs = 0;
  /** As far as the leader was when it was followed, until this is as far. */
  private goal: Position | undefined;
  /** When its last stream ended; undefined while it has had none. */
  private lostMs: number | undefined;

  constructor(options: WarmCopyOptions) {
    this.options = options;
  }

  /** What it has, all of it committed; undefined before there is anything. */
  get position(): Position | undefined {
    return this.follower?.replay?.ledger.position;
  }

  /** Its own newest state, for what is to be told of it; undefined before there is one. */
  get replay(): Replay | undefined {
    return this.follower?.replay;
  }

  /** Until when it was given what the leader had, monotonic: now, while it follows; undefined while it has not caught up. */
  get followedMs(): number | undefined {
    if (this.goal !== undefined) return undefined;
    return this.follower?.state === "following" ? this.options.platform.monotonicMs() : this.lostMs;
  }

  /** From now on this one is followed; undefined while nobody is known to lead. */
  follow(source: WarmSource | undefined): void {
    if (source === this.source) return;
    this.source = source;
    this.told = undefined;
    this.left.abort(new Error("another server leads"));
    this.left = new AbortController();
    if (source !== undefined) this.known.resolve();
    else this.known = Promise.withResolvers();
    this.running ??= this.run().catch((error: unknown) => {
      if (!this.stop.signal.aborted)
        this.options.platform.log.error("the standby is cold", { problem: errorText(error) });
    });
  }

  /**
   * Follows nobody any more, and gives what it has, for whoever takes it to go on with; undefined for nothing, or for what cannot be
   * trusted. Idempotent, but for what it gives.
   */
  async end(): Promise<Replay | undefined> {
    this.stop.abort(new Error("the standby does not follow any more"));
    await this.running;
    const { follower } = this;
    this.follower = undefined;
    await follower?.close();
    return follower?.isTrusted ? follower.replay : undefined;
  }

  private async run(): Promise<void> {
    const { platform } = this.options;
    const { signal } = this.stop;
    const backoff = new Backoff(platform, { minMs: ANEW_MIN_MS, maxMs: ANEW_MAX_MS });
    let replay: Replay | undefined;
    while (!signal.aborted) {
      const startedMs = platform.monotonicMs();
      const ending = await this.keep(replay);
      if (ending === undefined) return;
      replay = undefined;
      const position = this.position ?? 0;
      await this.drop();
      if (ending.kind === "behind") {
        replay = await this.fetch(position, signal);
        if (replay !== undefined) continue;
      } else if (ending.kind === "useless") {
        platform.log.warn("the standby begins anew", { position, problem: ending.problem });
      } else {
        platform.log.error("what the standby has cannot be trusted; it begins anew", {
          position,
          problem: errorText(ending.error),
        });
      }
      if (platform.monotonicMs() - startedMs >= ANEW_MAX_MS) backoff.reset();
      await backoff.wait(signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
    }
  }

  /** What it had takes memory that a snapshot needs. Apart: who runs on would keep it. */
  private async drop(): Promise<void> {
    const { follower } = this;
    this.follower = undefined;
    await follower?.close();
  }

  /** Keeps a state as the leader goes on. Gives why not any more; undefined once it is told to end. */
  private async keep(replay: Replay | undefined): Promise<Ending | undefined> {
    const { platform, judge, onReceived, onApplied, onBegun } = this.options;
    const { promise, resolve: end } = Promise.withResolvers<Ending | undefined>();
    const onAbort = () => end(undefined);
    this.stop.signal.addEventListener("abort", onAbort, { once: true });
    onBegun?.(replay?.ledger.position ?? 0);
    this.lostMs = undefined;
    let wasFollowing = false;
    this.follower = new Follower({
      store: NOWHERE,
      platform,
      replay,
      tail: [],
      openJournal: (from, signal) => this.open(from, signal, end),
      isDivergence: (error) => judge.isDivergence(error),
      onStateChange: (state) => {
        if (state === "following") this.tellFollowing();
        else if (wasFollowing) this.lostMs = platform.monotonicMs();
        wasFollowing = state === "following";
      },
      saveWithinMs: 0,
      isDiskAwaited: () => true,
      onSaved: (batch) => onReceived?.(batch),
      onApplied: (position) => {
        onApplied?.(position);
        this.tellCurrent(position);
      },
      onNews: () => undefined,
      onContradicted: () =>
        end({ kind: "useless", problem: "the leader goes on otherwise than with what was not committed" }),
      onFatal: (error) => end({ kind: "damaged", error }),
    });
    this.beganMs = platform.monotonicMs();
    this.follower.start();
    try {
      return await promise;
    } finally {
      this.stop.signal.removeEventListener("abort", onAbort);
    }
  }

  private async *open(
    from: Parameters<OpenJournal>[0],
    signal: AbortSignal,
    end: (ending: Ending) => void,
  ): AsyncGenerator<FollowedBatch> {
    const { source, left } = await this.leader(signal);
    const within = AbortSignal.any([signal, left]);
    try {
      const { bankId, target } = await source.head(from, within);
      if (await this.isOffered(source, { bankId, position: from.position, target }, within)) {
        end({ kind: "behind" });
        throw new Error("it begins from a snapshot");
      }
      this.goal = target;
      for await (const message of source.openJournal(from, within)) {
        this.told = undefined;
        yield message;
      }
    } catch (error) {
      if (this.options.judge.isGivenUp(error))
        end({ kind: "useless", problem: "an operator has given up what it has more" });
      if (!within.aborted) this.tell(source, error);
      throw error;
    }
  }

  private async leader(signal: AbortSignal): Promise<{ readonly source: WarmSource; readonly left: AbortSignal }> {
    for (;;) {
      signal.throwIfAborted();
      if (this.source !== undefined) return { source: this.source, left: this.left.signal };
      const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => stop(), { once: true });
      await Promise.race([this.known.promise, stopped]);
    }
  }

  private async isOffered(source: WarmSource, from: SeedFrom, signal: AbortSignal): Promise<boolean> {
    if (this.failedFetches >= FAILED_FETCHES_MAX) return false;
    try {
      return await offersSnapshot(source, from, this.fetchOptions(signal));
    } catch (error) {
      if (this.options.judge.isWithoutSnapshot(error)) return false;
      throw error;
    }
  }

  /** The state of the leader's snapshot, proven; undefined where that failed. */
  private async fetch(position: Position, signal: AbortSignal): Promise<Replay | undefined> {
    const { platform } = this.options;
    const startedMs = platform.monotonicMs();
    const { source, left } = await this.leader(signal);
    const within = AbortSignal.any([signal, left]);
    try {
      const from = { bankId: undefined, epochId: undefined, position: 0, chainHash: new Uint8Array(0) };
      const { bankId, target } = await source.head(from, within);
      const replay = await fetchState(source, { bankId, position: 0, target }, this.fetchOptions(within));
      if (replay === undefined) return undefined;
      this.failedFetches = 0;
      platform.log.info("the standby begins from the leader's snapshot", {
        leader: source.url,
        position: replay.ledger.position,
        before: position,
        ms: Math.round(platform.monotonicMs() - startedMs),
      });
      return replay;
    } catch (error) {
      if (within.aborted) return undefined;
      this.failedFetches++;
      this.tell(source, error);
      return undefined;
    }
  }

  private fetchOptions(signal: AbortSignal): FetchOptions {
    const { platform, costs = SEED_COSTS } = this.options;
    return { platform, costs, signal };
  }

  /** Says why the leader is not followed; once for each cause, however often it is tried. */
  private tell(source: WarmSource, error: unknown): void {
    const problem = errorText(error);
    const cause = problem.replaceAll(/\d+/g, "");
    if (cause === this.told) return;
    this.told = cause;
    this.options.platform.log.warn("the standby cannot follow the leader", {
      leader: source.url,
      position: this.position ?? 0,
      problem,
    });
  }

  private tellFollowing(): void {
    const leader = this.source?.url ?? "-";
    this.options.platform.log.info("the standby follows the leader", { leader, position: this.position ?? 0 });
    this.tellCurrent(this.position ?? 0);
  }

  private tellCurrent(position: Position): void {
    if (this.goal === undefined || position < this.goal) return;
    this.goal = undefined;
    const { platform } = this.options;
    const ms = Math.round(platform.monotonicMs() - this.beganMs);
    platform.log.info("the standby is warm: it has what the leader had when it was followed", { position, ms });
  }
}
