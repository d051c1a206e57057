import type { Command, GroupItem, Request } from "../command.ts";
import { changeState, openAccount, updateAccount } from "./naive-accounts.test-util.ts";
import { NaiveBooks } from "./naive-books.test-util.ts";
import { changeBranches, checkBranch } from "./naive-branches.test-util.ts";
import { NaiveNo } from "./naive-checks.test-util.ts";
import { captureHold, expireHolds, extendHold, placeHold, releaseHold } from "./naive-holds.test-util.ts";
import { malformedIn } from "./naive-malformed.test-util.ts";
import { applyInterest, deposit, reverse, transfer, withdraw } from "./naive-movements.test-util.ts";
import { sortedJson, told } from "./told.test-util.ts";

/** What became of a request. */
export interface NaiveOutcome {
  /** Refused: without a trace; again: what it was answered before. */
  readonly kind: "done" | "rejected" | "refused" | "again";
  /** Why not; empty for yes. */
  readonly reason: string;
  /** What could not be done, or was done: of a group that was not, the kind of its item. */
  readonly of: Command["kind"];
  /** What the bank says: its new records, or, of a refusal or an answer given before, one line. */
  readonly lines: readonly string[];
}

interface Answered {
  readonly body: string;
  readonly cancelled: boolean;
  readonly position: number;
}

/**
 * The bank once more, as its rules read: maps and lists, no journal, no indexes, nothing that is kept up to date which
 * can be added up. Whatever is decided here follows from the texts of the commands, the records and the rejections;
 * nothing in here is taken from the ledger that it is compared with.
 */
export class NaiveBank {
  /** How much of what there is it knows: an old bank, at level 1, no more than it always did. */
  level: 1 | 2 | 3 = 3;
  readonly books = new NaiveBooks();
  private readonly answers = new Map<string, Answered>();

  /** Time passes, and holds with it. Gives the lines. */
  passTime(timeMs: number): readonly string[] {
    const before = this.books.position;
    this.books.setTime(timeMs);
    expireHolds(this.books);
    return this.books.lines.slice(before);
  }

  submit(request: Request): NaiveOutcome {
    const { command } = request;
    const malformed = malformedIn(command);
    if (malformed !== undefined) {
      const of = itemOf(command, malformed.item).kind;
      const line = told.refused(malformed.reason, {}, malformed.item);
      return { kind: "refused", reason: malformed.reason, of, lines: [line] };
    }
    const key = `${request.principal} ${uuidOf(request)}`;
    const body = bodyOf(command);
    const earlier = this.answers.get(key);
    if (earlier === undefined) return this.answer(request, key, body);
    if (earlier.body === body || earlier.cancelled || command.kind === "cancelRequest") {
      const line = `again: ${this.books.lines[earlier.position - 1]}`;
      return { kind: "again", reason: "", of: command.kind, lines: [line] };
    }
    const metadata = { position: `${earlier.position}`, request_id: uuidOf(request) };
    const line = told.refused("REQUEST_ID_REUSED", metadata, undefined);
    return { kind: "refused", reason: "REQUEST_ID_REUSED", of: command.kind, lines: [line] };
  }

  /** What `submit` would say at a time, of a request whose id is new. Nothing changes. */
  preview(timeMs: number, request: Request): NaiveOutcome {
    const mark = this.mark();
    this.passTime(timeMs);
    const outcome = this.submit(request);
    this.takeBack(mark);
    return outcome;
  }

  mark(): number {
    return this.books.mark();
  }

  takeBack(mark: number): void {
    this.books.takeBack(mark);
  }

