import { createHash } from "node:crypto";
import {
  type AccountIndex,
  AccountState,
  AccountType,
  type CurrencyIndex,
  type LedgerRecord,
  type Position,
  RecordKind,
  type RequestKey,
  requestIdFromBytes,
} from "@bank/core";
import { encodeFrame } from "@bank/journal";
import type { Random } from "@bank/testkit";
import type { JournalBatch } from "./history-journal.ts";

/** One batch, with what is in it. */
export interface TestBatch extends JournalBatch {
  readonly firstPosition: Position;
  readonly timeMs: number;
  readonly epochId: Uint8Array;
  readonly records: readonly LedgerRecord[];
}

interface OpenHold {
  readonly position: Position;
  readonly account: AccountIndex;
  readonly held: bigint;
  captured: bigint;
}

const START_MS = 1_790_000_000_000;
const INT64_MAX = 2n ** 63n - 1n;
/** So many records of a hundred can be in a group. */
const ITEM_PERCENT = 86;

/**
 * Batches of records of every kind, as a bank could have decided them: only what is asked of a history holds in them
 * (holds end once, nothing is reversed twice, times do not run backwards), no floors and no currencies.
 */
export class RandomJournal {
  readonly batches: TestBatch[] = [];
  accounts = 0;
  private readonly random: Random;
  private readonly holds: OpenHold[] = [];
  /** Movements that were not taken back. */
  private readonly movements: {
    readonly position: Position;
    readonly posting: [AccountIndex, AccountIndex, bigint];
  }[] = [];
  private position = 0;
  private timeMs = START_MS;
  private epochs = 0;
  private epochId: Uint8Array = new Uint8Array(16);
  private chainHash: Uint8Array = new Uint8Array(32);

  constructor(random: Random) {
    this.random = random;
  }

  /** Adds a batch: the first begins an epoch and opens accounts, the others hold what comes. */
  grow(): TestBatch {
    const { random } = this;
    // Batches often share a millisecond; sometimes much time passes.
    if (random.chance(70)) this.timeMs += random.chance(10) ? 1 + random.below(100_000) : random.below(3);
    const records: LedgerRecord[] = [];
    const add = (...more: LedgerRecord[]) => {
      records.push(...more);
      this.position += more.length;
    };
    const firstPosition = this.position + 1;
    if (this.epochs === 0 || random.chance(2)) add(this.epochBegun());
    if (this.accounts === 0) for (let i = 0; i < 4; i++) add(this.accountOpened());
    const steps = random.below(random.chance(10) ? 40 : 4) + (records.length === 0 ? 1 : 0);
    for (let i = 0; i < steps; i++) {
      if (random.chance(10)) this.group(add);
      else add(this.single());
    }
    return this.write(records, firstPosition);
  }

  /** Adds a batch of these records. */
  append(...records: readonly LedgerRecord[]): TestBatch {
    const firstPosition = this.position + 1;
    this.position += records.length;
    return this.write(records, firstPosition);
  }

  private write(records: readonly LedgerRecord[], firstPosition: Position): TestBatch {
    const { timeMs, epochId } = this;
    const frame = encodeFrame(
      { epochId, firstPosition, timeMs, digestAfter: new Uint8Array(16), committedPosition: firstPosition - 1 },
      records,
    );
    this.chainHash = new Uint8Array(createHash("sha256").update(this.chainHash).update(frame).digest());
    const lastPosition = firstPosition + records.length - 1;
    const batch = { firstPosition, lastPosition, timeMs, epochId, records, frame, chainHash: this.chainHash };
    this.batches.push(batch);
    return batch;
  }

  /** Records without requests of their own, then the record of the group. */
  private group(add: (...records: LedgerRecord[]) => void): void {
    const first = this.position;
    const items = 1 + this.random.below(5);
    for (let i = 0; i < items; i++) add({ ...this.item(this.random.below(ITEM_PERCENT)), request: undefined });
    add({ ...this.acted(), kind: RecordKind.GROUP_COMMITTED, records: this.position - first });
  }

  private single(): LedgerRecord {
    const kind = this.random.below(100);
    if (kind < ITEM_PERCENT) return this.item(kind);
    if (kind < 90) return this.holdsExpired() ?? this.holdPlaced();
    return this.harmless();
  }

  /** What a group can hold. */
  private item(kind: number): LedgerRecord {
    if (kind < 2) return this.accountOpened();
    if (kind < 50) return this.movement();
    if (kind < 55) return this.reversal() ?? this.movement();
    if (kind < 60) return this.interest();
    if (kind < 72) return this.holdPlaced();
    if (kind < 80) return this.holdCaptured() ?? this.holdPlaced();
    if (kind < 84) return this.holdReleased() ?? this.holdPlaced();
    return this.holdExtended() ?? this.holdPlaced();
  }

  private movement(): LedgerRecord {
    const kind = this.random.pick([RecordKind.DEPOSIT, RecordKind.WITHDRAWAL, RecordKind.TRANSFER]);
    const posting = this.posting();
    const [debit, credit, amount] = posting;
    this.movements.push({ position: this.position + 1, posting });
    return { ...this.acted(), kind, debit, credit, amount };
  }

  private reversal(): LedgerRecord | undefined {
    const found = this.take(this.movements);
    if (found === undefined) return undefined;
    const [debit, credit, amount] = found.posting;
    const original = found.position;
    return { ...this.acted(), kind: RecordKind.REVERSAL, original, debit: credit, credit: debit, amount };
  }

