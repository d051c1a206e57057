import {
  type AccountIndex,
  AMOUNT_MAX,
  type LedgerRecord,
  RecordKind,
  type RequestKey,
  requestIdFromBytes,
} from "@bank/core";
import { Random } from "@bank/testkit";
import { describe, expect, it, onTestFinished } from "vitest";
import { MEMORY } from "./database.ts";
import { DamagedHistoryError } from "./errors.ts";
import { Projection } from "./projection.ts";
import type { HistoryPage, ListQuery } from "./queries.ts";
import { RandomJournal, type TestBatch } from "./random-journal.test-util.ts";

const A = 0 as AccountIndex;
const B = 1 as AccountIndex;
const CASH = 2 as AccountIndex;
const EXPIRES_MS = 1_900_000_000_000;

function request(number: number): RequestKey {
  return { id: requestIdFromBytes(new Uint8Array(16).fill(number)), hashLow: 1, hashHigh: 2 };
}

const acted = { principal: "dev", branch: 3, request: undefined };

function transfer(debit: AccountIndex, credit: AccountIndex, amount: bigint, number?: number): LedgerRecord {
  const key = number === undefined ? undefined : request(number);
  return { ...acted, request: key, kind: RecordKind.TRANSFER, debit, credit, amount };
}

function hold(account: AccountIndex, held: bigint): LedgerRecord {
  return { ...acted, kind: RecordKind.HOLD_PLACED, account, held, captured: 0n, expiresMs: EXPIRES_MS };
}

function expired(...holds: number[]): LedgerRecord {
  return { ...acted, kind: RecordKind.HOLDS_EXPIRED, holds };
}

/** A journal and its projection; each batch is projected by itself. */
class Bench {
  readonly journal = new RandomJournal(new Random(1));
  readonly projection: Projection;

  constructor(options: { readonly scanMax?: number; readonly file?: string } = {}) {
    this.projection = Projection.open(options.file ?? MEMORY, options);
    onTestFinished(() => this.projection.close());
  }

  append(...records: LedgerRecord[]): TestBatch {
    const batch = this.journal.append(...records);
    this.projection.project({ frames: [batch.frame], chainHash: batch.chainHash });
    return batch;
  }

  balance(account: AccountIndex, position: number): readonly [bigint, bigint] {
    const { posted, held } = this.projection.ask("balance", { account, position });
    return [posted, held];
  }

  list(query: Partial<ListQuery> & { readonly upper: number }): HistoryPage {
    const asked = {
      account: A,
      oldestFirst: true,
      cursor: undefined,
      pageSize: 1_000,
      filter: {},
      expected: undefined,
      ...query,
    };
    return this.projection.ask("list", asked);
  }
}

