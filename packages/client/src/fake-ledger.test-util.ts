import { formatAmount, parseRate, RefusalError } from "@bank/core";
import {
  type AccountSchema,
  AccountState,
  AccountType,
  type BatchResultSchema,
  type CaptureHoldRequest,
  type HoldSchema,
  HoldState,
  RequestState,
  TransactionKind,
  type TransactionSchema,
} from "@bank/proto";
import { commandOfBatchItem, encodeSession, failureFromRefusal, type ItemCase } from "@bank/rpc";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";

type Failure = ReturnType<typeof failureFromRefusal>;
type AccountInit = MessageInitShape<typeof AccountSchema>;
type HoldInit = MessageInitShape<typeof HoldSchema>;
export type TransactionInit = MessageInitShape<typeof TransactionSchema>;
export type Result = NonNullable<MessageInitShape<typeof BatchResultSchema>["result"]>;

/** What became of one command. */
export interface Answer {
  /** 0 when nothing remembers it. */
  readonly position: number;
  readonly replayed: boolean;
  readonly result: Result;
}

interface FakeHold {
  readonly account: string;
  readonly minor: bigint;
  captured: bigint;
  state: HoldState;
  expiresMs: number;
}

/** What a command can change. */
interface FakeBooks {
  balances: Map<string, bigint>;
  /** Of accounts that have changed. */
  versions: Map<string, number>;
  /** Of accounts that are not open. */
  states: Map<string, AccountState>;
  /** By the positions of their placing. */
  holds: Map<number, FakeHold>;
  /** In the order of their positions. */
  transactions: TransactionInit[];
  position: number;
}

const CASH = "cash/0/USD";
const REJECTION_CODES = { NOT_FOUND: 5, FAILED_PRECONDITION: 9, ABORTED: 10 } as const;

/** An outcome that is known without looking any further. */
class Decided extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/**
 * The state that several fake servers show: USD accounts, request ids, positions, epochs. As simple as answers to the
 * SDK can be: the rules are the bank's, and not here.
 */
export class FakeLedger {
  readonly bankId = new Uint8Array(16).fill(1);
  /** Number and address; without an address the head office itself. */
  readonly branches = new Map<number, string>([[0, ""]]);
  epoch = 1;
  /** Request ids that an overloaded bank refuses the first time. */
  readonly refuseOnce = new Set<string>();
  /** Request ids that wait, or are on their way to the disk. */
  readonly inProgress = new Set<string>();
  /** Batches are answered with nothing. */
  dropResults = false;
  private books: FakeBooks = {
    balances: new Map(),
    versions: new Map(),
    states: new Map(),
    holds: new Map(),
    transactions: [],
    position: 1,
  };
  private readonly answers = new Map<string, Answer>();

  get balances(): Map<string, bigint> {
    return this.books.balances;
  }

  get holds(): ReadonlyMap<number, FakeHold> {
    return this.books.holds;
  }

  get transactions(): readonly TransactionInit[] {
    return this.books.transactions;
  }

  get position(): number {
    return this.books.position;
  }

  set position(position: number) {
    this.books.position = position;
  }

  token(position = this.position, epoch = this.epoch): string {
    return encodeSession({ bankId: this.bankId, seen: [{ epochId: new Uint8Array(16).fill(epoch), position }] });
  }

  execute(command: ItemCase): Answer {
    const { validateOnly } = command.value;
    // An id is its sixteen bytes, however it is written.
    const requestId = command.value.requestId.toLowerCase();
    const known = this.answers.get(requestId);
    if (known !== undefined) return { ...known, replayed: true };
    if (this.refuseOnce.delete(requestId))
      return unremembered(failureFromRefusal(new RefusalError("OVERLOADED", { waiting: "9" })));
    const before = structuredClone(this.books);
    this.books.position++;
    const result = this.tried(command, requestId);
    if (validateOnly) {
      this.books = before;
      return { position: 0, replayed: false, result: asPreview(result) };
    }
    if (result.case === "failure") {
      const { position } = this.books;
      this.books = before;
      if (result.value.metadata?.["outcome"] === "NOT_APPLIED") return { position: 0, replayed: false, result };
      this.books.position = position;
    }
    const answer: Answer = { position: this.books.position, replayed: false, result };
    this.answers.set(requestId, answer);
    return answer;
  }

