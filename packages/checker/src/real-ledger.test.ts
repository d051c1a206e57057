import {
  type AccountIndex,
  AccountType,
  type Command,
  type CurrencyIndex,
  type Position,
  REJECTIONS,
  RecordKind,
  remainingOf,
} from "@bank/core";
import { Random as CoreRandom, CURRENCIES, RandomRequests, Twins } from "@bank/core/testing";
import { seeds, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { checkHistory } from "./check-history.ts";
import { aboutHistory } from "./format/history-writer.ts";
import type { Operation, WitnessRecord, WriteAction, WriteOutcome } from "./history.ts";
import { renderReport } from "./render-report.ts";
import { RecordTranslator, requestName } from "./translate-records.ts";

const FILE = "packages/checker/src/real-ledger.test.ts";

/** What the checkers know of a command whose accounts are named by their numbers. */
function actionOf(command: Command): WriteAction {
  const other = { kind: "other", name: command.kind, accounts: [] } as const;
  const isNumber = (text: string) => /^[1-9][0-9]{0,14}$/.test(text);
  switch (command.kind) {
    case "deposit":
    case "withdraw":
      if (!isNumber(command.account)) return other;
      return { kind: command.kind, account: command.account, amount: command.amount.minor };
    case "transfer":
      if (!isNumber(command.from) || !isNumber(command.to)) return other;
      return { kind: "transfer", from: command.from, to: command.to, amount: command.amount.minor };
    default:
      return other;
  }
}

function answerOf(record: WitnessRecord): WriteOutcome {
  const { position, reason } = record;
  return reason === undefined ? { status: "ok", position } : { status: "rejected", reason, position };
}

describe("the journal of the real ledger", () => {
  it.each(seeds(2))("is what the checkers know as right, with every kind of record, seed %i", (seed) =>
    withSeed(seed, FILE, async () => {
      const random = new CoreRandom(seed);
      const twins = new Twins(random.word());
      const { bank, ledger, twin } = twins;
      const requests = new RandomRequests(random, twin.books, { accountsMax: 60, currencies: CURRENCIES });
      const operations: Operation[] = [];
      const translator = new RecordTranslator();
      const records: WitnessRecord[] = [];
      let nowMs = 0;
      const translate = () => {
        for (let position: Position = records.length + 1; position <= bank.journal.length; position++)
          records.push(translator.translate(position, ledger.timeMs, bank.journal[position - 1]!));
      };
      translate();
      for (let n = 0; n < 4000; n++) {
        twins.passTime(ledger.timeMs + random.below(3000));
        const asked = requests.next();
        const isNew = twins.isNew(asked);
        const request = requestName(asked.principal, asked.id);
        const invokeMs = nowMs++;
        const before = records.length;
        twins.submit(asked);
        twins.commit();
        ledger.forgetUndo(ledger.position);
        translate();
        const record = records.findLast((each) => each.request === request);
        if (isNew && record !== undefined) {
          const returnMs = nowMs++;
          operations.push({
            client: "c",
            ...actionOf(asked.command),
            request,
            invokeMs,
            returnMs,
            outcome: answerOf(record),
          });
        }
        for (const record of records.slice(before)) compareHeld(ledger, record);
        if (n % 20 === 0) operations.push(readEverything(ledger, nowMs++, nowMs++));
      }
      const report = checkHistory({ about: aboutHistory(), accounts: [], records, operations }, { blackBox: false });
      const text = renderReport(report).join("\n");
      expect(report.violations, text).toEqual([]);
      const kinds = new Set(records.map(({ kind }) => kind));
      expect([...kinds].sort()).toEqual(
        [
          "accountOpened",
          "accountState",
          "accountUpdated",
          "capture",
          "deposit",
          "group",
          "hold",
          "holdsExpired",
        ].concat(["interest", "other", "rejected", "reversal", "transfer", "withdrawal"]),
      );
      for (const { reason } of records) if (reason !== undefined) expect(REJECTIONS).toHaveProperty(reason);
      // Some of the rejections were judged.
      expect(report.statistics.unjudgedRejections).toBeLessThan(report.statistics.rejections);
    }),
  );
});

function readEverything(ledger: Twins["ledger"], invokeMs: number, returnMs: number): Operation {
  const views = Array.from({ length: ledger.accounts.count }, (_, index) => ledger.viewAccount(index as never));
  return {
    client: "c",
    kind: "total",
    accounts: views.map(({ reference }) => reference),
    consistency: { mode: "linearizable" },
    invokeMs,
    returnMs,
    outcome: { status: "ok", position: ledger.position, balances: views.map(({ posted }) => posted) },
  };
}

/** What a hold keeps back behind its record is what the ledger says, unless a later record of the group changed it. */
function compareHeld(ledger: Twins["ledger"], { held, hold, position, request }: WitnessRecord): void {
  if (hold === undefined || request === undefined) return;
  const view = ledger.viewHold(hold);
  expect(held, `hold ${hold} at position ${position}`).toBe(view && remainingOf(view));
}

describe("a translated hold", () => {
  it("keeps back what is not captured yet", () => {
    const translator = new RecordTranslator();
    const acted = { principal: "dev", branch: 0, request: undefined };
    const opened = {
      ...acted,
      kind: RecordKind.ACCOUNT_OPENED,
      account: 0 as AccountIndex,
      number: 1,
      name: "",
    } as const;
    const terms = {
      type: AccountType.CHECKING,
      currency: 0 as CurrencyIndex,
      homeBranch: 0,
      owner: "",
      displayName: "",
    };
    const defined = {
      ...acted,
      kind: RecordKind.CURRENCY_DEFINED,
      currency: 0 as CurrencyIndex,
      code: "USD",
      decimals: 2,
    };
    translator.translate(1, 5, defined);
    translator.translate(2, 5, { ...opened, ...terms, floor: -5n });
    const hold = { ...acted, account: 0 as AccountIndex, held: 10n, captured: 4n, expiresMs: 9 };
    expect(translator.translate(7, 6, { ...hold, kind: RecordKind.HOLD_EXTENDED, hold: 3 })).toEqual({
      position: 7,
      timeMs: 6,
      kind: "hold",
      account: "1",
      hold: 3,
      held: 6n,
    });
  });
});