  private answer(request: Request, key: string, body: string): NaiveOutcome {
    const { books } = this;
    const { command } = request;
    const mark = books.mark();
    const before = books.position;
    let item: number | undefined;
    let no: NaiveNo | undefined;
    try {
      const needed = since(command);
      if (this.level < needed)
        throw new NaiveNo("FORMAT_LEVEL_TOO_LOW", { level: `${this.level}`, needed: `${needed}` });
      if (command.kind === "cancelRequest") throw new NaiveNo("REQUEST_CANCELLED", { request_id: uuidOf(request) });
      if (isOfBranches(command)) {
        changeBranches(books, request.branch, command);
      } else if (command.kind === "group") {
        checkBranch(books, request.branch);
        for (const [done, each] of command.items.entries()) {
          item = done + 1;
          carryOut(books, request.branch, each);
        }
        item = undefined;
        books.say(told.group(books.position - before));
      } else {
        checkBranch(books, request.branch);
        carryOut(books, request.branch, command);
      }
    } catch (error) {
      if (!(error instanceof NaiveNo)) throw error;
      no = error;
      books.takeBack(mark);
    }
    const of = no === undefined ? command.kind : itemOf(command, item).kind;
    const reason = no?.reason ?? "";
    if (no?.reason === "STALE_VERSION" || no?.reason === "FORMAT_LEVEL_TOO_LOW")
      return { kind: "refused", reason, of, lines: [told.refused(no.reason, no.metadata, item)] };
    if (no !== undefined) books.say(told.rejected(no.reason, no.metadata, item));
    const cancelled = command.kind === "cancelRequest";
    books.put(this.answers, key, { body, cancelled, position: books.position });
    return { kind: no === undefined ? "done" : "rejected", reason, of, lines: books.lines.slice(before) };
  }
}

function carryOut(books: NaiveBooks, branch: number, command: GroupItem): void {
  switch (command.kind) {
    case "openAccount":
      openAccount(books, branch, command);
      break;
    case "updateAccount":
      updateAccount(books, command);
      break;
    case "freezeAccount":
    case "unfreezeAccount":
    case "closeAccount":
      changeState(books, command);
      break;
    case "deposit":
      deposit(books, branch, command);
      break;
    case "withdraw":
      withdraw(books, branch, command);
      break;
    case "transfer":
      transfer(books, command);
      break;
    case "reverse":
      reverse(books, command);
      break;
    case "applyInterest":
      applyInterest(books, branch, command);
      break;
    case "placeHold":
      placeHold(books, command);
      break;
    case "captureHold":
      captureHold(books, branch, command);
      break;
    case "releaseHold":
      releaseHold(books, command);
      break;
    case "extendHold":
      extendHold(books, command);
      break;
  }
}

function isOfBranches(command: Command): command is Parameters<typeof changeBranches>[2] {
  return ["registerBranch", "renameBranch", "setBranchState", "setDurability"].includes(command.kind);
}

/** The format level with which a command came. */
function since(command: Command): 1 | 2 | 3 {
  switch (command.kind) {
    case "deposit":
    case "withdraw":
    case "registerBranch":
    case "renameBranch":
      return 1;
    case "transfer":
      return /^fees\/(0|[1-9][0-9]{0,4})\/[A-Z]{3}$/.test(command.to) ? 2 : 1;
    case "openAccount": {
      const { alias = "", ceiling, floor = 0n, metadata = {} } = command;
      return alias === "" && ceiling === undefined && floor === 0n && Object.keys(metadata).length === 0 ? 1 : 2;
    }
    case "setBranchState":
    case "setDurability":
      return 3;
    default:
      return 2;
  }
}

function itemOf(command: Command, item: number | undefined): Command {
  return command.kind === "group" && item !== undefined ? (command.items[item - 1] as GroupItem) : command;
}

/** What is asked, without the conditions under which it is asked; what is left out is the same as its default. */
function bodyOf(command: Command): string {
  return sortedJson(command.kind === "group" ? { kind: "group", items: command.items.map(plain) } : plain(command));
}

function plain(command: Command): unknown {
  const body: Record<string, unknown> = { ...command, expectedVersion: undefined };
  if (command.kind === "setDurability")
    return { ...body, members: command.members.map(({ branch }) => branch).sort((a, b) => a - b) };
  if (command.kind !== "openAccount") return body;
  const { alias = "", floor = 0n, metadata = {} } = command;
  return { ...body, alias, floor, metadata };
}

function uuidOf({ id }: Request): string {
  const hex = [...id].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
