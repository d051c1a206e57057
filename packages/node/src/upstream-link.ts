import { bytesEqual, type EpochEntry, type Position } from "@bank/core";
import type { ForwardedCommand } from "@bank/proto";
import {
  abortable,
  type BankLink,
  type CallLimit,
  errorText,
  type FollowedBatch,
  type MemberReport,
  type MovementsAnswer,
  type MovementsCall,
  type OpenJournal,
  type Platform,
  type Propagation,
  type PropagationAsked,
  type ReadIndex,
} from "@bank/replica";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ForwardedOutcome, type RemoteHead, type RemoteJournal, reasonOf } from "./bank-link.ts";
import type { KnownEpochs } from "./known-epochs.ts";

/** A server that does not answer by then is passed over. */
const INSPECTION_TIMEOUT_MS = 1_000;
/** Who answers later than another one by more than this is passed over, however much it is preferred: it may stand still. */
const PREFERENCE_GRACE_MS = 250;
/** While one has not answered, another that waits for its turn to lead is asked again so often. */
const ASK_AGAIN_MS = 100;
/** A stream that has not begun by then never will. */
const STREAM_TIMEOUT_MS = 5_000;
/** A server that has refused so many probes in a row is left for another. */
const REFUSALS_MAX = 3;
/** How often it is told that a branch follows itself. */
const LOOP_TOLD_EVERY_MS = 60_000;
/** Why a server cannot be followed is told again when it is so again after it was not for so long. */
const CAUSE_REMEMBERED_MS = 60_000;

export interface UpstreamOptions {
  /** In the order in which they are preferred; at least one. */
  readonly upstreams: readonly RemoteJournal[];
  readonly platform: Platform;
  /** What this copy says of itself and of those that follow it. */
  readonly members: () => readonly MemberReport[];
  /** The table of epochs of this copy; empty before the first contact. */
  readonly epochs: () => readonly EpochEntry[];
  readonly known: KnownEpochs;
  /** Called before a server is followed. It may throw: then it is not followed now, and nobody else is tried. */
  readonly beforeFollowing: (
    upstream: RemoteJournal,
    from: Parameters<OpenJournal>[0],
    head: RemoteHead,
    signal: AbortSignal,
  ) => Promise<void>;
}

/** What was found out about a server before it is followed. */
interface Inspected {
  readonly upstream: RemoteJournal;
  readonly head: RemoteHead;
  /** Whether it reached the bank when it was asked: a branch that is cut off itself leads nowhere. */
  readonly answersProbes: boolean;
}

/** Never rejects. */
interface Inspection {
  readonly value?: Inspected;
  readonly error?: unknown;
}

type From = Parameters<OpenJournal>[0];

/**
 * Whom a branch follows: the bank, or another branch, one of several. Each time a stream is opened all of them are asked at
 * once, and the first in order that reaches the bank is followed; one that does not only where it has what this branch lacks.
 */
export class UpstreamLink implements BankLink<ForwardedCommand, ForwardedOutcome> {
  private readonly options: UpstreamOptions;
  private followed: RemoteJournal;
  private isStreaming = false;
  /** Probes in a row that the followed server refused. */
  private refusals = 0;
  /** Aborts when the server that is followed must be left. */
  private leaving = new AbortController();
  /** Aborts when another server is followed: what was asked of the one before is not waited for. */
  private asking = new AbortController();
  /** Why each server could not be followed since the last stream, and when that was last so. */
  private readonly causes = new Map<RemoteJournal, Map<string, number>>();
  private loopToldMs = Number.NEGATIVE_INFINITY;

  constructor(options: UpstreamOptions) {
    this.options = options;
    this.followed = options.upstreams[0] as RemoteJournal;
  }

  /** Whom it follows, or would like to follow most. */
  get current(): RemoteJournal {
    return this.followed;
  }

  readonly openJournal: OpenJournal = (from, signal) => this.follow(from, signal);