  /** What became of a request. */
  outcome(requestId: string): { readonly state: RequestState; readonly result?: { result: Result }; position: bigint } {
    const answer = this.answers.get(requestId);
    if (answer === undefined) {
      const waits = this.inProgress.has(requestId);
      return { state: waits ? RequestState.IN_PROGRESS : RequestState.NOT_SEEN, position: 0n };
    }
    const { result } = answer;
    const position = BigInt(answer.position);
    if (result.case !== "failure") return { state: RequestState.COMMITTED, result: { result }, position };
    if (result.value.reason === "REQUEST_CANCELLED") return { state: RequestState.CANCELLED, position };
    return { state: RequestState.REJECTED, result: { result }, position };
  }

  cancel(requestId: string): ReturnType<FakeLedger["outcome"]> {
    if (!this.answers.has(requestId)) {
      const position = ++this.books.position;
      const value = rejection("REQUEST_CANCELLED", "ABORTED", { request_id: requestId });
      this.answers.set(requestId, { position, replayed: false, result: { case: "failure", value } });
    }
    return this.outcome(requestId);
  }

  /** Throws: `RefusalError` READ_ACCOUNT_NOT_FOUND. */
  account(number: string): AccountInit & { readonly version: bigint } {
    const minor = this.balances.get(number);
    if (minor === undefined)
      throw new RefusalError("READ_ACCOUNT_NOT_FOUND", { account: number, position: String(this.position) });
    const held = this.heldOn(number);
    return {
      number,
      type: AccountType.SAVINGS,
      state: this.books.states.get(number) ?? AccountState.OPEN,
      currencyCode: "USD",
      posted: usd(minor),
      held: usd(held),
      available: usd(minor - held),
      floor: usd(0n),
      version: BigInt(this.versionOf(number)),
      openedAt: timestampFromMs(1_000),
      openedPosition: 1n,
    };
  }

  hold(position: number): HoldInit | undefined {
    const hold = this.holds.get(position);
    if (hold === undefined) return undefined;
    const { account, minor, captured, state, expiresMs } = hold;
    return {
      hold: BigInt(position),
      account,
      amount: usd(minor),
      captured: usd(captured),
      remaining: usd(state === HoldState.OPEN ? minor - captured : 0n),
      state,
      ...(expiresMs === 0 ? {} : { expiresAt: timestampFromMs(expiresMs) }),
    };
  }

  private tried(command: ItemCase, requestId: string): Result {
    try {
      return this.decided(command, requestId);
    } catch (error) {
      if (error instanceof Decided) return { case: "failure", value: error.failure };
      if (error instanceof RefusalError) return { case: "failure", value: failureFromRefusal(error) };
      throw error;
    }
  }

