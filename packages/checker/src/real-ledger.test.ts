import { type Command, type Position, REJECTIONS } from "@bank/core";
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
        if (n % 20 === 0) operations.push(readEverything(ledger, nowMs++, nowMs++));
      }
      const report = checkHistory({ about: aboutHistory(), accounts: [], records, operations }, { blackBox: false });
      const text = renderReport(report).join("\n");
      expect(report.violations, text).toEqual([]);
      const held = heldIn(records);
      for (let index = 0; index < ledger.accounts.count; index++) {
        const view = ledger.viewAccount(index as never);
        expect(held.get(view.reference) ?? 0n, `account ${view.reference}`).toBe(view.held);
      }
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

/** What the records say that holds keep back, by account. */
function heldIn(records: readonly WitnessRecord[]): ReadonlyMap<string, bigint> {
  const holds = new Map<number, { readonly account: string; readonly held: bigint }>();
  for (const { account, debit, held, hold, holds: expired, kind } of records) {
    if (kind === "hold" || kind === "capture") holds.set(hold!, { account: account ?? debit!, held: held! });
    for (const ended of expired ?? []) holds.delete(ended);
  }
  const sums = new Map<string, bigint>();
  for (const { account, held } of holds.values()) sums.set(account, (sums.get(account) ?? 0n) + held);
  return sums;
}
