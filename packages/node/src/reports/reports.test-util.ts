import { setTimeout as delay } from "node:timers/promises";
import {
  type AccountIndex,
  AccountState,
  AccountType,
  BALANCE_MIN,
  BRANCH_STATE_WORDS,
  BranchState,
  formatRequestId,
  HoldState,
  type Ledger,
  RecordKind,
  type RequestId,
  remainingOf,
  toHex,
} from "@bank/core";
import type { PostgresPlace, Row } from "@bank/store/postgres";
import { RecordingLog } from "@bank/testkit";
import { expect } from "vitest";
import { sha256 } from "../platform.ts";
import { connectTo, inSchema } from "./place.ts";
import { plainText } from "./plain-text.ts";
import type { RandomBank } from "./random-bank.test-util.ts";
import type { ReportJournal } from "./report-journal.ts";
import { Reporter, type ReporterOptions } from "./reporter.ts";

const PATIENCE_MS = 25_000;

/** A reporter whose tries follow each other quickly. */
export function testReporter(
  journal: ReportJournal,
  into: PostgresPlace,
  options: Pick<ReporterOptions, "beatEveryMs"> = {},
): Reporter & { readonly log: RecordingLog } {
  const log = new RecordingLog();
  const platform = {
    log,
    sha256,
    delay: async (ms: number, signal: AbortSignal) => {
      await delay(Math.min(ms, 20), undefined, { signal });
    },
    monotonicMs: () => performance.now(),
    random: () => Math.random(),
  };
  return Object.assign(new Reporter({ ...options, journal, into, platform }), { log });
}

/** Follows until all of a position is written. */
export async function followTo(reporter: Reporter, position: number): Promise<void> {
  const stop = new AbortController();
  const following = reporter.follow(stop.signal);
  await Promise.race([following, reached(() => reporter.position >= position)]);
  stop.abort();
  await following;
}

/** Waits until something holds, looking again and again. */
export async function reached(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const untilMs = performance.now() + PATIENCE_MS; !(await condition()); await delay(5))
    if (performance.now() > untilMs) throw new Error(`waited in vain: ${condition}`);
}

/** Runs one statement on a connection of its own; `$.` stands for the schema. */
export async function query(place: PostgresPlace, text: string): Promise<readonly Row[]> {
  const connection = await connectTo(place, PATIENCE_MS);
  try {
    return await connection.query({ name: "", text: inSchema(place, text) });
  } finally {
    await connection.end();
  }
}

const TYPES = { [AccountType.SAVINGS]: "savings", [AccountType.CHECKING]: "checking" } as Record<number, string>;
Object.assign(TYPES, { [AccountType.CASH]: "cash", [AccountType.INTEREST]: "interest", [AccountType.FEES]: "fees" });
const STATES = { [AccountState.OPEN]: "open", [AccountState.FROZEN]: "frozen", [AccountState.CLOSED]: "closed" };
const HOLD_STATES = {
  [HoldState.OPEN]: "open",
  [HoldState.CAPTURED]: "captured",
  [HoldState.RELEASED]: "released",
  [HoldState.EXPIRED]: "expired",
};
const KINDS = new Map<RecordKind, string>([
  [RecordKind.DEPOSIT, "deposit"],
  [RecordKind.WITHDRAWAL, "withdrawal"],
  [RecordKind.TRANSFER, "transfer"],
  [RecordKind.REVERSAL, "reversal"],
  [RecordKind.INTEREST_APPLIED, "interest"],
  [RecordKind.HOLD_CAPTURED, "capture"],
]);
const MS = (column: string) => `(extract(epoch FROM ${column}) * 1000)::int8`;