  private interest(): LedgerRecord {
    const acted = { ...this.acted(), kind: RecordKind.INTEREST_APPLIED, rate: 2_500_000, balance: 40n };
    if (this.random.chance(30)) return { ...acted, account: this.account(), paidFrom: undefined, amount: 0n };
    const posting = this.posting();
    const [paidFrom, account, amount] = posting;
    this.movements.push({ position: this.position + 1, posting });
    return { ...acted, account, paidFrom, amount };
  }

  private holdPlaced(): LedgerRecord {
    const hold = { position: this.position + 1, account: this.account(), held: this.amount(), captured: 0n };
    this.holds.push(hold);
    return { ...this.acted(), kind: RecordKind.HOLD_PLACED, ...changed(hold) };
  }

  private holdCaptured(): LedgerRecord | undefined {
    if (this.holds.length === 0) return undefined;
    const hold = this.random.pick(this.holds);
    const left = hold.held - hold.captured;
    const amount = this.random.chance(40) ? left : 1n + (BigInt(this.random.below(1_000_000)) % left);
    hold.captured += amount;
    if (hold.captured === hold.held) this.holds.splice(this.holds.indexOf(hold), 1);
    const credit = this.otherThan(hold.account);
    this.movements.push({ position: this.position + 1, posting: [hold.account, credit, amount] });
    const { position } = hold;
    return { ...this.acted(), kind: RecordKind.HOLD_CAPTURED, hold: position, credit, amount, ...changed(hold) };
  }

  private holdReleased(): LedgerRecord | undefined {
    const hold = this.take(this.holds);
    if (hold === undefined) return undefined;
    return { ...this.acted(), kind: RecordKind.HOLD_RELEASED, hold: hold.position, ...changed(hold) };
  }

  private holdExtended(): LedgerRecord | undefined {
    if (this.holds.length === 0) return undefined;
    const hold = this.random.pick(this.holds);
    return { ...this.acted(), kind: RecordKind.HOLD_EXTENDED, hold: hold.position, ...changed(hold) };
  }

  private holdsExpired(): LedgerRecord | undefined {
    const ended = this.holds.splice(0, 1 + this.random.below(6));
    if (ended.length === 0) return undefined;
    const holds = ended.map(({ position }) => position);
    return { principal: "bank", branch: 0, request: undefined, kind: RecordKind.HOLDS_EXPIRED, holds };
  }

  /** Records that no history shows. */
  private harmless(): LedgerRecord {
    const acted = this.acted();
    return this.random.pick<LedgerRecord>([
      { ...acted, kind: RecordKind.TIME_TICKED, request: undefined },
      { ...acted, kind: RecordKind.REJECTED, rejection: { reason: "ACCOUNT_NOT_FOUND", metadata: { account: "9" } } },
      { ...acted, kind: RecordKind.ACCOUNT_STATE_CHANGED, account: this.account(), state: AccountState.FROZEN },
      { ...acted, kind: RecordKind.BRANCH_REGISTERED, number: 1, name: "North", address: "http://127.0.0.1:1" },
    ]);
  }

  private epochBegun(): LedgerRecord {
    const number = ++this.epochs;
    this.epochId = this.random.bytes(16);
    const bankId = new Uint8Array(16).fill(7);
    const acted = { principal: "bank", branch: 0, request: undefined };
    return { ...acted, kind: RecordKind.EPOCH_BEGUN, number, id: this.epochId, bankId, lossAccepted: false };
  }

  private accountOpened(): LedgerRecord {
    const index = this.accounts++;
    return {
      ...this.acted(),
      kind: RecordKind.ACCOUNT_OPENED,
      account: index as AccountIndex,
      type: AccountType.CHECKING,
      number: index + 1,
      name: "",
      currency: 0 as CurrencyIndex,
      homeBranch: 0,
      owner: "Ada",
      displayName: "",
      floor: 0n,
    };
  }

  private acted(): { principal: string; branch: number; request: RequestKey } {
    const id = requestIdFromBytes(this.random.bytes(16));
    return { principal: "dev", branch: this.random.below(4), request: { id, hashLow: 1, hashHigh: 2 } };
  }

  private posting(): [AccountIndex, AccountIndex, bigint] {
    const debit = this.account();
    return [debit, this.otherThan(debit), this.amount()];
  }

  /** Few accounts move much, so that some have long histories. */
  private account(): AccountIndex {
    const index = this.random.chance(60) ? this.random.below(2) : this.random.below(this.accounts);
    return index as AccountIndex;
  }

  private otherThan(account: AccountIndex): AccountIndex {
    const other = this.account();
    return other === account ? (((account + 1) % this.accounts) as AccountIndex) : other;
  }

  /** Mostly small; now and then too large for a JavaScript number to hold it exactly. */
  private amount(): bigint {
    if (this.random.chance(3)) return INT64_MAX / 2n ** BigInt(8 + this.random.below(3)) - BigInt(this.random.below(9));
    return BigInt(1 + this.random.below(this.random.chance(50) ? 20 : 100_000));
  }

  private take<T>(values: T[]): T | undefined {
    return values.splice(this.random.below(Math.max(1, values.length)), 1)[0];
  }
}

function changed({ account, held, captured }: OpenHold) {
  return { account, held, captured, expiresMs: 1_900_000_000_000 };
}