  readonly isDivergence = (error: unknown): boolean => reasonOf(error) === "JOURNAL_DIVERGED";

  async probe(members: readonly MemberReport[], signal: AbortSignal): Promise<ReadIndex> {
    const { followed } = this;
    try {
      const { signal: moved } = this.asking;
      const index = await abortable(followed.probe(members, signal), moved, () => moved.reason);
      this.hearOfEpoch(index, followed);
      this.refusals = 0;
      return index;
    } catch (error) {
      this.noticeLoop(error, followed);
      if (followed === this.followed) this.missedAnswer(error);
      throw error;
    }
  }

  /**
   * A probe that nobody answered is for its sender to deal with: it resets the link. A server that answers that it does not
   * reach the bank itself is left where there are others.
   */
  private missedAnswer(error: unknown): void {
    if (!this.isStreaming) {
      this.tell(this.followed, error);
      this.followed = this.behind(this.followed);
      return;
    }
    if (reasonOf(error) === undefined || this.options.upstreams.length === 1) return;
    this.refusals++;
    if (this.refusals < REFUSALS_MAX) return;
    this.refusals = 0;
    this.leaving.abort(new Error(`${this.followed.url} does not reach the bank`, { cause: error }));
  }

  report(members: readonly MemberReport[], signal: AbortSignal): Promise<void> {
    return this.followed.report(members, signal);
  }

  awaitPropagation(position: Position, asked: PropagationAsked, limit: CallLimit): Promise<Propagation> {
    return this.followed.awaitPropagation(position, asked, limit);
  }

  submit(commands: readonly ForwardedCommand[], limit: CallLimit): Promise<readonly ForwardedOutcome[]> {
    return this.followed.submit(commands, limit);
  }

  submitMovements(calls: readonly MovementsCall[], limit: CallLimit): Promise<readonly MovementsAnswer[]> {
    return this.followed.submitMovements(calls, limit);
  }

  passTime(timeMs: number, limit: CallLimit): Promise<Position> {
    return this.followed.passTime(timeMs, limit);
  }

  registerBranch(branch: Parameters<RemoteJournal["registerBranch"]>[0]): Promise<Position> {
    return this.followed.registerBranch(branch);
  }

  /** Drops the connection, which may be half open: the stream ends, and the next one is opened to whoever answers then. */
  reset(reason: Error): void {
    this.leaving.abort(reason);
    this.followed.reset(reason);
  }

  close(): void {
    for (const upstream of this.options.upstreams) upstream.close();
  }

  private async *follow(from: From, signal: AbortSignal): AsyncGenerator<FollowedBatch> {
    const { platform, known } = this.options;
    const failures: unknown[] = [];
    for await (const { upstream, head } of this.candidates(from, signal, failures)) {
      await this.options.beforeFollowing(upstream, from, head, signal);
      const { required } = known;
      const left = new AbortController();
      const stream = upstream.openJournal(from, AbortSignal.any([signal, left.signal]))[Symbol.asyncIterator]();
      let first: IteratorResult<FollowedBatch>;
      try {
        first = await begun(stream.next(), platform, left);
        // A promise that was given meanwhile: this may be the very bank that it leaves.
        if (known.required > required) throw new Error("a newer epoch was heard of while the stream began");
      } catch (error) {
        left.abort(error);
        if (signal.aborted) throw error;
        this.tell(upstream, error);
        failures.push(error);
        continue;
      }
      this.moveTo(upstream);
      this.leaving = left;
      this.isStreaming = true;
      this.causes.clear();
      try {
        for (let next = first; next.done !== true; next = await stream.next()) yield next.value;
        return;
      } finally {
        this.isStreaming = false;
        left.abort(new Error("the stream is over"));
      }
    }
    signal.throwIfAborted();
    throw mostTelling(failures, this.isDivergence);
  }

  private moveTo(upstream: RemoteJournal): void {
    if (upstream === this.followed) return;
    this.options.platform.log.info("another server is followed", { url: upstream.url, before: this.followed.url });
    this.followed = upstream;
    this.asking.abort(new Error("another server is followed"));
    this.asking = new AbortController();
  }

