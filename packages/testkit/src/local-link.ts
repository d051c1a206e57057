import { type Position, RefusalError, type Request } from "@bank/core";
import { decodeHeader } from "@bank/journal";
import type {
  BankLink,
  BankReplica,
  CallLimit,
  FollowedBatch,
  MemberReport,
  MovementsAnswer,
  OpenJournal,
  Outcome,
  Propagation,
  PropagationAsked,
  ReadIndex,
} from "@bank/replica";
import { turn } from "./waiting.ts";

/** An outcome with the position that a branch has to show before it answers. */
export interface LocalResult {
  readonly position: Position;
  readonly outcome: Outcome;
}

/** A call that found nobody at the other end, or lost it on the way. */
export class LinkBrokenError extends Error {
  override readonly name = "LinkBrokenError";
}

/**
 * Joins a branch to a bank in the same process, without a network. Every message takes a turn of the event loop. The
 * test takes the link apart and joins it again, to the same bank or to another.
 */
export class LocalLink implements BankLink<Request, LocalResult> {
  /** Questions asked about the bank's position. */
  questions = 0;
  /** Reports of how far the branch is, besides those of questions. */
  reports = 0;
  /** Calls with commands. */
  calls = 0;
  /** Streams of the journal opened so far. */
  streams = 0;
  /** Batches and news that arrived so far. */
  messages = 0;
  /** How long the callers of each call with commands still waited, where they said. */
  readonly timeouts: (number | undefined)[] = [];
  /** Times that the connection was dropped by the branch. */
  resets = 0;
  /** Breaks the link in place of the message after so many; undefined for never. */
  breaksAfterMessages: number | undefined;
  /** Awaited before an answer leaves the bank. */
  beforeAnswer: () => Promise<void> = async () => undefined;
  private bank: BankReplica | undefined;
  private connection = new AbortController();

  constructor(bank?: BankReplica) {
    this.bank = bank;
  }

  readonly openJournal: OpenJournal = (from, signal) => this.follow(from, signal);

  readonly isDivergence = (error: unknown): boolean =>
    error instanceof RefusalError && error.refusal.reason === "JOURNAL_DIVERGED";

  /** Ends every stream and call on its way; none succeeds until `join`. */
  break(): void {
    this.bank = undefined;
    this.connection.abort(new LinkBrokenError("the link broke"));
    this.connection = new AbortController();
  }

  /** Ends every stream and call on its way; the next ones find the same bank. */
  reset(reason: Error): void {
    this.resets++;
    this.connection.abort(reason);
    this.connection = new AbortController();
  }

  join(bank: BankReplica): void {
    this.bank = bank;
  }

  async probe(members: readonly MemberReport[], signal: AbortSignal): Promise<ReadIndex> {
    this.questions++;
    return this.call(signal, (bank) => bank.probe(members));
  }

  report(members: readonly MemberReport[], signal: AbortSignal): Promise<void> {
    this.reports++;
    return this.call(signal, async (bank) => bank.hear(members));
  }

  awaitPropagation(position: Position, asked: PropagationAsked, { signal }: CallLimit): Promise<Propagation> {
    return this.call(signal, (bank) => bank.awaitPropagation(position, asked, signal));
  }

  submit(requests: readonly Request[], { signal, timeoutMs }: CallLimit): Promise<readonly LocalResult[]> {
    this.calls++;
    this.timeouts.push(timeoutMs);
    return this.call(signal, async (bank) => {
      const outcomes = await bank.submit(requests);
      return outcomes.map((outcome) => ({ position: outcome.position, outcome }));
    });
  }

  /** Nothing here knows how movements are encoded. */
  submitMovements(): Promise<readonly MovementsAnswer[]> {
    return Promise.reject(new Error("this link passes no columns on"));
  }

  async passTime(timeMs: number, { signal }: CallLimit): Promise<Position> {
    return this.call(signal, async (bank) => bank.passTime(timeMs));
  }

  private async call<T>(signal: AbortSignal | undefined, ask: (bank: BankReplica) => Promise<T>): Promise<T> {
    const connection = this.connection.signal;
    const lost = signal === undefined ? connection : AbortSignal.any([connection, signal]);
    await turn();
    lost.throwIfAborted();
    const answered = ask(this.connected()).then(async (answer) => {
      await this.beforeAnswer();
      await turn();
      return answer;
    });
    return Promise.race([answered, rejectedBy(lost)]);
  }

  private async *follow(...[from, signal]: Parameters<OpenJournal>): AsyncGenerator<FollowedBatch> {
    this.streams++;
    const lost = AbortSignal.any([this.connection.signal, signal]);
    await turn();
    lost.throwIfAborted();
    const bank = this.connected();
    const { bankId } = bank;
    await bank.feed.checkPrefix(from);
    for await (const { batch, ...news } of bank.feed.messages(from.position, lost)) {
      if (batch === undefined) {
        yield { bankId, received: undefined, lastPosition: 0, ...news };
        continue;
      }
      await turn();
      lost.throwIfAborted();
      if (this.messages === this.breaksAfterMessages) this.break();
      lost.throwIfAborted();
      this.messages++;
      const { frame, chainHash } = batch;
      const { firstPosition, count } = decodeHeader(frame);
      yield { bankId, received: { frame, chainHash }, lastPosition: firstPosition + count - 1, ...news };
    }
  }

  private connected(): BankReplica {
    if (this.bank === undefined) throw new LinkBrokenError("nobody is there");
    return this.bank;
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
