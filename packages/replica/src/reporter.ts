import type { Position } from "@bank/core";
import type { FeedNews } from "./journal-feed.ts";

/** How far a copy is. */
export interface CopyProgress {
  readonly durable: Position;
  readonly applied: Position;
  /** Whether the bank counts it, as far as it knows. */
  isCounted(): boolean;
}

/** Says how far this copy and its followers are as soon as somebody waits for it; what comes meanwhile goes together. */
export class Reporter {
  private readonly progress: CopyProgress;
  private readonly send: () => Promise<void>;
  private wanted: Position = 0;
  private saidDurable: Position = 0;
  private echo = 0;
  private isSending = false;
  private isDue = false;

  /** @param send tells the newest; what it rejects with is of no interest, for the next heartbeat tells it too. */
  constructor(progress: CopyProgress, send: () => Promise<void>) {
    this.progress = progress;
    this.send = send;
  }

  /** Whether somebody waits until this copy has more on its disk: it counts, or a position is asked for that is not there yet. */
  get isDiskAwaited(): boolean {
    return this.wanted > this.progress.durable || this.progress.isCounted();
  }

  /** What the stream says. */
  hear({ reportPosition, echo }: FeedNews): void {
    this.wanted = Math.max(this.wanted, reportPosition);
    const isNew = echo > this.echo;
    this.echo = echo;
    if (isNew && this.progress.isCounted()) this.report();
    this.look();
  }

  /** Something was saved or applied. */
  look(): void {
    const { durable, applied } = this.progress;
    const { wanted } = this;
    if (wanted > 0 && durable >= wanted) {
      // Once when it is on the disk, and again when it shows, unless that is one moment.
      const shows = applied >= wanted;
      if (shows) this.wanted = 0;
      if (shows || this.saidDurable < wanted) this.report();
    } else if (durable > applied && durable > this.saidDurable && this.progress.isCounted()) {
      // Not committed: the bank waits for those that count.
      this.report();
    }
  }

  /** Tells at once. */
  report(): void {
    this.saidDurable = Math.max(this.saidDurable, this.progress.durable);
    this.isDue = true;
    if (!this.isSending) void this.run();
  }

  private async run(): Promise<void> {
    this.isSending = true;
    while (this.isDue) {
      // What else happens in this turn goes along.
      await Promise.resolve();
      this.isDue = false;
      await this.send().catch(() => {
        // Whoever is followed is away; it is told again once it is back.
      });
    }
    this.isSending = false;
  }
}