describe("a projection", () => {
  it("keeps amounts and balances exactly to the end of 64 bits", () => {
    const bench = new Bench();
    bench.append(transfer(A, B, AMOUNT_MAX), transfer(A, CASH, 1n), transfer(B, A, 3n));
    expect(bench.balance(A, 1)).toEqual([-AMOUNT_MAX, 0n]);
    expect(bench.balance(A, 2)).toEqual([-AMOUNT_MAX - 1n, 0n]);
    expect(bench.balance(A, 3)).toEqual([-AMOUNT_MAX + 2n, 0n]);
    expect(bench.list({ upper: 3 }).entries.map(({ amount }) => amount)).toEqual([AMOUNT_MAX, 1n, 3n]);
    expect(bench.list({ upper: 3, filter: { amountMin: AMOUNT_MAX } }).entries).toHaveLength(1);
  });

  it("gives the items of a group the group's request, and no other record", () => {
    const bench = new Bench();
    const group: LedgerRecord = { ...acted, request: request(9), kind: RecordKind.GROUP_COMMITTED, records: 2 };
    bench.append(transfer(A, B, 1n, 5), transfer(A, B, 2n), transfer(B, A, 3n), group, transfer(A, B, 4n, 6));
    const ids = bench.list({ upper: 5 }).entries.map(({ requestId }) => requestId?.[0]);
    expect(ids).toEqual([5, 9, 9, 6]);
    expect(bench.projection.ask("transaction", { position: 4, upper: 5 })).toBeUndefined();
  });

  it("frees what is left of holds that expire together, some of them of one account", () => {
    const bench = new Bench();
    bench.append(transfer(CASH, A, 100n), hold(A, 30n), hold(B, 7n), hold(A, 40n), hold(A, 1n));
    bench.append({
      ...acted,
      kind: RecordKind.HOLD_CAPTURED,
      account: A,
      hold: 2,
      credit: B,
      amount: 10n,
      held: 30n,
      captured: 10n,
      expiresMs: EXPIRES_MS,
    });
    expect(bench.balance(A, 6)).toEqual([90n, 61n]);
    bench.append(expired(2, 3, 4));
    expect(bench.balance(A, 7)).toEqual([90n, 1n]);
    expect(bench.balance(B, 7)).toEqual([10n, 0n]);
    expect(bench.balance(B, 6)).toEqual([10n, 7n]);
    const [capture] = bench.list({ upper: 7, filter: { kinds: [RecordKind.HOLD_CAPTURED] } }).entries;
    expect(capture).toMatchObject({ position: 6, reference: 2, debit: A, credit: B, amount: 10n });
  });

  it("shows no transaction for interest that rounds to zero", () => {
    const bench = new Bench();
    const nothing = { account: A, rate: 1, balance: 1n, paidFrom: undefined, amount: 0n };
    bench.append({ ...acted, kind: RecordKind.INTEREST_APPLIED, ...nothing });
    expect(bench.list({ upper: 1 })).toMatchObject({ entries: [], next: undefined });
    expect(bench.balance(A, 1)).toEqual([0n, 0n]);
  });

  it("knows a reversal only from its own position on", () => {
    const bench = new Bench();
    const reversal = { original: 1, debit: B, credit: A, amount: 5n };
    bench.append(transfer(A, B, 5n), transfer(A, B, 5n), { ...acted, kind: RecordKind.REVERSAL, ...reversal });
    const reversedBy = (upper: number) => bench.list({ upper }).entries.map((entry) => entry.reversedBy);
    expect(reversedBy(2)).toEqual([undefined, undefined]);
    expect(reversedBy(3)).toEqual([3, undefined, undefined]);
  });

  it("looks at so many entries a page and no more, and goes on behind them", () => {
    const bench = new Bench({ scanMax: 10 });
    for (let i = 0; i < 95; i++) bench.append(transfer(A, B, i === 90 ? 2n : 1n));
    for (const oldestFirst of [true, false]) {
      let cursor: number | undefined;
      const pages: number[][] = [];
      do {
        const page = bench.list({ upper: 95, oldestFirst, cursor, filter: { amountMin: 2n } });
        pages.push(page.entries.map(({ position }) => position));
        cursor = page.next;
      } while (cursor !== undefined);
      expect(pages).toHaveLength(10);
      expect(pages.flat()).toEqual([91]);
    }
  });

  it("ends with the page that holds the last transaction", () => {
    const bench = new Bench();
    for (let i = 0; i < 4; i++) bench.append(transfer(A, B, 1n));
    const first = bench.list({ upper: 4, pageSize: 2 });
    expect(first.next).toBe(2);
    expect(bench.list({ upper: 4, pageSize: 2, cursor: first.next }).next).toBeUndefined();
  });

  it("shows nothing behind the state that is asked for, whatever the cursor says", () => {
    const bench = new Bench();
    for (let i = 0; i < 4; i++) bench.append(transfer(A, B, 1n));
    for (const oldestFirst of [true, false]) {
      const { entries } = bench.list({ upper: 2, oldestFirst, cursor: oldestFirst ? 0 : 99 });
      expect(entries.map(({ position }) => position).sort()).toEqual([1, 2]);
    }
    expect(bench.projection.ask("transaction", { position: 3, upper: 2 })).toBeUndefined();
    expect(bench.projection.ask("transaction", { position: 3, upper: 3 })).toMatchObject({ position: 3 });
  });

  it("shares no money with itself", () => {
    const bench = new Bench();
    bench.append(transfer(A, B, 1n));
    expect(bench.list({ upper: 1, filter: { counterparty: A } })).toMatchObject({ entries: [], next: undefined });
  });

  it("refuses batches that do not follow its head, and stays as it was", () => {
    const bench = new Bench();
    const first = bench.append(transfer(A, B, 1n));
    const skipped = bench.journal.append(transfer(A, B, 2n));
    const next = bench.journal.append(transfer(A, B, 4n));
    const frames = (...batches: TestBatch[]) => ({
      frames: batches.map(({ frame }) => frame),
      chainHash: batches.at(-1)!.chainHash,
    });
    for (const wrong of [[first], [next], [skipped, skipped], [next, skipped]])
      expect(() => bench.projection.project(frames(...wrong))).toThrow("comes next");
    expect(bench.projection.head).toEqual({ position: 1, epochId: first.epochId, chainHash: first.chainHash });
    expect(bench.projection.project(frames(skipped, next)).position).toBe(3);
    expect(bench.balance(A, 3)).toEqual([-7n, 0n]);
  });

  it("takes a transaction whole or not at all", () => {
    const bench = new Bench();
    bench.append(transfer(A, B, 1n));
    const good = bench.journal.append(transfer(A, B, 2n));
    // No ledger writes such a record: the hold was never placed.
    const bad = bench.journal.append(expired(1));
    const frames = { frames: [good.frame, bad.frame], chainHash: bad.chainHash };
    expect(() => bench.projection.project(frames)).toThrow(DamagedHistoryError);
    expect(bench.projection.head?.position).toBe(1);
    expect(bench.projection.ask("transaction", { position: 1, upper: 3 })).toBeDefined();
    expect(bench.projection.ask("transaction", { position: 2, upper: 3 })).toBeUndefined();
  });

  it("notices that it differs from the ledger", () => {
    const bench = new Bench();
    bench.append(transfer(CASH, A, 5n), hold(A, 2n));
    const expected = { posted: 5n, held: 2n };
    expect(bench.list({ upper: 2, expected }).entries).toHaveLength(1);
    for (const wrong of [{ posted: 6n }, { held: 0n }])
      expect(() => bench.list({ upper: 2, expected: { ...expected, ...wrong } })).toThrow(DamagedHistoryError);
  });
});
