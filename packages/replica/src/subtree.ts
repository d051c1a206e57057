import { type BranchNumber, BranchState, bytesEqual, type Ledger, type Position, RefusalError } from "@bank/core";
import { CopyTable, type Member } from "./copy-table.ts";
import type { MemberReport, Propagation, PropagationAsked } from "./member.ts";
import type { Platform } from "./platform.ts";

/** Copies that may follow a branch, directly or through others: as many as one probe can tell of, besides its own. */
export const SUBTREE_MAX = 999;

export interface SubtreeOptions {
  readonly platform: Pick<Platform, "monotonicMs" | "wallMs">;
  readonly copyId: Uint8Array;
  readonly branchNumbers: readonly BranchNumber[];
}

/** The copies that follow a branch, directly or through others, as they report. */
export class Subtree {
  private readonly options: SubtreeOptions;
  private readonly table: CopyTable;

  constructor(options: SubtreeOptions) {
    this.options = options;
    const { platform, branchNumbers } = options;
    this.table = new CopyTable({ platform, copiesMax: SUBTREE_MAX, branch: branchNumbers[0] ?? 0 });
  }

  /** Those that may call themselves connected, and those that are about to. */
  get members(): readonly Member[] {
    return this.table.present();
  }

  /** What is passed on of them. */
  get reports(): readonly MemberReport[] {
    return this.members.map(({ report }) => report);
  }

  /**
   * Takes what followers report; gives whether anything was new. Throws: `RefusalError` FOLLOW_LOOP, NOT_READY.
   *
   * @param reports the asker's first.
   * @param applied what this branch shows.
   */
  hear(reports: readonly MemberReport[], applied: Position): boolean {
    const { copyId, branchNumbers } = this.options;
    if (reports.some((report) => bytesEqual(report.copyId, copyId))) {
      const path = reports.map(({ branches }) => `branch ${branches.join(", ")}`).join(" → ");
      throw new RefusalError("FOLLOW_LOOP", { branch: branchNumbers.join(", "), path });
    }
    return this.table.hear(reports, applied);
  }

  /** Whether whoever asks may call itself connected once it is answered. */
  hasJoined(asker: MemberReport | undefined): boolean {
    return asker !== undefined && this.table.get(asker.copyId)?.report.joined === true;
  }

  /**
   * What a branch can tell without the bank of how far a committed position has spread.
   *
   * @param isHere whether this branch has it on disk and shows it.
   */
  spread(asked: PropagationAsked, ledger: Ledger, isHere: boolean): Propagation {
    const here = new Set(isHere ? this.options.branchNumbers : []);
    const others = [...ledger.branches].filter(
      ([number, { state }]) => !here.has(number) && state !== BranchState.RETIRED,
    );
    return {
      asked,
      satisfied: false,
      copiesReached: isHere ? 1 : 0,
      reached: ascending([...here]),
      missing: ascending(others.map(([number]) => number)),
      disconnected: [],
    };
  }
}

function ascending(branches: readonly BranchNumber[]): BranchNumber[] {
  return [...branches].sort((a, b) => a - b);
}
