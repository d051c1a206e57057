import { nextTurn } from "./next-turn.ts";
import type { Platform } from "./platform.ts";

/** A store's lease is renewed several times a second, by timers of this process. */
const TURN_MS = 20;

/** Lets timers and connections have their turn in the middle of long work. */
export class Turns {
  private readonly platform: Pick<Platform, "defer" | "monotonicMs">;
  private sinceMs: number;

  constructor(platform: Pick<Platform, "defer" | "monotonicMs">) {
    this.platform = platform;
    this.sinceMs = platform.monotonicMs();
  }

  /** Resolves at once, mostly. */
  async breathe(): Promise<void> {
    if (this.platform.monotonicMs() - this.sinceMs < TURN_MS) return;
    await nextTurn(this.platform);
    this.sinceMs = this.platform.monotonicMs();
  }
}
