import {
  AccountType,
  apply,
  BALANCE_MIN,
  BranchState,
  beginBatch,
  type Command,
  checkCommand,
  decide,
  dueHolds,
  FORMAT_LEVEL_MAX,
  type GroupItem,
  HoldState,
  hashCommand,
  Ledger,
  type LedgerRecord,
  type Position,
  RecordKind,
  requestIdFromBytes,
  SYSTEM_PRINCIPAL,
} from "@bank/core";
import { encodeFrame, genesisHash, nextHash, type ReceivedFrame } from "@bank/journal";
import { NaiveHistory, type Random } from "@bank/testkit";
import { sha256 } from "../platform.ts";
import type { JournalProof, JournalStep, ReportJournal } from "./report-journal.ts";

const SYSTEM = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined };
const CURRENCIES = ["EUR", "JPY", "KWD"] as const;

interface RandomBatch extends ReceivedFrame {
  readonly lastPosition: Position;
}

/** A bank without a store, which decides random commands of every kind; its journal can be followed. */
export class RandomBank implements ReportJournal {
  readonly name = "a random bank";
  readonly ledger = new Ledger({ hashSeed: 3 });
  readonly history = new NaiveHistory();
  readonly batches: RandomBatch[] = [];
  /** Each record by its position, with journal time. */
  readonly records = new Map<Position, { readonly record: LedgerRecord; readonly timeMs: number }>();
  readonly bankId: Uint8Array;
  /** Batches that `follow` hands on for now. */
  released = Number.POSITIVE_INFINITY;
  /** Whether the last batch that is handed on is said to be committed. */
  isCommitted = true;
  private readonly random: Random;
  private chainHash: Uint8Array;
  private timeMs = 1_790_000_000_000;
  private aliases = 0;
  private changed = Promise.withResolvers<void>();

  constructor(random: Random, bankId = new Uint8Array(16).fill(9)) {
    this.random = random;
    this.bankId = bankId;
    this.chainHash = genesisHash(sha256, bankId);
    this.beginEpoch(FORMAT_LEVEL_MAX);
    this.execute(
      ...[1, 2, 3].map(
        (branch): Command => ({ kind: "registerBranch", branch, name: "", address: `http://b:${branch}` }),
      ),
      ...CURRENCIES.flatMap((currency) => [this.open(currency), this.open(currency)]),
      { kind: "deposit", account: "1", amount: { currency: "EUR", minor: 90_000n } },
    );
  }

  get position(): Position {
    return this.ledger.position;
  }

  /** So many batches of random commands, of 1 to 9 each, and behind them records of the bank's own. */
  work(batches: number): void {
    const { random } = this;
    for (let i = 0; i < batches; i++) {
      if (random.chance(3)) this.beginEpoch();
      if (random.chance(3)) this.tick();
      this.execute(...Array.from({ length: 1 + random.below(9) }, () => this.command()));
    }
    this.append([{ ...SYSTEM, kind: RecordKind.STATE_ROOT, position: this.position, root: random.bytes(32) }]);
    this.tick();
  }

  /** The kinds of records that there are none of yet. */
  missingKinds(): readonly RecordKind[] {
    const kinds = new Set([...this.records.values()].map(({ record }) => record.kind));
    return Object.values(RecordKind).filter((kind) => !kinds.has(kind));
  }

  /** A batch of one record, which is never that of a random command. */
  tick(): void {
    this.append([{ ...SYSTEM, kind: RecordKind.TIME_TICKED }]);
  }

  /** Lets `follow` hand on more. */
  release(batches: number, isCommitted = true): void {
    this.released = batches;
    this.isCommitted = isCommitted;
    this.wake();
  }

  beginEpoch(level?: number): void {
    const number = (this.ledger.currentEpoch()?.number ?? 0) + 1;
    const { bankId } = this;
    const id = this.random.bytes(16);
    const epoch = {
      ...SYSTEM,
      kind: RecordKind.EPOCH_BEGUN,
      number,
      id,
      bankId,
      lossAccepted: number % 3 === 0,
    } as const;
    this.append(level === undefined ? [epoch] : [epoch, { ...SYSTEM, kind: RecordKind.FORMAT_LEVEL_RAISED, level }]);
  }

