import type { Command } from "./command.ts";
import { TermHasher } from "./ledger/term-hasher.ts";
import type { Money } from "./money.ts";

/** 64 bits in two halves, each a signed 32-bit number. */
export interface CommandHash {
  readonly low: number;
  readonly high: number;
}

const hasher = new TermHasher();

/**
 * Hash over the normalised command as given: what to do, to which accounts, how much. It tells a retry from another
 * request under the same id. Fields at their default are left out, so that it stays the same when a field is added;
 * branch, deadline and consistency are not part of it. The numbers below are for ever.
 */
export function hashCommand(command: Command): CommandHash {
  hasher.begin(0x636d64);
  switch (command.kind) {
    case "openAccount":
      hasher.word(1).word(command.type);
      text(1, command.owner);
      text(2, command.displayName);
      text(3, command.currency);
      break;
    case "deposit":
      hasher.word(2);
      text(1, command.account);
      money(2, command.amount);
      break;
    case "withdraw":
      hasher.word(3);
      text(1, command.account);
      money(2, command.amount);
      break;
    case "transfer":
      hasher.word(4);
      text(1, command.from);
      text(2, command.to);
      money(3, command.amount);
      break;
    case "registerBranch":
      hasher.word(5).word(command.branch);
      text(1, command.name);
      text(2, command.address);
      break;
  }
  hasher.finish();
  return { low: hasher.a, high: hasher.b };
}

function text(field: number, value: string): void {
  if (value !== "") hasher.word(field).text(value);
}

function money(field: number, value: Money): void {
  hasher.word(field).text(value.currency).int64(value.minor);
}
