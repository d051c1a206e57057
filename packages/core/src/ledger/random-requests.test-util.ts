import type { Administration, Command, Group, GroupItem, OpenAccount, RegisterBranch, Request } from "../command.ts";
import type { Random } from "../random.test-util.ts";
import type { NaiveBooks } from "./naive-books.test-util.ts";
import { BRANCHES, MORTAL_BRANCHES, NO_BRANCH } from "./random-branches.test-util.ts";
import { type CommandOptions, RandomCommands, type Single } from "./random-commands.test-util.ts";

/** Currencies for one bank: one without decimals, two with two, one with three. */
export const CURRENCIES = ["USD", "EUR", "JPY", "KWD"] as const;

/**
 * Requests as they come over bad networks: new ones, groups of commands, the same again through another branch or in
 * other words, an id again for something else, and ids that are ruled out before or after they were used.
 */
export class RandomRequests {
  private readonly random: Random;
  private readonly books: NaiveBooks;
  private readonly commands: RandomCommands;
  private readonly sent: Request[] = [];

  constructor(
    random: Random,
    books: NaiveBooks,
    options: Omit<CommandOptions, "edges"> & { readonly edges?: boolean },
  ) {
    this.random = random;
    this.books = books;
    this.commands = new RandomCommands(random, books, { edges: false, ...options });
  }

  next(): Request {
    const { random } = this;
    if (this.sent.length > 0 && random.chance(8)) return this.again();
    const request: Request = {
      principal: random.chance(90) ? "dev" : "ada",
      branch: random.chance(96.5) ? random.pick(BRANCHES) : random.pick([NO_BRANCH, ...MORTAL_BRANCHES]),
      id: random.requestId(),
      command: this.command(),
    };
    this.sent.push(request);
    return request;
  }

  private again(): Request {
    const { random } = this;
    const back = random.below(random.chance(70) ? 20 : 5000);
    const earlier = this.sent[Math.max(0, this.sent.length - 1 - back)] as Request;
    // A retry through another branch is the same request; under another principal it is another.
    if (random.chance(55)) return { ...earlier, branch: random.pick(BRANCHES), command: inOtherWords(earlier.command) };
    if (random.chance(20)) return { ...earlier, principal: random.pick(["dev", "ada", "bob"]) };
    if (random.chance(20)) return { ...earlier, command: { kind: "cancelRequest" } };
    return { ...earlier, command: random.chance(50) ? slightlyDifferent(earlier.command) : this.command() };
  }

  private command(): Command {
    const { random } = this;
    if (random.chance(0.7)) return { kind: "cancelRequest" };
    if (this.books.customerCount >= 6 && random.chance(6)) return this.group();
    const command = this.commands.next();
    return random.chance(2) ? spoiled(command, random) : command;
  }

  private group(): Group {
    const { random } = this;
    const length = random.chance(2) ? random.pick([0, 101]) : 1 + random.below(random.chance(82) ? 5 : 100);
    const sure = random.chance(length > 8 ? 97 : 60) ? 100 : 60;
    const items: GroupItem[] = [];
    while (items.length < length) {
      if (random.chance(3) && length - items.length >= 4) items.push(...this.shortLife(items.length));
      else if (random.chance(sure)) items.push(this.commands.sureItem());
      else {
        const command = this.commands.next();
        if (isItem(command)) items.push(random.chance(1) ? (spoiled(command, random) as GroupItem) : command);
      }
    }
    return { kind: "group", items };
  }

  /** An account that is opened and used within a group; its records are named by where they are likely to stand. */
  private shortLife(before: number): GroupItem[] {
    const { books, random } = this;
    const alias = `g-${books.position}-${before}`;
    const currency = random.pick([...books.currencies]);
    const amount = { currency, minor: 100n };
    const opening = { kind: "openAccount", type: 2, owner: "", displayName: "", currency, alias } as const;
    const [deposited, held] = [books.position + before + 2, books.position + before + 3];
    const hold = { kind: "placeHold", account: alias, amount, expiresMs: 0 } as const;
    const end: readonly GroupItem[] = random.pick<readonly GroupItem[]>([
      [hold, { kind: "captureHold", hold: held, to: "" }],
      [hold, { kind: "releaseHold", hold: held }],
      [
        { kind: "reverse", transaction: deposited },
        { kind: "closeAccount", account: alias },
      ],
    ]);
    return [opening, { kind: "deposit", account: alias, amount }, ...end];
  }
}

