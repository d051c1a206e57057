import type { ReadInfo } from "./call.ts";

export interface Branch {
  /** 0 is the head office: the bank server itself. */
  readonly number: number;
  /** URL where it listens; undefined where the bank does not know. */
  readonly address: string | undefined;
  readonly name: string;
  /** Only of the branch that answers, and of those beside it in its process. */
  readonly status: BranchStatus | undefined;
}

export interface BranchStatus {
  /** The position that it has applied and shows. */
  readonly appliedPosition: number;
  /** The position that it has on its own disk. */
  readonly durablePosition: number;
  /** Digest of the whole state at the applied position, in hexadecimal: equal at equal positions everywhere. */
  readonly digest: string;
  /** Whether its link to the bank is up. */
  readonly connected: boolean;
  /** The position up to which its history reaches; undefined where no history is kept. */
  readonly historyPosition: number | undefined;
}

export interface BranchList extends ReadInfo {
  /** In the order of their numbers. */
  readonly branches: readonly Branch[];
}

export interface BranchReading extends ReadInfo {
  readonly branch: Branch;
}
