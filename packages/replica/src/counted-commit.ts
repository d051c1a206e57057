import { type BranchNumber, bytesEqual, type Ledger, type Position, RefusalError } from "@bank/core";
import type { CountedSetting } from "./members.ts";
import { tooFewBranches } from "./refusals.ts";

/** Who knows on which disks besides the bank's a position is. */
export interface CountedCopies {
  /** See `Members.stored`. */
  stored(
    position: Position,
    options: { readonly settings: readonly CountedSetting[]; readonly isTold: boolean; readonly signal: AbortSignal },
  ): Promise<void>;
  /** How many of the copies that count are connected. */
  countedConnected(setting: CountedSetting): number;
  /** Branches whose copies would count and do not now, ascending. */
  countedAway(setting: CountedSetting): readonly BranchNumber[];
}

/**
 * When an appended batch counts as committed: where the journal names copies that count, only once enough of them have it
 * too. A batch that changes which ones they are needs both, those before it and those it names: whoever knows only the
 * journal before it must still find it among the copies that it asks.
 */
export class CountedCommit {
  private readonly ledger: Ledger;
  private readonly copies: CountedCopies;
  private committedSetting: Ledger["durability"];
  /** The position that is waited for; undefined while none is. */
  awaited: Position | undefined;

  /** @param committedSetting what counts by the journal as far as it is committed. */
  constructor(ledger: Ledger, copies: CountedCopies, committedSetting: Ledger["durability"]) {
    this.ledger = ledger;
    this.copies = copies;
    this.committedSetting = committedSetting;
  }

  /** What counts by the journal as far as it is committed. */
  get setting(): CountedSetting {
    return this.committedSetting;
  }

  /**
   * By which copies another bank could be made: those of the setting that is committed, and of one that is on its way. Whoever
   * finds that at the end of a journal cannot know that it is not.
   */
  get inForce(): readonly CountedSetting[] {
    return (this.settings() ?? []).filter(({ copies }) => copies > 0);
  }

  /** What a batch that was executed just now must satisfy; undefined where only the bank's own disk counts. */
  settings(): readonly CountedSetting[] | undefined {
    const { durability } = this.ledger;
    const { committedSetting } = this;
    if (durability.copies === 0 && committedSetting.copies === 0) return undefined;
    return durability === committedSetting ? [durability] : [committedSetting, durability];
  }

  /** Resolves once a batch is on as many disks as it must. Rejects with the signal's reason. */
  async stored(position: Position, settings: readonly CountedSetting[], signal: AbortSignal): Promise<void> {
    this.awaited = position;
    try {
      // A copy that begins to count with this very batch does not know that it does.
      await this.copies.stored(position, { settings, isTold: settings.length > 1, signal });
    } finally {
      this.awaited = undefined;
    }
  }

  /** Everything that was executed is committed. */
  committed(): void {
    this.committedSetting = this.ledger.durability;
  }

  /** Why nothing new may be begun: what is written now would wait for branches that are not there. */
  tooFew(): RefusalError | undefined {
    const { durability } = this.ledger;
    return durability.copies === 0 ? undefined : this.lacking(durability);
  }

  /** Why copies cannot begin to count: too few of them are connected to acknowledge even that. */
  lacking(setting: CountedSetting): RefusalError | undefined {
    const connected = this.copies.countedConnected(setting);
    if (connected >= setting.copies) return undefined;
    return tooFewBranches(setting.copies, connected, this.copies.countedAway(setting));
  }

  /** Why nobody can read: memory is ahead of what is committed, and too few that count are there to commit it. */
  stuck(): RefusalError | undefined {
    const few = this.inForce.find((setting) => this.lacking(setting) !== undefined);
    if (this.awaited === undefined || few === undefined) return undefined;
    const connected = this.copies.countedConnected(few);
    const problem =
      `position ${this.awaited} is on its disk and must be on those of ${few.copies} branches that count, ` +
      `of which ${connected} are connected: nothing can be read here before`;
    return new RefusalError("NOT_READY", { problem });
  }

  /** What callers are told at their deadline whose requests are in the batch that is waited for. */
  late(): RefusalError | undefined {
    if (this.awaited === undefined) return undefined;
    const copies = Math.max(this.ledger.durability.copies, this.committedSetting.copies);
    const waiting_for = `position ${this.awaited}, which is on the bank's disk, to be on those of ${copies} branches that count`;
    return new RefusalError("DEADLINE_EXCEEDED", { waiting_for });
  }
}

/** Whether a copy counts. */
export function isCounted({ members }: CountedSetting, copyId: Uint8Array): boolean {
  return members.some((member) => bytesEqual(member.copyId, copyId));
}

/**
 * Why a bank answers nobody yet: the record of its epoch is on its own disk, and has to be on others.
 *
 * @param have how many copies of a setting have it.
 */
export function epochAwaited(
  position: Position,
  settings: readonly CountedSetting[],
  have: (setting: CountedSetting) => number,
): RefusalError {
  const waits = settings.map((setting) => {
    const branches = setting.members.map(({ branch }) => branch).join(", ");
    return `${setting.copies} of the branches ${branches} to have it, and ${have(setting)} do`;
  });
  const problem = `it begins its epoch at position ${position}, and waits for ${waits.join("; for ")}`;
  return new RefusalError("NOT_READY", { problem });
}
