import { describe, expect, it } from "vitest";
import { checkCommand } from "../check-command.ts";
import type { Request } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import type { AccountIndex } from "../identifiers.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import type { LedgerRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { apply, beginBatch, mark, rollback, totals } from "./apply.ts";
import { decide } from "./decide.ts";
import { Ledger } from "./ledger.ts";
import { NaiveBank } from "./naive-bank.test-util.ts";
import { checkSums, observe } from "./observe.test-util.ts";
import { RandomRequests } from "./random-requests.test-util.ts";

const COMMANDS = 60_000;

/** The ledger in the hands of a sequencer, reduced to what one is: ids first, then decide, then apply. */
class Sequencer {
  readonly ledger: Ledger;
  readonly journal: LedgerRecord[] = [];

  constructor(hashSeed: number) {
    this.ledger = new Ledger({ hashSeed });
  }

  /** What the caller is told, in the same line as the twin says it. */
  submit(request: Request): string {
    const { ledger, journal } = this;
    const refusal = checkCommand(request.command);
    if (refusal !== undefined) return `refused ${refusal.reason}`;
    const hash = hashCommand(request.command);
    const entry = ledger.findRequest(request.principal, request.id);
    if (entry !== -1) {
      if (!ledger.requests.hasHash(entry, hash.low, hash.high)) return "refused REQUEST_ID_REUSED";
      return `again: ${describeAnswer(ledger, journal[ledger.requests.positionOf(entry) - 1])}`;
    }
    const records = decide(ledger, request, hash);
    for (const record of records) {
      apply(ledger, record);
      journal.push(record);
    }
    return describeAnswer(ledger, records.at(-1));
  }
}

function describeAnswer(ledger: Ledger, record: LedgerRecord | undefined): string {
  switch (record?.kind) {
    case RecordKind.ACCOUNT_OPENED:
      return `account ${record.number}`;
    case RecordKind.BRANCH_REGISTERED:
      return `branch ${record.number}`;
    case RecordKind.REJECTED: {
      const { reason, metadata } = record.rejection;
      if (reason === "INSUFFICIENT_FUNDS") return `rejected ${reason} ${metadata["available"]}`;
      if (reason === "ACCOUNT_NOT_FOUND" || reason === "CURRENCY_MISMATCH")
        return `rejected ${reason} ${metadata["account"]}`;
      return `rejected ${reason}`;
    }
    case RecordKind.DEPOSIT:
    case RecordKind.WITHDRAWAL:
    case RecordKind.TRANSFER: {
      const { currency } = ledger.viewAccount(record.debit);
      if (currency !== ledger.viewAccount(record.credit).currency) throw new Error("a movement of two currencies");
      return `moved ${record.amount}`;
    }
    default:
      throw new Error(`no answer: ${record?.kind}`);
  }
}

/** Throws unless every account is in both, with the same balance and version. */
function compareAccounts(ledger: Ledger, twin: NaiveBank): void {
  const count = twin.customers.size + twin.cash.size;
  if (ledger.accounts.count !== count) throw new Error(`${ledger.accounts.count} accounts, the twin has ${count}`);
  if (ledger.nextAccountNumber !== twin.customers.size + 1) throw new Error(`next is ${ledger.nextAccountNumber}`);
  for (let index = 0; index < count; index++) {
    const account = index as AccountIndex;
    const reference = ledger.referenceOf(account);
    const expected = twin.customers.get(reference) ?? twin.cash.get(reference.replace(/^cash\//, ""));
    const posted = ledger.accounts.posted[index];
    const version = ledger.accounts.versions[index];
    if (expected === undefined) throw new Error(`the twin has no account ${reference}`);
    const { balance, changes, currency } = expected;
    if (balance !== posted || changes !== version)
      throw new Error(`account ${reference} has ${posted} at version ${version}, the twin ${balance} at ${changes}`);
    const code = ledger.currencies[ledger.accounts.currencies[index] as number]?.code;
    if (code !== currency) throw new Error(`account ${reference} is in ${code}, the twin's in ${currency}`);
  }
}

function checkTotals(ledger: Ledger): void {
  for (const [code, total] of totals(ledger)) if (total !== 0n) throw new Error(`${code} adds up to ${total}`);
}

describe("the ledger", () => {
  it(`does as its naive twin does, batch by batch, some of them taken back ${seeded("ledger/ledger.prop.test.ts")}`, () => {
    const random = new Random(SEED);
    const bank = new Sequencer(random.word());
    const { ledger } = bank;
    const requests = new RandomRequests(random, { accountsMax: 60 });
    const answers = new Map<string, number>();
    let twin = new NaiveBank();
    const batches: { readonly at: number; readonly end: number }[] = [];
    let done = 0;
    while (done < COMMANDS) {
      const refused = random.chance(2);
      const twinBefore = refused ? twin.copy() : twin;
      const start = mark(ledger);
      const at = ledger.timeMs + random.below(3);
      beginBatch(ledger, at);
      for (let left = 1 + random.below(60); left > 0; left--, done++) {
        const request = requests.next();
        try {
          const expected = twin.submit(request);
          const answer = bank.submit(request);
          if (answer !== expected) throw new Error(`the answer is "${answer}", the twin says "${expected}"`);
          compareAccounts(ledger, twin);
          checkTotals(ledger);
          const kind = /^(again: )?[a-z]+( [A-Z_]{4,})?/.exec(answer)?.[0] as string;
          answers.set(kind, (answers.get(kind) ?? 0) + 1);
        } catch (cause) {
          const text = JSON.stringify(request, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
          throw new Error(`command ${done} of seed ${SEED}: ${String(cause)}\n${text}`, { cause });
        }
      }
      if (refused) {
        rollback(ledger, start, bank.journal.splice(start.position));
        twin = twinBefore;
        compareAccounts(ledger, twin);
      } else {
        batches.push({ at, end: ledger.position });
        if (random.chance(50)) ledger.forgetUndo(ledger.position);
      }
      if (ledger.position !== bank.journal.length) throw new Error("positions have a gap");
    }
    checkSums(ledger);
    // A run that never met one of these would prove less than it says.
    for (const kind of [
      "account",
      "moved",
      "branch",
      "again: moved",
      "again: rejected INSUFFICIENT_FUNDS",
      "refused REQUEST_ID_REUSED",
      "refused INVALID_AMOUNT",
      "refused UNKNOWN_CURRENCY",
      "rejected BRANCH_NOT_FOUND",
      "rejected ACCOUNT_NOT_FOUND",
      "rejected SAME_ACCOUNT",
      "rejected CURRENCY_MISMATCH",
      "rejected INSUFFICIENT_FUNDS",
      "rejected BALANCE_LIMIT_EXCEEDED",
    ])
      expect(answers.get(kind) ?? 0, `how often: ${kind}`).toBeGreaterThan(0);

    // Whoever applies the journal, on another machine, comes to the same state.
    const replica = new Ledger({ hashSeed: random.word() });
    for (const { at, end } of batches) {
      beginBatch(replica, at);
      for (const record of bank.journal.slice(replica.position, end)) apply(replica, record);
    }
    expect(observe(replica)).toEqual(observe(ledger));
  }, 120_000);
});
