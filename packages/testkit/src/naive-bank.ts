import {
  type CaptureHold,
  type Command,
  type Group,
  type GroupItem,
  type PlaceHold,
  type Position,
  type RejectionReason,
  type Request,
  toHex,
} from "@bank/core";

/** What the naive bank says to a request. */
export type NaiveAnswer = "done" | RejectionReason;

/** Where the record stands that answers a request. */
export interface NaiveMoment {
  readonly position: Position;
  /** Journal time, Unix milliseconds. */
  readonly timeMs: number;
}

interface NaiveHold {
  readonly account: string;
  readonly expiresMs: number;
  left: bigint;
  isOpen: boolean;
}

interface NaiveMovement {
  /** Undefined for cash. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly amount: bigint;
  readonly isReversal: boolean;
  isReversed: boolean;
}

const MAX = 2n ** 63n - 1n;

/**
 * The simplest bank there is: balances and holds in maps, one currency, one request after the other. It shares no code
 * with the ledger, whose decisions it checks. It knows accounts without limits, movements, holds, and groups of movements
 * that nobody reverses; the ledger's own tests know the rest.
 */
export class NaiveBank {
  /** Balances of customers by account number. */
  balances = new Map<string, bigint>();
  /** Requests that were answered, by id. */
  readonly answers = new Map<string, NaiveAnswer>();
  private holds = new Map<Position, NaiveHold>();
  private movements = new Map<Position, NaiveMovement>();

  /** Ends the holds whose time has come; gives their positions, by time, then by position. */
  passTime(timeMs: number): readonly Position[] {
    const due = [...this.holds].filter(([, hold]) => hold.isOpen && hold.expiresMs > 0 && hold.expiresMs <= timeMs);
    for (const [, hold] of due) hold.isOpen = false;
    return due.sort(([a, one], [b, other]) => one.expiresMs - other.expiresMs || a - b).map(([position]) => position);
  }

  /** Answers a request whose id is new. Throws: for a known one, which a bank must never execute again. */
  execute(request: Request, at: NaiveMoment): NaiveAnswer {
    const key = toHex(request.id);
    if (this.answers.has(key)) throw new Error(`request ${key} is executed twice`);
    const answer = this.decide(request.command, at);
    this.answers.set(key, answer);
    return answer;
  }

  /** What it would answer then, without anything of it. */
  preview(request: Request, at: NaiveMoment): NaiveAnswer {
    const other = new NaiveBank();
    other.balances = new Map(this.balances);
    other.holds = structuredClone(this.holds);
    other.movements = structuredClone(this.movements);
    other.passTime(at.timeMs);
    return other.execute(request, at);
  }

  /** A copy of all balances. */
  copyBalances(): ReadonlyMap<string, bigint> {
    return new Map(this.balances);
  }

  private decide(command: Command, at: NaiveMoment): NaiveAnswer {
    switch (command.kind) {
      case "group":
        return this.group(command, at);
      case "cancelRequest":
        return "REQUEST_CANCELLED";
      case "registerBranch":
        return "done";
      case "renameBranch":
      case "setBranchState":
      case "setDurability":
        throw new Error(`the naive bank knows no ${command.kind}`);
      default:
        return this.item(command, at);
    }
  }

  private group({ items }: Group, { timeMs }: NaiveMoment): NaiveAnswer {
    const before = this.balances;
    this.balances = new Map(before);
    for (const item of items) {
      // Nobody ever asks for what a group has moved: no position is its.
      const answer = this.item(item, { position: 0, timeMs });
      if (answer === "done") continue;
      this.balances = before;
      return answer;
    }
    return "done";
  }

  private item(command: GroupItem, at: NaiveMoment): NaiveAnswer {
    switch (command.kind) {
      case "openAccount":
        this.balances.set(String(this.balances.size + 1), 0n);
        return "done";
      case "deposit":
        return this.move(undefined, command.account, command.amount.minor, at);
      case "withdraw":
        return this.move(command.account, undefined, command.amount.minor, at);
      case "transfer":
        return this.move(command.from, command.to, command.amount.minor, at);
      case "reverse":
        return this.reverse(command.transaction, at);
      case "placeHold":
        return this.placeHold(command, at);
      case "captureHold":
        return this.captureHold(command, at);
      case "releaseHold":
        return this.endHold(command.hold);
      default:
        throw new Error(`the naive bank knows no ${command.kind}`);
    }
  }

  private move(
    from: string | undefined,
    to: string | undefined,
    amount: bigint,
    at: NaiveMoment,
    isReversal = false,
  ): NaiveAnswer {
    for (const account of [from, to])
      if (account !== undefined && !this.balances.has(account)) return "ACCOUNT_NOT_FOUND";
    if (from === to) return "SAME_ACCOUNT";
    if (from !== undefined && amount > this.available(from)) return "INSUFFICIENT_FUNDS";
    if (to !== undefined && this.balanceOf(to) + amount > MAX) return "BALANCE_LIMIT_EXCEEDED";
    if (from !== undefined) this.balances.set(from, this.balanceOf(from) - amount);
    if (to !== undefined) this.balances.set(to, this.balanceOf(to) + amount);
    this.movements.set(at.position, { from, to, amount, isReversal, isReversed: false });
    return "done";
  }

  private reverse(transaction: Position, at: NaiveMoment): NaiveAnswer {
    const movement = this.movements.get(transaction);
    if (movement === undefined) return "TRANSACTION_NOT_FOUND";
    if (movement.isReversal) return "NOT_REVERSIBLE";
    if (movement.isReversed) return "ALREADY_REVERSED";
    const answer = this.move(movement.to, movement.from, movement.amount, at, true);
    movement.isReversed = answer === "done";
    return answer;
  }

  private placeHold({ account, amount, expiresMs }: PlaceHold, { position, timeMs }: NaiveMoment): NaiveAnswer {
    if (!this.balances.has(account)) return "ACCOUNT_NOT_FOUND";
    if (expiresMs !== 0 && expiresMs <= timeMs) return "EXPIRY_NOT_LATER";
    if (amount.minor > this.available(account)) return "INSUFFICIENT_FUNDS";
    this.holds.set(position, { account, expiresMs, left: amount.minor, isOpen: true });
    return "done";
  }

  /** As cash. */
  private captureHold({ hold, amount }: CaptureHold, at: NaiveMoment): NaiveAnswer {
    const found = this.holds.get(hold);
    if (found === undefined) return "HOLD_NOT_FOUND";
    if (!found.isOpen) return "HOLD_ENDED";
    const taken = amount?.minor ?? found.left;
    if (taken > found.left) return "HOLD_AMOUNT_EXCEEDED";
    found.left -= taken;
    if (found.left === 0n) found.isOpen = false;
    this.balances.set(found.account, this.balanceOf(found.account) - taken);
    this.movements.set(at.position, {
      from: found.account,
      to: undefined,
      amount: taken,
      isReversal: false,
      isReversed: false,
    });
    return "done";
  }

  private endHold(hold: Position): NaiveAnswer {
    const found = this.holds.get(hold);
    if (found === undefined) return "HOLD_NOT_FOUND";
    if (!found.isOpen) return "HOLD_ENDED";
    found.isOpen = false;
    return "done";
  }

  private balanceOf(account: string): bigint {
    return this.balances.get(account) ?? 0n;
  }

  private available(account: string): bigint {
    let available = this.balanceOf(account);
    for (const hold of this.holds.values()) if (hold.isOpen && hold.account === account) available -= hold.left;
    return available;
  }
}