  private decided(command: ItemCase, requestId: string): Result {
    if (command.case === "group") return this.group(command.value.items.map(commandOfBatchItem), requestId);
    this.checkVersion(command);
    switch (command.case) {
      case "openAccount": {
        const number = String(this.balances.size + 1);
        this.balances.set(number, 0n);
        const { owner, displayName, alias, metadata } = command.value;
        return { case: "account", value: { ...this.account(number), owner, displayName, alias, metadata } };
      }
      case "updateAccount": {
        const { account, displayName = "", metadata, floorMinor = 0n, ceilingMinor = 0n } = command.value;
        this.changed(account);
        const ceiling = ceilingMinor === 0n ? {} : { ceiling: usd(ceilingMinor) };
        const terms = { metadata: metadata?.metadata ?? {}, floor: usd(floorMinor), ...ceiling };
        return { case: "accountUpdate", value: { account, displayName, ...terms } };
      }
      case "freezeAccount":
        return this.stateChange(command.value.account, AccountState.FROZEN);
      case "unfreezeAccount":
        return this.stateChange(command.value.account, AccountState.OPEN);
      case "closeAccount":
        return this.stateChange(command.value.account, AccountState.CLOSED);
      case "deposit":
        return this.booked(
          { kind: TransactionKind.DEPOSIT, ...command.value, debit: CASH, credit: command.value.account },
          requestId,
        );
      case "withdraw":
        return this.booked(
          { kind: TransactionKind.WITHDRAWAL, ...command.value, debit: command.value.account, credit: CASH },
          requestId,
        );
      case "transfer": {
        const { fromAccount: debit, toAccount: credit, amount } = command.value;
        return this.booked({ kind: TransactionKind.TRANSFER, debit, credit, amount }, requestId);
      }
      case "reverse": {
        const { transaction: reverses } = command.value;
        const original = this.transactions.find(({ position }) => position === reverses);
        if (original === undefined) throw notFound("TRANSACTION_NOT_FOUND", { transaction: String(reverses) });
        const { debitAccount: credit = "", creditAccount: debit = "", amount } = original;
        return this.booked({ kind: TransactionKind.REVERSAL, debit, credit, amount, reverses }, requestId);
      }
      case "applyInterest":
        return this.interest(command.value, requestId);
      case "placeHold": {
        const { account, amount, expiresAt } = command.value;
        const minor = amount?.amountMinor ?? 0n;
        if (minor > this.posted(account) - this.heldOn(account)) throw this.insufficient(account);
        const expiresMs = Number(expiresAt?.seconds ?? 0n) * 1_000;
        this.books.holds.set(this.position, { account, minor, captured: 0n, state: HoldState.OPEN, expiresMs });
        this.changed(account);
        return this.holdResult(this.position);
      }
      case "captureHold":
        return this.capture(command.value, requestId);
      case "releaseHold":
        this.openHold(command.value.hold).state = HoldState.RELEASED;
        return this.holdResult(Number(command.value.hold));
      case "extendHold":
        this.openHold(command.value.hold).expiresMs = Number(command.value.expiresAt?.seconds ?? 0n) * 1_000;
        return this.holdResult(Number(command.value.hold));
    }
  }

  private group(items: readonly ItemCase[], requestId: string): Result {
    const results = items.map((item, i) => {
      if (i > 0) this.books.position++;
      const result = this.tried(item, requestId);
      if (result.case === "failure") throw new Decided({ ...(result.value as Failure), item: i + 1 });
      return { result };
    });
    this.books.position++;
    return { case: "group", value: { position: BigInt(this.position), results } };
  }

  private interest(
    { account, ratePercent }: { readonly account: string; readonly ratePercent: string },
    requestId: string,
  ): Result {
    const rate = parseRate(ratePercent);
    if (rate === undefined) throw new RefusalError("INVALID_RATE", { rate: ratePercent });
    const balance = this.posted(account);
    const minor = (balance * BigInt(rate)) / 100_000_000n;
    const value = { account, ratePercent, balance: usd(balance), amount: usd(minor) };
    if (minor === 0n) return { case: "interest", value };
    const movement = { kind: TransactionKind.INTEREST, debit: "interest/0/USD", credit: account, amount: usd(minor) };
    return { case: "interest", value: { ...value, transaction: this.move(movement, requestId) } };
  }

  private capture({ hold: at, amount, toAccount }: CaptureHoldRequest, requestId: string): Result {
    const hold = this.openHold(at);
    const minor = amount?.amountMinor ?? hold.minor - hold.captured;
    hold.captured += minor;
    if (hold.captured === hold.minor) hold.state = HoldState.CAPTURED;
    const credit = toAccount === "" ? CASH : toAccount;
    const movement = { kind: TransactionKind.CAPTURE, debit: hold.account, credit, amount: usd(minor), hold: at };
    const transaction = this.move(movement, requestId);
    const after = this.hold(Number(at));
    return { case: "capture", value: { transaction, ...(after === undefined ? {} : { hold: after }) } };
  }

  private stateChange(account: string, state: AccountState): Result {
    this.posted(account);
    this.books.states.set(account, state);
    this.changed(account);
    return { case: "stateChange", value: { account, state } };
  }

  private booked(movement: Movement, requestId: string): Result {
    return { case: "transaction", value: this.move(movement, requestId) };
  }

