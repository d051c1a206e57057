import { abortable, type Platform } from "@bank/replica";
import { FreeSpace, type JournalStore, LOOK_EVERY_MS, type StoreRoom } from "@bank/store";

/**
 * Where nothing else is said, nothing is written once so little is free: what the journal needs to end well takes half of it at the
 * most, see `FREE_SPACE_MARK_MIN_BYTES`; the other half is for the history's file.
 */
export const MIN_FREE_BYTES = 256 * 1024 * 1024;

export interface RoomWatchOptions {
  readonly room: StoreRoom;
  readonly platform: Pick<Platform, "delay" | "log">;
  /** What is not done without room, for the log. */
  readonly stops: string;
  /** For tests: in place of `LOOK_EVERY_MS`, between two looks. */
  readonly lookEveryMs?: number | undefined;
}

/** Where a server keeps what it writes, and from when on it does not. */
export interface RoomPlace extends Pick<RoomWatchOptions, "lookEveryMs"> {
  readonly dataDir: string;
  readonly minFreeBytes: number;
  readonly platform: Platform;
}

/**
 * Tells the log when a disk comes below its mark and when there is room again, whether anybody writes or not, and lets others wait
 * for room.
 */
export class RoomWatch {
  private readonly options: RoomWatchOptions;
  private readonly closing = new AbortController();
  private readonly running: Promise<void>;
  /** Resolves when there is room again; undefined while there is. */
  private shortage: PromiseWithResolvers<void> | undefined;

  constructor(options: RoomWatchOptions) {
    this.options = options;
    this.running = this.run(this.closing.signal);
  }

  /** Watches what the store watches, or else the disk of the data folder, where only the history is. */
  static of(
    store: JournalStore,
    { dataDir: folder, minFreeBytes: markBytes, platform, lookEveryMs }: RoomPlace,
  ): RoomWatch | undefined {
    if (store.room !== undefined)
      return new RoomWatch({ room: store.room, platform, lookEveryMs, stops: "writes, snapshots and the history" });
    if (store.engine === "memory" || markBytes === 0) return undefined;
    const room = new FreeSpace({ folder, markBytes, lookEveryMs });
    return new RoomWatch({ room, platform, lookEveryMs, stops: "the history" });
  }

  /** Resolves once there is room. Rejects once the signal aborts. */
  async enough(signal: AbortSignal): Promise<void> {
    this.look();
    while (this.shortage !== undefined) await abortable(this.shortage.promise, signal, () => signal.reason);
  }

  /** Idempotent. Who waits for room waits on. */
  async close(): Promise<void> {
    this.closing.abort(new Error("the server is closing"));
    await this.running;
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.look();
      await this.options.platform.delay(this.options.lookEveryMs ?? LOOK_EVERY_MS, signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
    }
  }

  private look(): void {
    const { room, platform, stops } = this.options;
    const problem = room.shortage;
    if (problem !== undefined && this.shortage === undefined) {
      this.shortage = Promise.withResolvers();
      platform.log.error("the disk has too little room left", { stops, problem });
    } else if (problem === undefined && this.shortage !== undefined) {
      this.shortage.resolve();
      this.shortage = undefined;
      platform.log.info("the disk has room again", { goes_on: stops });
    }
  }
}
