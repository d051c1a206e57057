import type { Metadata } from "../account.ts";
import type { BranchState, DurabilityMember } from "../branch.ts";
import type { HoldView } from "../hold.ts";
import type { AccountIndex, BranchNumber, CurrencyIndex, Position, RequestId } from "../identifiers.ts";
import type { AccountTable } from "./account-table.ts";
import { TermHasher } from "./term-hasher.ts";

/** Kinds of entries in the digest. Their numbers are for ever. */
export const Term = {
  ACCOUNT: 1,
  BALANCE: 2,
  REQUEST: 3,
  PRINCIPAL: 4,
  CURRENCY: 5,
  BRANCH: 6,
  EPOCH: 7,
  COUNTERS: 8,
  /** What of an account is not at its default: only of accounts of which something is not. */
  ACCOUNT_EXTRAS: 9,
  /** Only of accounts with open holds. */
  HELD: 10,
  HOLD: 11,
  REVERSAL: 12,
  /** Only of branches that are not active. */
  BRANCH_STATE: 13,
  /** Only once it was ever said which copies count. */
  DURABILITY: 14,
  /** Only of epochs that began with a promotion. */
  PROMOTION: 15,
} as const;

/** What the counters' entry covers. */
export interface Counters {
  readonly position: Position;
  readonly timeMs: number;
  readonly nextAccountNumber: number;
  readonly formatLevel: number;
  readonly rootPosition: Position;
  readonly root: Uint8Array | undefined;
}

/**
 * The entries of the digest, one for each entry of the state. All share one hasher: use an entry before asking for the
 * next.
 *
 * What came with a later format level has entries of its own, and none while it is at its default: so journals of an
 * earlier level have the digests that they always had.
 */
export class Terms {
  private readonly hasher = new TermHasher();

  balance(account: AccountIndex, posted: bigint, version: number): TermHasher {
    return this.hasher.begin(Term.BALANCE).word(account).int64(posted).integer(version).finish();
  }

  held(account: AccountIndex, held: bigint): TermHasher {
    return this.hasher.begin(Term.HELD).word(account).int64(held).finish();
  }

  account(table: AccountTable, account: AccountIndex): TermHasher {
    return this.hasher
      .begin(Term.ACCOUNT)
      .word(account)
      .word(table.types[account] as number)
      .word(table.currencies[account] as number)
      .word(table.homeBranches[account] as number)
      .integer(table.numbers[account] as number)
      .int64(table.floors[account] as bigint)
      .integer(table.openedPositions[account] as number)
      .integer(table.openedTimesMs[account] as number)
      .text(table.nameOf(account))
      .text(table.ownerOf(account))
      .text(table.displayNameOf(account))
      .finish();
  }

  accountExtras(table: AccountTable, account: AccountIndex): TermHasher {
    const hasher = this.hasher
      .begin(Term.ACCOUNT_EXTRAS)
      .word(account)
      .word(table.states[account] as number)
      .int64(table.ceilings[account] as bigint)
      .text(table.aliasOf(account));
    return hashMetadata(hasher, table.metadataOf(account)).finish();
  }

  hold({ hold, account, held, captured, expiresMs, state }: HoldView): TermHasher {
    const hasher = this.hasher.begin(Term.HOLD).integer(hold).word(account).int64(held).int64(captured);
    return hasher.integer(expiresMs).word(state).finish();
  }

  reversal(original: Position, reversal: Position): TermHasher {
    return this.hasher.begin(Term.REVERSAL).integer(original).integer(reversal).finish();
  }

  request(principal: number, id: RequestId, position: Position, low: number, high: number): TermHasher {
    return this.hasher.begin(Term.REQUEST).word(principal).bytes(id).integer(position).word(low).word(high).finish();
  }

  principal(index: number, name: string): TermHasher {
    return this.hasher.begin(Term.PRINCIPAL).word(index).text(name).finish();
  }

  currency(index: CurrencyIndex, entry: { readonly code: string; readonly decimals: number }): TermHasher {
    return this.hasher.begin(Term.CURRENCY).word(index).text(entry.code).word(entry.decimals).finish();
  }

  branch(branch: BranchNumber, entry: { readonly name: string; readonly address: string }): TermHasher {
    return this.hasher.begin(Term.BRANCH).word(branch).text(entry.name).text(entry.address).finish();
  }

  epoch(entry: {
    readonly number: number;
    readonly id: Uint8Array;
    readonly firstPosition: Position;
    readonly lossAccepted: boolean;
  }): TermHasher {
    const hasher = this.hasher.begin(Term.EPOCH).integer(entry.number).bytes(entry.id).integer(entry.firstPosition);
    return hasher.word(entry.lossAccepted ? 1 : 0).finish();
  }

  branchState(branch: BranchNumber, state: BranchState): TermHasher {
    return this.hasher.begin(Term.BRANCH_STATE).word(branch).word(state).finish();
  }

  durability(entry: {
    readonly copies: number;
    readonly members: readonly DurabilityMember[];
    readonly position: Position;
  }): TermHasher {
    const hasher = this.hasher.begin(Term.DURABILITY).word(entry.copies).word(entry.members.length);
    for (const { branch, copyId } of entry.members) hasher.word(branch).bytes(copyId);
    return hasher.integer(entry.position).finish();
  }

  promotion(epoch: number, from: Uint8Array): TermHasher {
    return this.hasher.begin(Term.PROMOTION).integer(epoch).bytes(from).finish();
  }

  counters({ position, timeMs, nextAccountNumber, formatLevel, rootPosition, root }: Counters): TermHasher {
    const hasher = this.hasher.begin(Term.COUNTERS).integer(position).integer(timeMs).integer(nextAccountNumber);
    hasher.integer(rootPosition);
    if (root !== undefined) hasher.bytes(root);
    if (formatLevel > 1) hasher.word(formatLevel);
    return hasher.finish();
  }
}

/** Names and values in the ascending order of names, by code units; the number of entries before them. */
export function hashMetadata(hasher: TermHasher, metadata: Metadata): TermHasher {
  const keys = Object.keys(metadata).sort();
  hasher.word(keys.length);
  for (const key of keys) hasher.text(key).text(metadata[key] as string);
  return hasher;
}