  private move(movement: Movement, requestId: string): TransactionInit {
    const { kind, debit, credit, amount, reverses = 0n, hold = 0n } = movement;
    const minor = amount?.amountMinor ?? 0n;
    for (const [account, change] of [
      [debit, -minor],
      [credit, minor],
    ] as const) {
      if (account.includes("/")) continue;
      if (this.posted(account) + change < 0n) throw this.insufficient(account);
    }
    for (const [account, change] of [
      [debit, -minor],
      [credit, minor],
    ] as const) {
      if (account.includes("/")) continue;
      this.balances.set(account, this.posted(account) + change);
      this.changed(account);
    }
    const transaction: TransactionInit = {
      position: BigInt(this.position),
      kind,
      debitAccount: debit,
      creditAccount: credit,
      amount: usd(minor),
      time: timestampFromMs(2_000),
      requestId,
      reverses,
      hold,
    };
    this.books.transactions.push(transaction);
    return transaction;
  }

  private checkVersion(command: ItemCase): void {
    const { value } = command;
    if (!("expectedVersion" in value) || value.expectedVersion === undefined) return;
    const account = "account" in value ? value.account : "fromAccount" in value ? value.fromAccount : "";
    const [version, expected] = [String(this.versionOf(account)), String(value.expectedVersion)];
    if (version !== expected) throw new RefusalError("STALE_VERSION", { account, version, expected_version: expected });
  }

  private posted(account: string): bigint {
    const balance = this.balances.get(account);
    if (balance === undefined) throw notFound("ACCOUNT_NOT_FOUND", { account });
    return balance;
  }

  private heldOn(account: string): bigint {
    const open = [...this.holds.values()].filter((hold) => hold.account === account && hold.state === HoldState.OPEN);
    return open.reduce((sum, { minor, captured }) => sum + minor - captured, 0n);
  }

  private openHold(at: bigint): FakeHold {
    const hold = this.books.holds.get(Number(at));
    if (hold === undefined) throw notFound("HOLD_NOT_FOUND", { hold: String(at) });
    if (hold.state !== HoldState.OPEN)
      throw new Decided(rejection("HOLD_ENDED", "FAILED_PRECONDITION", { hold: String(at) }));
    return hold;
  }

  private holdResult(at: number): Result {
    const value = this.hold(at);
    if (value === undefined) throw new Error(`hold ${at} was made before it is told of`);
    return { case: "hold", value };
  }

  private versionOf(account: string): number {
    return this.books.versions.get(account) ?? 1;
  }

  private changed(account: string): void {
    this.books.versions.set(account, this.versionOf(account) + 1);
  }

  private insufficient(account: string): Decided {
    const available = formatAmount(this.posted(account), 2);
    return new Decided(rejection("INSUFFICIENT_FUNDS", "FAILED_PRECONDITION", { account, available }));
  }
}

interface Movement {
  readonly kind: TransactionKind;
  readonly debit: string;
  readonly credit: string;
  readonly amount?: { readonly amountMinor?: bigint } | undefined;
  readonly reverses?: bigint;
  readonly hold?: bigint;
}

function unremembered(value: Failure): Answer {
  return { position: 0, replayed: false, result: { case: "failure", value } };
}

/** What is not done has no position, and what is not rejected is not remembered. */
function asPreview(result: Result): Result {
  if (result.case === "failure") {
    const value = result.value as Failure;
    return { case: "failure", value: { ...value, metadata: { ...value.metadata, outcome: "NOT_APPLIED" } } };
  }
  if (result.case === "transaction") return { case: "transaction", value: { ...result.value, position: 0n } };
  return result;
}

function notFound(reason: string, metadata: Record<string, string>): Decided {
  return new Decided(rejection(reason, "NOT_FOUND", metadata));
}

function rejection(reason: string, status: keyof typeof REJECTION_CODES, metadata: Record<string, string>): Failure {
  const failure = failureFromRefusal(new RefusalError("INVALID_REQUEST", metadata, "REJECTED"));
  return { ...failure, code: REJECTION_CODES[status], reason, message: `No: ${reason}.` };
}

function usd(amountMinor: bigint) {
  return { currencyCode: "USD", amountMinor };
}
