import { type Ledger, RefusalError } from "@bank/core";
import { AppendRefusedError } from "@bank/store/errors";
import { Backoff } from "./backoff.ts";
import { epochAwaited } from "./counted-commit.ts";
import type { JournalFeed } from "./journal-feed.ts";
import type { Members } from "./members.ts";
import { errorText, type Platform } from "./platform.ts";
import type { Recovered } from "./recover.ts";
import type { Sequencer } from "./sequencer.ts";

export type BeginOptions = Parameters<Sequencer["beginEpoch"]>[0];

const BEGIN_RETRY_MIN_MS = 500;
const BEGIN_RETRY_MAX_MS = 10_000;

export interface BankBeginningOptions {
  readonly platform: Platform;
  readonly recovered: Recovered;
  readonly sequencer: Sequencer;
  readonly feed: JournalFeed;
  readonly members: Members;
  /** Aborts when the bank closes. */
  readonly closing: AbortSignal;
  /** Called when the store cannot be used any more. */
  readonly onFatal: (error: unknown) => void;
}

/** How a bank comes to its epoch, and why it does not answer before. */
export class BankBeginning {
  private readonly options: BankBeginningOptions;
  private why: RefusalError | undefined;
  /** The record of the epoch is on disk, and waits for the copies that count. */
  private waits = false;
  /** Called when a batch is on disk; undefined once the epoch has begun. */
  private begun: (() => void) | undefined;

  constructor(options: BankBeginningOptions) {
    this.options = options;
  }

  /** The record of the epoch could not be written: only local reads are served. */
  get suspension(): RefusalError | undefined {
    return this.why;
  }

  /** Whether the record of the epoch is on disk, and nobody is answered until the copies that count have it too. */
  get isAwaited(): boolean {
    return this.waits;
  }

  /** Which copies are awaited; undefined where none are. */
  get awaited(): RefusalError | undefined {
    if (!this.waits) return undefined;
    const { feed, members } = this.options;
    const position = feed.appendedPosition;
    return epochAwaited(position, this.settings(), (setting) => members.countedWith(setting, position));
  }

  /** A batch is on disk. */
  appended(): void {
    this.begun?.();
  }

  /**
   * Begins the epoch. Where the store refuses its record because there is no room, a bank that has lived before serves
   * local reads alone, and tries again until there is room.
   */
  async begin(options: BeginOptions): Promise<void> {
    const { sequencer, recovered, platform } = this.options;
    const isCounted = this.settings().length > 0;
    const isOnDisk = new Promise<void>((resolve) => {
      this.begun = () => {
        this.begun = undefined;
        this.waits = isCounted;
        // From here on followers may have it.
        if (isCounted) this.why = undefined;
        resolve();
      };
    });
    const committed = sequencer.beginEpoch(options).then(() => {
      this.waits = false;
    });
    try {
      await (isCounted ? Promise.race([committed, isOnDisk]) : committed);
    } catch (error) {
      if (!wasRefused(error) || recovered.replay.ledger.currentEpoch() === undefined || options.lossAccepted)
        throw error;
      this.suspend(error);
      void this.beginLater(options);
      return;
    }
    if (this.waits)
      platform.log.warn("the bank waits for the branches that count", { problem: String(this.awaited?.message) });
    // Told to stop before: the next start begins another.
    committed.catch(() => undefined);
  }

  /** What counts while the epoch begins: by what was committed before it, and by what the journal says beyond that. */
  private settings(): readonly Ledger["durability"][] {
    const { durability } = this.options.recovered.replay.ledger;
    const { durability: before } = this.options.recovered;
    return (durability === before ? [durability] : [before, durability]).filter(({ copies }) => copies > 0);
  }

  private suspend(error: unknown): void {
    // Why is for the log.
    this.why = new RefusalError("NOT_READY", { problem: "its journal cannot be written; local reads still work" });
    const isTold = error instanceof RefusalError && error.cause !== undefined;
    this.options.platform.log.error("the bank serves only local reads: its journal cannot be written", {
      problem: errorText(isTold ? error.cause : error),
    });
  }

  private async beginLater(options: BeginOptions): Promise<void> {
    const { platform, sequencer, closing, onFatal } = this.options;
    const backoff = new Backoff(platform, { minMs: BEGIN_RETRY_MIN_MS, maxMs: BEGIN_RETRY_MAX_MS });
    while (!closing.aborted) {
      try {
        await backoff.wait(closing);
        await sequencer.beginEpoch(options);
        this.why = undefined;
        this.waits = false;
        platform.log.info("the journal can be written again; the bank serves everything");
        return;
      } catch (error) {
        if (closing.aborted || wasRefused(error)) continue;
        // The sequencer was told to stop, or has failed and said so itself.
        if (!(error instanceof RefusalError)) onFatal(error);
        return;
      }
    }
  }
}

/** Whether certainly nothing was stored: by the store itself, or told by the sequencer. */
function wasRefused(error: unknown): boolean {
  return (
    error instanceof AppendRefusedError ||
    (error instanceof RefusalError && ["STORE_REFUSED", "STORE_FULL"].includes(error.refusal.reason))
  );
}