  /** Those that may be followed, the best first; why the others may not goes to `failures`. */
  private async *candidates(from: From, signal: AbortSignal, failures: unknown[]): AsyncGenerator<Inspected> {
    const { upstreams } = this.options;
    const silent = new Set(upstreams);
    const inspections = upstreams.map((upstream) => ({
      upstream,
      inspection: this.inspectWhileWaiting({ upstream, from, signal, silent }),
    }));
    const lastResorts: Inspected[] = [];
    for (const [i, { upstream, inspection }] of inspections.entries()) {
      const later = inspections.slice(i + 1).map((other) => other.inspection);
      const { value, error } = await this.unlessLate(inspection, later);
      if (value === undefined && !signal.aborted) this.tell(upstream, error);
      if (value === undefined) failures.push(error);
      else if (value.answersProbes) yield value;
      else if (isWorthFollowing(value, from)) lastResorts.push(value);
      else
        failures.push(new Error(`${value.upstream.url} does not reach the bank, and has nothing that is missing here`));
    }
    yield* lastResorts;
  }

  /**
   * What an inspection finds. Where a server waits for its turn to lead it is asked again for as long as another says nothing, which
   * may be the leader that it is about to replace. Never rejects.
   *
   * @param silent those that have not answered once.
   */
  private async inspectWhileWaiting(options: {
    readonly upstream: RemoteJournal;
    readonly from: From;
    readonly signal: AbortSignal;
    readonly silent: Set<RemoteJournal>;
  }): Promise<Inspection> {
    const { upstream, from, signal, silent } = options;
    for (;;) {
      const found = await settled(this.inspect(upstream, from, signal));
      silent.delete(upstream);
      if (reasonOf(found.error) !== "NOT_LEADER" || silent.size === 0 || signal.aborted) return found;
      await settled(this.options.platform.delay(ASK_AGAIN_MS, signal));
    }
  }

  /** What an inspection finds, unless another one has found somebody to follow some time before. */
  private async unlessLate(
    inspection: Promise<Inspection>,
    others: readonly Promise<Inspection>[],
  ): Promise<Inspection> {
    const over = new AbortController();
    const isReady = async (other: Promise<Inspection>) => {
      if ((await other).value?.answersProbes !== true) throw new Error("nobody to follow");
    };
    const late = Promise.any(others.map(isReady)).then(
      () => this.options.platform.delay(PREFERENCE_GRACE_MS, over.signal),
      // All of them have been heard, or will not be followed: there is no hurry.
      () => new Promise<never>(() => undefined),
    );
    try {
      return await Promise.race([
        inspection,
        late.then(
          () => ({ error: new Error("it did not answer when another one had") }),
          () => inspection,
        ),
      ]);
    } finally {
      over.abort(new Error("it is known"));
    }
  }

  private async inspect(upstream: RemoteJournal, from: From, signal: AbortSignal): Promise<Inspected> {
    const { platform, members, epochs, known: promised } = this.options;
    const within = AbortSignal.any([signal, platform.timeout(INSPECTION_TIMEOUT_MS)]);
    upstream.meetAnew();
    const head = await upstream.head(within);
    upstream.requireOwn(head.bankId);
    let index: ReadIndex | undefined;
    try {
      index = await upstream.probe(members(), within);
    } catch (error) {
      this.noticeLoop(error, upstream);
      const reason = reasonOf(error);
      if (signal.aborted || reason === "FOLLOW_LOOP" || reason === "EPOCH_SUPERSEDED") throw error;
    }
    const known = epochs();
    const at = known.findIndex(({ id }) => bytesEqual(id, head.epochId));
    if (at !== -1 && at < known.length - 1)
      throw new Error(`${upstream.url} is of epoch ${known[at]?.number}, and epoch ${known.at(-1)?.number} has begun`);
    if (index !== undefined) this.hearOfEpoch(index, upstream);
    // A bank that waits for copies to have its epoch answers nothing else, and must be followed.
    else promised.requireBegun(head.newestEpoch);
    // One that has nothing more than this branch leads nowhere unless it reaches the bank.
    if (from.position > head.position && index === undefined)
      throw new Error(
        `${upstream.url} is at position ${head.position}, behind this branch, and does not reach the bank`,
      );
    return { upstream, head, answersProbes: index !== undefined };
  }

