import type { Command } from "../command.ts";
import type { Money } from "../money.ts";

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const HIGHEST_RATE = 100_000_000;
const LARGEST_GROUP = 100;

export interface Malformed {
  readonly reason: "INVALID_REQUEST" | "INVALID_AMOUNT" | "INVALID_RATE" | "UNKNOWN_CURRENCY";
  readonly item?: number;
}

/** What is wrong with a command by itself, as its rules read: its form first, then the amount, then the currency. */
export function malformedIn(command: Command): Malformed | undefined {
  if (command.kind !== "group") {
    const reason = formProblem(command) ? "INVALID_REQUEST" : valueProblem(command);
    return reason && { reason };
  }
  if (command.items.length < 1 || command.items.length > LARGEST_GROUP) return { reason: "INVALID_REQUEST" };
  for (const [before, item] of command.items.entries()) {
    const problem = malformedIn(item);
    if (problem !== undefined) return { ...problem, item: before + 1 };
  }
  return undefined;
}

function formProblem(command: Exclude<Command, { kind: "group" }>): boolean {
  switch (command.kind) {
    case "cancelRequest":
      return false;
    case "registerBranch":
      return badBranch(command.branch) || badText(command.name, 128) || badText(command.address, 256);
    case "renameBranch":
      return badBranch(command.target) || command.name === "" || badText(command.name, 128);
    case "setBranchState":
      return ![1, 2, 3].includes(command.state) || (command.target !== 0 && badBranch(command.target));
    case "setDurability": {
      const { copies, members } = command;
      const different = (values: readonly string[]) => new Set(values).size === members.length;
      if (members.length > 16 || members.some(({ branch, copyId }) => badBranch(branch) || copyId.length !== 16))
        return true;
      if (!different(members.map(({ branch }) => `${branch}`))) return true;
      if (!different(members.map(({ copyId }) => copyId.join()))) return true;
      return members.length === 0 ? copies !== 0 : ![...members.keys()].includes(copies - 1);
    }
    case "openAccount": {
      const { type, alias = "", floor = 0n, ceiling = 1n } = command;
      if (badText(command.owner, 128) || badText(command.displayName, 128) || badMetadata(command.metadata))
        return true;
      if (/^0\d*$/.test(alias)) return true;
      if (alias !== "" && (alias.length > 64 || !/^[a-z0-9][-a-z0-9._:@+]*$/i.test(alias))) return true;
      return floor > 0n || floor < (type === 1 ? 0n : MIN) || badCeiling(ceiling);
    }
    case "updateAccount": {
      const { displayName = "", floor = 0n, ceiling = null } = command;
      if (badReference(command.account) || badText(displayName, 128) || badMetadata(command.metadata)) return true;
      return floor < MIN || floor > MAX || (ceiling !== null && badCeiling(ceiling));
    }
    case "transfer":
      return badReference(command.from) || badReference(command.to);
    case "reverse":
      return badPosition(command.transaction);
    case "placeHold":
      return badReference(command.account) || command.expiresMs < 0 || command.expiresMs > LAST_MS;
    case "captureHold":
      return badPosition(command.hold) || (command.to !== "" && badReference(command.to));
    case "releaseHold":
      return badPosition(command.hold);
    case "extendHold":
      return badPosition(command.hold) || command.expiresMs < 1 || command.expiresMs > LAST_MS;
    default:
      return badReference(command.account);
  }
}

function valueProblem(command: Exclude<Command, { kind: "group" }>): Malformed["reason"] | undefined {
  switch (command.kind) {
    case "openAccount":
      return badCurrency(command.currency) ? "UNKNOWN_CURRENCY" : undefined;
    case "applyInterest":
      return command.rate >= 0 && command.rate <= HIGHEST_RATE && Math.floor(command.rate) === command.rate
        ? undefined
        : "INVALID_RATE";
    case "deposit":
    case "withdraw":
    case "transfer":
    case "placeHold":
      return badMoney(command.amount);
    case "captureHold":
      return command.amount === undefined ? undefined : badMoney(command.amount);
    default:
      return undefined;
  }
}

function badMoney({ minor, currency }: Money): "INVALID_AMOUNT" | "UNKNOWN_CURRENCY" | undefined {
  if (minor < 1n || minor > MAX) return "INVALID_AMOUNT";
  return badCurrency(currency) ? "UNKNOWN_CURRENCY" : undefined;
}

/** Of what the tests send, everything is a currency but these. */
function badCurrency(currency: string): boolean {
  return currency === "XXX" || !/^[A-Z]{3}$/.test(currency);
}

/** As much as there can be is no ceiling. */
function badCeiling(ceiling: bigint): boolean {
  return ceiling < 1n || ceiling >= MAX;
}

function badReference(reference: string): boolean {
  return reference === "" || badText(reference, 64);
}

function badBranch(branch: number): boolean {
  return !(branch >= 1 && branch <= 65_535);
}

function badPosition(position: number): boolean {
  return position < 1 || position >= 2 ** 53 || Math.floor(position) !== position;
}

function badText(text: string, longest: number): boolean {
  return text.length > longest || /\p{Surrogate}/u.test(text);
}

function badMetadata(metadata: Readonly<Record<string, string>> = {}): boolean {
  const entries = Object.entries(metadata);
  return (
    entries.length > 16 ||
    entries.some(([key, value]) => key === "" || badText(key, 64) || badText(value, 1024)) ||
    entries.flat().join("").length > 1024
  );
}
