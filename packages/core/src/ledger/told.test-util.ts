import type { Metadata } from "../account.ts";

/**
 * What a bank says, one line for each record: the ledger's records and the twin's decisions are both written down in
 * these words, so that they can be compared as texts. Only the words are shared; what to say, each finds out by itself.
 */
export const told = {
  currency: (code: string, decimals: number): string => `currency ${code} with ${decimals} decimals`,

  branch: (number: number, name: string, address: string): string =>
    `branch ${number} ${JSON.stringify(name)} at ${JSON.stringify(address)}`,

  branchState: (number: number, state: ToldBranchState): string => `branch ${number} is ${state}`,

  durability: (copies: number, members: readonly ToldMember[]): string =>
    `durable on ${copies} of ${members.map(({ branch, copyId }) => `${branch}/${copyId.join(".")}`).join(" ")}`,

  opened: (account: ToldAccount): string =>
    `opened ${account.name} (${account.type}) of ${JSON.stringify(account.owner)} in ${account.currency} at ` +
    `${account.branch}${terms(account)}${account.alias === "" ? "" : ` alias ${JSON.stringify(account.alias)}`}`,

  updated: (account: ToldTerms & { readonly name: string }): string => `updated ${account.name}${terms(account)}`,

  state: (name: string, state: ToldState): string => `${name} is ${state}`,

  moved: (kind: "deposit" | "withdrawal" | "transfer", from: string, to: string, amount: bigint): string =>
    `${kind} of ${amount} from ${from} to ${to}`,

  reversed: (original: number, from: string, to: string, amount: bigint): string =>
    `reversal of #${original}: ${amount} from ${from} to ${to}`,

  interest: (name: string, rate: number, balance: bigint, amount: bigint, from: string): string =>
    `interest of ${rate} on ${balance} to ${name}: ${amount} from ${from}`,

  hold: (what: "placed" | "released" | "extended", hold: ToldHold): string => `${what} ${holdText(hold)}`,

  captured: (hold: ToldHold, to: string, amount: bigint): string => `captured ${amount} to ${to}: ${holdText(hold)}`,

  expired: (holds: readonly number[]): string => `expired ${holds.join(" ")}`,

  group: (records: number): string => `group of ${records} records`,

  rejected: (reason: string, metadata: Metadata, item: number | undefined): string =>
    `rejected ${reason} ${sortedJson(metadata)}${item === undefined ? "" : ` item ${item}`}`,

  refused: (reason: string, metadata: Metadata, item: number | undefined): string =>
    `refused ${reason} ${sortedJson(metadata)}${item === undefined ? "" : ` item ${item}`}`,
};

export type ToldState = "open" | "frozen" | "closed";
export type ToldBranchState = "active" | "draining" | "retired";

export interface ToldMember {
  readonly branch: number;
  readonly copyId: Uint8Array;
}

export interface ToldTerms {
  readonly displayName: string;
  /** Undefined for none. */
  readonly floor: bigint | undefined;
  readonly ceiling: bigint | undefined;
  readonly metadata: Metadata;
}

export interface ToldAccount extends ToldTerms {
  readonly name: string;
  readonly type: string;
  readonly owner: string;
  readonly currency: string;
  readonly branch: number;
  readonly alias: string;
}

export interface ToldHold {
  readonly hold: number;
  readonly account: string;
  readonly held: bigint;
  readonly captured: bigint;
  readonly expiresMs: number;
}

/** A line as it stands in the journal. */
export function toldAt(position: number, line: string): string {
  return `#${position} ${line}`;
}

/** JSON whose text does not depend on the order of names; bigints as texts. */
export function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === "bigint") return `${part}n`;
    if (typeof part !== "object" || part === null || Array.isArray(part) || part instanceof Uint8Array) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function terms({ displayName, floor, ceiling, metadata }: ToldTerms): string {
  return ` called ${JSON.stringify(displayName)} floor ${floor ?? "none"} ceiling ${ceiling ?? "none"} ${sortedJson(metadata)}`;
}

function holdText({ hold, account, held, captured, expiresMs }: ToldHold): string {
  return `hold #${hold} on ${account}: ${captured} of ${held} until ${expiresMs}`;
}