/** Compares what tables say of accounts, holds, branches, currencies and epochs with a ledger at the same position. */
export async function expectSameAsLedger(place: PostgresPlace, ledger: Ledger): Promise<void> {
  const views = Array.from({ length: ledger.accounts.count }, (_, i) => ledger.viewAccount(i as AccountIndex));
  expect(await query(place, "SELECT position::text FROM $.progress")).toEqual([[String(ledger.position)]]);
  const accounts = await query(
    place,
    `SELECT a.account, kind, a.currency, state, owner, display_name, alias, home_branch, floor_minor, ceiling_minor, metadata,
      opened_position, ${MS("opened_at")}, posted_minor, held_minor, available_minor, version
      FROM $.accounts a JOIN $.balances b ON b.account_id = a.account_id AND b.currency = a.currency ORDER BY a.account_id`,
  );
  expect(accounts.map((row) => row.map((value, i) => (i === 10 ? JSON.parse(String(value)) : value)))).toEqual(
    views.map((view) => [
      view.reference,
      TYPES[view.type],
      view.currency,
      STATES[view.state],
      plainText(view.owner),
      plainText(view.displayName),
      view.alias === "" ? null : view.alias,
      String(view.homeBranch),
      view.floor === BALANCE_MIN ? null : String(view.floor),
      view.ceiling === undefined ? null : String(view.ceiling),
      Object.fromEntries(Object.entries(view.metadata).map(([name, text]) => [name, plainText(text)])),
      String(view.openedPosition),
      String(view.openedTimeMs),
      String(view.posted),
      String(view.held),
      String(view.posted - view.held),
      String(view.version),
    ]),
  );
  const holds = await query(
    place,
    `SELECT position, account_id, state, amount_minor, captured_minor, remaining_minor, ${MS("expires_at")} FROM $.holds ORDER BY 1`,
  );
  expect(holds).toEqual(
    Array.from({ length: ledger.holds.count }, (_, i) => ledger.holds.viewAt(i)).map((view) => [
      String(view.hold),
      String(view.account),
      HOLD_STATES[view.state],
      String(view.held),
      String(view.captured),
      String(remainingOf(view)),
      view.expiresMs === 0 ? null : String(view.expiresMs),
    ]),
  );
  expect(await query(place, "SELECT branch, name, address, state FROM $.branches ORDER BY 1")).toEqual(
    ledger.branchNumbers().map((number) => {
      const { name, address, state } = ledger.branches.get(number) ?? {
        name: "",
        address: "",
        state: BranchState.ACTIVE,
      };
      return [String(number), name, address, BRANCH_STATE_WORDS[state]];
    }),
  );
  expect(await query(place, "SELECT currency, decimals FROM $.currencies ORDER BY currency_id")).toEqual(
    ledger.currencies.map(({ code, decimals }) => [code, String(decimals)]),
  );
  expect(await query(place, "SELECT epoch, epoch_id, first_position, loss_accepted FROM $.epochs ORDER BY 3")).toEqual(
    ledger.epochs.map(({ number, id, firstPosition, lossAccepted }) => [
      String(number),
      toHex(id),
      String(firstPosition),
      lossAccepted ? "t" : "f",
    ]),
  );
}

/** Compares every transaction, posting and rejection with the naive history and the records of a bank. */
export async function expectSameAsHistory(
  place: PostgresPlace,
  { history, records, position: upper, ledger }: RandomBank,
) {
  const expected: unknown[] = [];
  const expectedPostings: unknown[] = [];
  const expectedRejections: unknown[] = [];
  for (const [position, { record, timeMs }] of records) {
    const { principal, branch, request } = record;
    if (record.kind === RecordKind.REJECTED) {
      const { reason, metadata, item } = record.rejection;
      const id = request === undefined ? null : formatRequestId(request.id);
      const group = item === undefined ? null : String(item);
      expectedRejections.push([
        String(position),
        reason,
        metadata,
        group,
        String(branch),
        principal,
        id,
        String(timeMs),
      ]);
    }
    const found = history.transaction(position, upper);
    if (found === undefined) continue;
    const { debit, credit, amount, requestId, reference, reversedBy, kind } = found;
    const { currency } = ledger.viewAccount(debit);
    const isReversal = kind === RecordKind.REVERSAL;
    const at = (p: number | undefined) => (p === undefined ? null : String(p));
    const interest = record.kind === RecordKind.INTEREST_APPLIED ? record : undefined;
    expected.push([
      String(position),
      KINDS.get(kind),
      String(found.timeMs),
      String(amount),
      currency,
      String(branch),
      principal,
      requestId === undefined ? null : formatRequestId(requestId as RequestId),
      isReversal ? at(reference) : null,
      at(reversedBy),
      isReversal ? null : at(reference),
      interest === undefined ? null : interest.rate / 1e6,
      interest === undefined ? null : String(interest.balance),
    ]);
    for (const [line, account, sign] of [
      [1, debit, -1n],
      [2, credit, 1n],
    ] as const) {
      const after = String(history.balance(account, position).posted);
      const direction = sign < 0n ? "debit" : "credit";
      expectedPostings.push([
        String(position),
        String(line),
        String(account),
        String(sign * amount),
        after,
        currency,
        direction,
      ]);
    }
  }
  const transactions = await query(
    place,
    `SELECT position, kind, ${MS("occurred_at")}, amount_minor, currency, branch, principal, request_id, reverses, reversed_by,
      hold, interest_rate, interest_on_minor FROM $.transactions ORDER BY position`,
  );
  expect(
    transactions.map((row) => row.map((value, i) => (i === 11 && value !== null ? Number(value) : value))),
  ).toEqual(expected);
  expect(
    await query(
      place,
      `SELECT position, line, account_id, amount_minor, balance_after_minor, currency, direction FROM $.postings
        ORDER BY position, line`,
    ),
  ).toEqual(expectedPostings);
  const rejections = await query(
    place,
    `SELECT position, reason, details, group_item, branch, principal, request_id, ${MS("occurred_at")} FROM $.rejections ORDER BY 1`,
  );
  expect(rejections.map((row) => row.map((value, i) => (i === 2 ? JSON.parse(String(value)) : value)))).toEqual(
    expectedRejections,
  );
}