function isItem(command: Single): command is GroupItem {
  return !isOfBranches(command);
}

function isOfBranches(command: Command): command is RegisterBranch | Administration {
  return ["registerBranch", "renameBranch", "setBranchState", "setDurability"].includes(command.kind);
}

/** The same command as another program would write it. */
function inOtherWords(command: Command): Command {
  if (command.kind === "group")
    return { ...command, items: command.items.map((item) => inOtherWords(item) as GroupItem) };
  if (command.kind === "openAccount") {
    const { alias, floor, metadata } = command;
    const turned = metadata && Object.fromEntries(Object.entries(metadata).reverse());
    return { ...command, alias: alias || undefined, floor: floor ?? 0n, metadata: turned ?? {} };
  }
  if (command.kind === "setDurability") {
    // By now each of the branches may have another copy.
    const members = command.members.map(({ branch }) => ({ branch, copyId: new Uint8Array(16).fill(branch) }));
    return { ...command, members: members.reverse() };
  }
  // The version that is expected is a condition of an attempt.
  return isOfBranches(command) || command.kind === "cancelRequest" ? command : { ...command, expectedVersion: 1 };
}

/** Another command, by very little. */
function slightlyDifferent(command: Command): Command {
  switch (command.kind) {
    case "openAccount":
      return { ...command, ceiling: command.ceiling === undefined ? 77n : undefined };
    case "updateAccount":
      return {
        ...command,
        ceiling: command.ceiling === null ? undefined : null,
        displayName: command.displayName ?? "",
      };
    case "deposit":
      return { ...command, kind: "withdraw" };
    case "withdraw":
    case "transfer":
    case "placeHold":
      return { ...command, amount: { ...command.amount, minor: (command.amount.minor % 1000n) + 1n } };
    case "captureHold":
      return { ...command, amount: command.amount === undefined ? { currency: "USD", minor: 1n } : undefined };
    case "freezeAccount":
      return { ...command, kind: "unfreezeAccount" };
    case "unfreezeAccount":
      return { ...command, kind: "closeAccount" };
    case "closeAccount":
      return { ...command, account: `${command.account}0` };
    case "reverse":
      return { ...command, transaction: command.transaction + 1 };
    case "applyInterest":
      return { ...command, rate: command.rate === 0 ? 1 : 0 };
    case "releaseHold":
      return { ...command, hold: command.hold + 1 };
    case "extendHold":
      return { ...command, expiresMs: command.expiresMs + 1 };
    case "group":
      return { ...command, items: [...command.items].reverse() };
    case "registerBranch":
    case "renameBranch":
      return { ...command, name: `${command.name}.` };
    case "setBranchState":
      return { ...command, state: command.state === 1 ? 2 : 1 };
    case "setDurability":
      return { ...command, copies: 1, members: [{ branch: 1, copyId: new Uint8Array(16) }] };
    case "cancelRequest":
      return command;
  }
}

/** A command that is malformed, whatever the state is. */
function spoiled(command: Command, random: Random): Command {
  switch (command.kind) {
    case "openAccount":
      return {
        ...command,
        ...random.pick<Partial<OpenAccount>>([{ owner: "a".repeat(129) }, { type: 1, floor: -1n }, { floor: 1n }]),
      };
    case "registerBranch":
      return { ...command, name: "\ud83c" };
    case "renameBranch":
      return { ...command, ...random.pick([{ name: "" }, { name: "n".repeat(129) }, { target: 0 }]) };
    case "setBranchState":
      return { ...command, ...random.pick([{ state: 4 as 3 }, { state: 0 as 1 }, { target: 65_536 }]) };
    case "setDurability":
      return { ...command, copies: command.members.length + 1 };
    case "reverse":
      return { ...command, transaction: 0 };
    case "captureHold":
    case "releaseHold":
    case "extendHold":
      return { ...command, hold: 0 };
    case "transfer":
      return { ...command, to: "" };
    case "placeHold":
      return { ...command, expiresMs: -1 };
    case "group":
      return { ...command, items: [] };
    case "cancelRequest":
      return command;
    default:
      return { ...command, account: random.pick(["", "1".repeat(65)]) };
  }
}
