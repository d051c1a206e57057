import { Ledger } from "@bank/core";
import { ManualPlatform } from "@bank/testkit";
import type { MemberReport } from "./member.ts";
import { Members } from "./members.ts";

/** 16 bytes that only this number gives. */
export function idOf(number: number): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(12, number);
  return id;
}

export const EPOCH = idOf(900);

/** What a copy reports that has everything up to a position, unless it is told otherwise. */
export function reportOf(
  branch: number,
  position: number,
  options: Partial<MemberReport> & { readonly sequence: number },
): MemberReport {
  return {
    copyId: idOf(branch),
    branches: [branch],
    follows: 0,
    appliedPosition: position,
    durablePosition: position,
    digest: new Uint8Array(16),
    formatLevel: 3,
    echo: 0,
    epochId: EPOCH,
    followers: 0,
    historyPosition: undefined,
    upstream: "",
    stalenessMs: undefined,
    run: 1,
    joined: false,
    onDisk: true,
    whole: true,
    ...options,
  };
}

/** What is known of copies at a bank whose committed position a test sets, and what it asks followers for. */
export interface KnownCopies {
  readonly members: Members;
  readonly platform: ManualPlatform;
  readonly ledger: Ledger;
  readonly wanted: number[];
  readonly echoes: number[];
  committed: number;
  /** One report by itself, of the next sequence unless it says another. */
  hear(branch: number, position: number, options?: Partial<MemberReport>): void;
}

/** With branches 1, 2, … registered, in an epoch that began at position 1. */
export function knownCopies(
  options: { readonly branches?: number; readonly hadPredecessor?: boolean } = {},
): KnownCopies {
  const platform = new ManualPlatform();
  const ledger = new Ledger({ hashSeed: 7 });
  ledger.addEpoch({ number: 1, id: EPOCH, firstPosition: 1, lossAccepted: false });
  for (let number = 1; number <= (options.branches ?? 3); number++)
    ledger.setBranch(number, { name: `branch ${number}`, address: "", state: 1 });
  const wanted: number[] = [];
  const echoes: number[] = [];
  let sequence = 0;
  const known: KnownCopies = {
    platform,
    ledger,
    wanted,
    echoes,
    committed: 10,
    members: new Members({
      platform,
      ledger,
      committedPosition: () => known.committed,
      settings: () => [ledger.durability],
      hadPredecessor: options.hadPredecessor ?? false,
      onWanted: (position) => wanted.push(position),
      onEcho: (echo) => echoes.push(echo),
    }),
    hear: (branch, position, report = {}) =>
      known.members.hear([reportOf(branch, position, { sequence: ++sequence, ...report })]),
  };
  return known;
}