  async proof(at: Position): Promise<JournalProof> {
    const { bankId } = this;
    const known = this.batches.slice(0, this.released);
    const chainHash = known.find(({ lastPosition }) => lastPosition === at)?.chainHash;
    return { bankId, position: known.at(-1)?.lastPosition ?? 0, chainHash };
  }

  async *follow({ position }: { readonly position: Position }, signal: AbortSignal): AsyncGenerator<JournalStep> {
    const wake = () => this.wake();
    signal.addEventListener("abort", wake);
    try {
      for (let i = this.batches.findIndex(({ lastPosition }) => lastPosition > position); ; i++) {
        if (i < 0) i = this.batches.length;
        while (i >= Math.min(this.batches.length, this.released)) {
          signal.throwIfAborted();
          await this.changed.promise;
        }
        signal.throwIfAborted();
        const received = this.batches[i] as RandomBatch;
        // Told behind the batch, as of one that copies have to have first.
        yield { received, committedPosition: received.lastPosition - 1 };
        while (!this.isCommitted && i === this.released - 1) {
          signal.throwIfAborted();
          await this.changed.promise;
        }
        yield { received: undefined, committedPosition: received.lastPosition };
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  private wake(): void {
    this.changed.resolve();
    this.changed = Promise.withResolvers();
  }

  private execute(...commands: readonly Command[]): void {
    const { ledger, random } = this;
    this.timeMs += random.chance(30) ? 0 : random.below(60);
    this.append(() => {
      const records: LedgerRecord[] = [];
      const run = (record: LedgerRecord) => {
        apply(ledger, record);
        this.records.set(ledger.position, { record, timeMs: this.timeMs });
        records.push(record);
      };
      for (let due = dueHolds(ledger); due !== undefined; due = dueHolds(ledger)) run(due);
      for (const command of commands) {
        if (checkCommand(command) !== undefined) continue;
        const request = {
          principal: random.pick(["dev", "dev", "ops"]),
          branch: random.pick([0, 0, 1, 2, 9]),
          id: requestIdFromBytes(random.bytes(16)),
          command,
        };
        decide(ledger, request, hashCommand(command), (position) => this.records.get(position)?.record).forEach(run);
      }
      return records;
    });
  }

  private append(records: readonly LedgerRecord[] | (() => readonly LedgerRecord[])): void {
    const { ledger, timeMs } = this;
    beginBatch(ledger, timeMs);
    const firstPosition = ledger.position + 1;
    const made =
      typeof records === "function"
        ? records()
        : records.map((record) => {
            apply(ledger, record);
            this.records.set(ledger.position, { record, timeMs });
            return record;
          });
    const frame = encodeFrame(
      {
        epochId: ledger.currentEpoch()?.id ?? new Uint8Array(16),
        firstPosition,
        timeMs,
        digestAfter: ledger.digestBytes(),
        committedPosition: firstPosition - 1,
      },
      made,
    );
    ledger.forgetUndo(ledger.position);
    this.history.add({ timeMs, records: made });
    this.chainHash = nextHash(sha256, this.chainHash, frame);
    this.batches.push({ frame, chainHash: this.chainHash, lastPosition: ledger.position });
    this.wake();
  }

  private open(currency: string): Command & { readonly kind: "openAccount" } {
    const { random } = this;
    const type = random.chance(50) ? AccountType.CHECKING : AccountType.SAVINGS;
    const owner = random.pick(["Ada", "Žofie \u{1f3e6}", 'O\'Brien \\ "x"', "NUL \0"]);
    const plain = { kind: "openAccount", type, owner, displayName: owner, currency } as const;
    if (random.chance(60)) return plain;
    const alias = random.pick(["", `a${this.aliases++}`, `${600 + this.aliases}`]);
    const floor = type === AccountType.CHECKING && random.chance(50) ? { floor: -1_000n } : {};
    return { ...plain, ...floor, ceiling: 900_000n, alias, metadata: { plan: owner, empty: "" } };
  }

  private command(): Command {
    const { random } = this;
    const kind = random.below(100);
    if (kind < 8) return { kind: "group", items: Array.from({ length: 1 + random.below(5) }, () => this.item()) };
    if (kind < 9) return { kind: "cancelRequest" };
    const target = 1 + random.below(4);
    if (kind < 11) return { kind: "registerBranch", branch: target, name: "", address: `http://c:${kind}` };
    if (kind < 13) return { kind: "renameBranch", target, name: random.pick(["North", "Süd"]) };
    if (kind < 15)
      return { kind: "setBranchState", target, state: random.pick(Object.values(BranchState).slice(0, 2)) };
    if (kind < 16)
      return { kind: "setDurability", copies: 1, members: [{ branch: 1, copyId: new Uint8Array(16).fill(kind) }] };
    return this.item();
  }

  private item(): GroupItem {
    const { random, ledger } = this;
    const account = this.account();
    const index = ledger.findAccount(account);
    const currency = index === undefined ? "EUR" : ledger.viewAccount(index).currency;
    const amount = { currency, minor: BigInt(1 + random.below(2_000)) };
    const soon = () => (random.chance(30) ? 0 : this.timeMs + 1 + random.below(400));
    const hold = () => this.hold();
    const items: (() => GroupItem)[] = [
      () => this.open(random.pick(CURRENCIES)),
      () => ({ kind: "updateAccount", account, metadata: { by: "\0" }, ceiling: random.pick([null, 800_000n]) }),
      () => ({ kind: "updateAccount", account, displayName: "Haushalt", floor: random.pick([0n, BALANCE_MIN]) }),
      () => ({ kind: random.pick(["freezeAccount", "unfreezeAccount", "unfreezeAccount", "closeAccount"]), account }),
      () => ({ kind: "withdraw", account, amount }),
      () => ({ kind: "applyInterest", account, rate: random.pick([0, 1, 2_500_000, 100_000_000]) }),
      () => ({ kind: "reverse", transaction: Math.max(1, this.position - random.below(50)) }),
      () => ({ kind: "reverse", transaction: this.moved() }),
      () => ({ kind: "placeHold", account, amount, expiresMs: soon() }),
      () => ({ kind: "placeHold", account, amount, expiresMs: soon() }),
      () => ({ kind: "captureHold", hold: hold(), to: random.chance(50) ? "" : account }),
      () => ({ kind: "captureHold", hold: hold(), amount: { currency, minor: amount.minor / 4n + 1n }, to: "" }),
      () => ({ kind: "releaseHold", hold: hold() }),
      () => ({ kind: "extendHold", hold: hold(), expiresMs: this.timeMs + 100 + random.below(900) }),
      () => ({ kind: "transfer", from: account, to: this.account(), amount }),
      () => ({ kind: "transfer", from: account, to: `fees/1/${currency}`, amount }),
      () => ({ kind: "transfer", from: account, to: this.account(), amount }),
      () => ({ kind: "deposit", account, amount: { currency, minor: 5n * amount.minor } }),
      () => ({ kind: "deposit", account, amount: { currency, minor: 5n * amount.minor } }),
    ];
    return random.pick(items)();
  }

  private account(): string {
    return String(1 + this.random.below(this.random.chance(70) ? 6 : this.ledger.nextAccountNumber));
  }

  /** Some transaction of late. */
  private moved(): Position {
    let position = Math.max(1, this.position - this.random.below(10));
    while (position > 1 && this.records.get(position)?.record.kind !== RecordKind.TRANSFER) position--;
    return position;
  }

  private hold(): Position {
    const { holds } = this.ledger;
    if (holds.count === 0) return 1;
    let view = holds.viewAt(this.random.below(holds.count));
    for (let tries = 0; tries < 6 && view.state !== HoldState.OPEN; tries++)
      view = holds.viewAt(this.random.below(holds.count));
    return view.hold;
  }
}
