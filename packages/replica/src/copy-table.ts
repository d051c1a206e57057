import { type Position, RefusalError, toHex } from "@bank/core";
import type { MemberReport } from "./member.ts";
import type { Platform } from "./platform.ts";

/** A follower calls itself connected for so long from when it sent the last probe that was answered. */
export const CONNECTED_MS = 2_000;
/** A copy is taken to be connected for so long from when it was last heard of: always longer than it does so itself. */
export const DROPPED_MS = CONNECTED_MS + 500;
/** What is known of a copy that is silent for so long is not worth keeping. */
const FORGOTTEN_MS = 60 * 60_000;
/** Earlier runs of one copy that are remembered, so that what they said late is not heard. */
const PAST_RUNS_MAX = 8;

/** A copy as the server knows it that it follows, directly or through others. */
export interface Member {
  readonly report: MemberReport;
  /** When it last said something new, by this machine's monotonic clock. */
  readonly heardMs: number;
  /** Since when it has been heard of without a break, Unix milliseconds. */
  readonly connectedSinceMs: number;
}

interface Entry extends Member {
  /** How far the followed server was when it last heard of this copy. */
  readonly mark: Position;
  readonly pastRuns: readonly number[];
}

export interface CopyTableOptions {
  readonly platform: Pick<Platform, "monotonicMs" | "wallMs">;
  /** Copies that are known at the same time; beyond it a new one takes the place of a silent one, or is refused. */
  readonly copiesMax: number;
  /** The branch of this server; 0 at the bank. */
  readonly branch: number;
}

/**
 * What followers say of themselves, the newest of each copy. What a copy says counts by its run and its sequence: a
 * report that comes late, or again by another way, changes nothing, and a run that begins makes what earlier ones said
 * void, for their disk may have gone back.
 */
export class CopyTable {
  private readonly options: CopyTableOptions;
  private readonly byCopy = new Map<string, Entry>();

  constructor(options: CopyTableOptions) {
    this.options = options;
  }

  /** Every copy that is remembered, silent ones too. */
  get members(): Iterable<Member> {
    return this.byCopy.values();
  }

  /**
   * Takes what followers report. Gives whether anything was new.
   * Throws: `RefusalError` NOT_READY when there is no room for another copy that is not silent.
   *
   * @param reports the asker first, then those that follow it.
   * @param reached how far this server is: who is as far as it was a moment ago may call itself connected.
   */
  hear(reports: readonly MemberReport[], reached: Position): boolean {
    let isNew = false;
    for (const [i, report] of reports.entries()) {
      const key = toHex(report.copyId);
      const known = this.byCopy.get(key);
      if (known !== undefined && !this.isNews(known, report)) continue;
      if (known === undefined) this.makeRoom();
      this.byCopy.set(key, this.entry(known, report, { isDirect: i === 0, reached }));
      isNew = true;
    }
    return isNew;
  }

  /** A copy by its id; undefined where it was never heard of, or long ago. */
  get(copyId: Uint8Array): Member | undefined {
    return this.byCopy.get(toHex(copyId));
  }

  /** Whether it was heard of so lately that it may call itself connected. */
  isPresent({ heardMs }: Member): boolean {
    return this.options.platform.monotonicMs() - heardMs <= DROPPED_MS;
  }

  /** Those that may call themselves connected, and those that are about to. */
  present(): Member[] {
    return [...this.byCopy.values()].filter((member) => this.isPresent(member));
  }

  private isNews(known: Entry, { run, sequence }: MemberReport): boolean {
    if (run === known.report.run) return sequence > known.report.sequence;
    // Only where the run that came behind it is silent was it taken for an earlier one by mistake.
    return !known.pastRuns.includes(run) || !this.isPresent(known);
  }

  private entry(
    known: Entry | undefined,
    report: MemberReport,
    { isDirect, reached }: { readonly isDirect: boolean; readonly reached: Position },
  ): Entry {
    const { platform, branch } = this.options;
    const isSameRun = known?.report.run === report.run;
    const stayed = known !== undefined && this.isPresent(known);
    const mark = stayed && isSameRun ? known.mark : reached;
    const joined = (stayed && isSameRun && known.report.joined) || report.appliedPosition >= mark;
    const pastRuns =
      known === undefined || isSameRun
        ? (known?.pastRuns ?? [])
        : [...known.pastRuns.filter((run) => run !== report.run), known.report.run].slice(-PAST_RUNS_MAX);
    return {
      // Of those that follow the asker, the servers between have filled it in.
      report: isDirect ? { ...report, follows: branch, joined } : report,
      heardMs: platform.monotonicMs(),
      connectedSinceMs: stayed ? known.connectedSinceMs : platform.wallMs(),
      mark: reached,
      pastRuns,
    };
  }

  private makeRoom(): void {
    const now = this.options.platform.monotonicMs();
    for (const [key, { heardMs }] of this.byCopy) if (now - heardMs > FORGOTTEN_MS) this.byCopy.delete(key);
    if (this.byCopy.size < this.options.copiesMax) return;
    const silent = [...this.byCopy].filter(([, member]) => !this.isPresent(member));
    const [oldest] = silent.sort(([, a], [, b]) => a.heardMs - b.heardMs);
    if (oldest === undefined)
      throw new RefusalError("NOT_READY", {
        problem: `${this.options.copiesMax} copies of the journal follow it already, directly or through others`,
      });
    this.byCopy.delete(oldest[0]);
  }
}
