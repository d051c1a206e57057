import type { Metadata } from "./account.ts";
import { byBranch } from "./branch.ts";
import type { Command } from "./command.ts";
import { TermHasher } from "./ledger/term-hasher.ts";
import { hashMetadata } from "./ledger/terms.ts";
import type { Money } from "./money.ts";

/** 64 bits in two halves, each a signed 32-bit number. */
export interface CommandHash {
  readonly low: number;
  readonly high: number;
}

/** Remembered with the id of a cancelled request, whatever its command would have been. No command has it. */
export const CANCELLED_HASH: CommandHash = { low: 0, high: 0 };

const hasher = new TermHasher();

/**
 * Hash over the normalised command as given: what to do, to which accounts, how much. It tells a retry from another
 * request under the same id. Fields at their default are left out, so that it stays the same when a field is added;
 * branch, deadline, consistency, the expected version and whether it is a preview are not part of it. The numbers below
 * are for ever.
 */
export function hashCommand(command: Command): CommandHash {
  if (command.kind === "cancelRequest") return CANCELLED_HASH;
  hasher.begin(0x636d64);
  addCommand(command);
  hasher.finish();
  const { a: low, b: high } = hasher;
  return low === 0 && high === 0 ? { low: 1, high } : { low, high };
}

function addCommand(command: Exclude<Command, { kind: "cancelRequest" }>): void {
  switch (command.kind) {
    case "openAccount":
      hasher.word(1).word(command.type);
      text(1, command.owner);
      text(2, command.displayName);
      text(3, command.currency);
      text(4, command.alias ?? "");
      metadata(5, command.metadata ?? {});
      amount(6, command.floor ?? 0n);
      amount(7, command.ceiling ?? 0n);
      return;
    case "deposit":
      hasher.word(2);
      text(1, command.account);
      money(2, command.amount);
      return;
    case "withdraw":
      hasher.word(3);
      text(1, command.account);
      money(2, command.amount);
      return;
    case "transfer":
      hasher.word(4);
      text(1, command.from);
      text(2, command.to);
      money(3, command.amount);
      return;
    case "registerBranch":
      hasher.word(5).word(command.branch);
      text(1, command.name);
      text(2, command.address);
      return;
    case "updateAccount":
      hasher.word(6);
      text(1, command.account);
      // To set to nothing is not to leave as it is.
      if (command.displayName !== undefined) hasher.word(2).text(command.displayName);
      if (command.metadata !== undefined) hashMetadata(hasher.word(3), command.metadata);
      if (command.floor !== undefined) hasher.word(4).int64(command.floor);
      if (command.ceiling !== undefined) hasher.word(5).int64(command.ceiling ?? 0n);
      return;
    case "freezeAccount":
      hasher.word(7);
      text(1, command.account);
      return;
    case "unfreezeAccount":
      hasher.word(8);
      text(1, command.account);
      return;
    case "closeAccount":
      hasher.word(9);
      text(1, command.account);
      return;
    case "reverse":
      hasher.word(10).integer(command.transaction);
      return;
    case "applyInterest":
      hasher.word(11);
      text(1, command.account);
      hasher.word(2).word(command.rate);
      return;
    case "placeHold":
      hasher.word(12);
      text(1, command.account);
      money(2, command.amount);
      integer(3, command.expiresMs);
      return;
    case "captureHold":
      hasher.word(13).integer(command.hold);
      if (command.amount !== undefined) money(1, command.amount);
      text(2, command.to);
      return;
    case "releaseHold":
      hasher.word(14).integer(command.hold);
      return;
    case "extendHold":
      hasher.word(15).integer(command.hold);
      integer(1, command.expiresMs);
      return;
    case "renameBranch":
      hasher.word(17).word(command.target);
      text(1, command.name);
      return;
    case "setBranchState":
      hasher.word(18).word(command.target).word(command.state);
      return;
    case "setDurability":
      hasher.word(19).word(command.copies).word(command.members.length);
      // Which copy a branch has now is looked up for every try anew, and is no part of what was asked.
      for (const { branch } of byBranch(command.members)) hasher.word(branch);
      return;
    case "group":
      hasher.word(16).word(command.items.length);
      // No field has this number: it keeps what is left out of one item apart from what the next begins with.
      for (const item of command.items) {
        addCommand(item);
        hasher.word(-1);
      }
      return;
  }
}

function text(field: number, value: string): void {
  if (value !== "") hasher.word(field).text(value);
}

function integer(field: number, value: number): void {
  if (value !== 0) hasher.word(field).integer(value);
}

function amount(field: number, value: bigint): void {
  if (value !== 0n) hasher.word(field).int64(value);
}

function metadata(field: number, value: Metadata): void {
  if (Object.keys(value).length > 0) hashMetadata(hasher.word(field), value);
}

function money(field: number, value: Money): void {
  hasher.word(field).text(value.currency).int64(value.minor);
}