  /** Throws where a server is of an older epoch than has been heard of: another bank has taken its place. */
  private hearOfEpoch({ epoch }: ReadIndex, upstream: RemoteJournal): void {
    // A bank of the release before this one does not say. To a branch that belongs to none yet it may be of any.
    if (epoch === 0 || this.options.epochs().length === 0) return;
    try {
      this.options.known.meet(epoch);
    } catch (error) {
      if (upstream === this.followed) this.leaving.abort(error);
      throw error;
    }
  }

  private behind(upstream: RemoteJournal): RemoteJournal {
    const { upstreams } = this.options;
    return upstreams[(upstreams.indexOf(upstream) + 1) % upstreams.length] as RemoteJournal;
  }

  /** Says why a server is not followed; once for each cause, however often and in how many ways it is tried. */
  private tell(upstream: RemoteJournal, error: unknown): void {
    const { platform } = this.options;
    const causes = this.causes.get(upstream) ?? new Map<string, number>();
    this.causes.set(upstream, causes);
    const cause = causeOf(error);
    const now = platform.monotonicMs();
    const beforeMs = causes.get(cause);
    causes.set(cause, now);
    if (beforeMs !== undefined && now - beforeMs < CAUSE_REMEMBERED_MS) return;
    platform.log.warn("a server cannot be followed", { url: upstream.url, problem: errorText(error) });
  }

  private noticeLoop(error: unknown, upstream: RemoteJournal): void {
    if (reasonOf(error) !== "FOLLOW_LOOP") return;
    const { platform } = this.options;
    const now = platform.monotonicMs();
    if (now - this.loopToldMs >= LOOP_TOLD_EVERY_MS) {
      this.loopToldMs = now;
      platform.log.error("this branch would follow itself, and so follows nobody here: check who follows whom", {
        url: upstream.url,
        problem: errorText(error),
      });
    }
    if (upstream === this.followed) this.leaving.abort(new Error("this branch would follow itself", { cause: error }));
  }
}

/**
 * Whether one that does not answer probes is followed all the same: where it has what is missing here, and the bank itself,
 * which may need this very copy to follow it before it can answer.
 */
function isWorthFollowing({ head }: Inspected, { position }: From): boolean {
  return head.position > position || (head.isBank && head.position === position);
}

/** The first message, or a rejection when it does not come in time. */
async function begun<T>(next: Promise<T>, platform: Platform, left: AbortController): Promise<T> {
  const over = new AbortController();
  platform.delay(STREAM_TIMEOUT_MS, over.signal).then(
    () => left.abort(new Error("the stream did not begin in time")),
    () => {
      // It has begun, or has failed by itself.
    },
  );
  try {
    return await next;
  } finally {
    over.abort(new Error("the stream has begun"));
  }
}

/** What stays the same while a server cannot be followed: its reason or status; else the text, but for positions and times. */
function causeOf(error: unknown): string {
  const code = error instanceof ConnectError ? Code[error.code] : undefined;
  return reasonOf(error) ?? code ?? errorText(error).replaceAll(/\d+/g, "");
}

/** Never rejects: nobody may be looking yet when it fails. */
async function settled<T>(promise: Promise<T>): Promise<{ readonly value?: T; readonly error?: unknown }> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/** A journal that differs is more important than a server that is away; else the first, which is preferred. */
function mostTelling(failures: readonly unknown[], isDivergence: (error: unknown) => boolean): unknown {
  return failures.find(isDivergence) ?? failures[0] ?? new Error("there is nobody to follow");
}
