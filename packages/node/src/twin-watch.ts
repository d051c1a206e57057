import { toHex } from "@bank/core";
import type { MemberReport } from "@bank/proto";
import type { Log, Platform } from "@bank/replica";

/** How long a run is remembered, and how often the same pair of twins is told of. */
const REMEMBERED_MS = 60_000;
/** A last call of a run that has ended may be heard late, once. */
const RETURNS_MIN = 2;
/** Runs that are remembered of one copy. */
const RUNS_MAX = 8;

interface Heard {
  /** The run that was heard last. */
  run: bigint;
  /** Runs that were heard before it, and when each was heard last. */
  readonly before: Map<bigint, number>;
  /** How often a run came back behind another. */
  returns: number;
  toldMs: number;
}

/**
 * Notices two copies that run with one id, because somebody copied a data folder. A copy that starts again is heard under a
 * new number and never again under an old one; two that live are heard in turns. Neither can be counted for what the other
 * has, so it is told, loudly.
 */
export class TwinWatch {
  private readonly platform: Pick<Platform, "monotonicMs">;
  private readonly log: Log;
  private readonly heard = new Map<string, Heard>();

  constructor(platform: Pick<Platform, "monotonicMs">, log: Log) {
    this.platform = platform;
    this.log = log;
  }

  /** A follower speaks of itself, in this run of its process. */
  hear({ copyId, run, branches }: Pick<MemberReport, "copyId" | "run" | "branches">): void {
    const now = this.platform.monotonicMs();
    const key = toHex(copyId);
    const known = this.heard.get(key);
    if (known === undefined) {
      this.forget(now);
      this.heard.set(key, { run, before: new Map(), returns: 0, toldMs: Number.NEGATIVE_INFINITY });
      return;
    }
    if (known.run === run) return;
    const lastMs = known.before.get(run);
    known.before.delete(run);
    known.before.set(known.run, now);
    known.run = run;
    if (known.before.size > RUNS_MAX) known.before.delete(known.before.keys().next().value as bigint);
    if (lastMs === undefined || now - lastMs > REMEMBERED_MS) return;
    known.returns++;
    if (known.returns < RETURNS_MIN || now - known.toldMs < REMEMBERED_MS) return;
    known.toldMs = now;
    this.log.error(
      "two copies of the journal run with one id: a data folder was copied. Stop one of them, move its copy-id file away, and start it again",
      { copy_id: key, branches: branches.join(", ") },
    );
  }

  /** What was heard long ago makes room. */
  private forget(now: number): void {
    if (this.heard.size < 1_000) return;
    for (const [key, { before, toldMs }] of this.heard) {
      const newest = Math.max(toldMs, ...before.values());
      if (now - newest > REMEMBERED_MS) this.heard.delete(key);
    }
  }
}
