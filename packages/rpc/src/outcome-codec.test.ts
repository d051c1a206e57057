import {
  apply,
  beginBatch,
  type Command,
  decide,
  formatRequestId,
  hashCommand,
  Ledger,
  type LedgerRecord,
  RecordKind,
  RefusalError,
  type Request,
} from "@bank/core";
import { AccountType, type CommandOutcome, CommandOutcomeSchema, TransactionKind } from "@bank/proto";
import { deposit, numberedId, openAccount, request, transfer, withdraw } from "@bank/testkit";
import { toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { failureFromRefusal } from "./failure.ts";
import { type AnsweringRecord, accountMessage, outcomeFromFailure, outcomeFromRecord } from "./outcome-codec.ts";

/** A ledger that decides and applies, one batch for each request. */
class Bank {
  readonly ledger = new Ledger({ hashSeed: 1 });
  private requests = 0;

  /** The record that answers. */
  submit(command: Command, branch = 0): AnsweringRecord & { readonly request: Request } {
    const made = request(++this.requests, command, branch);
    const timeMs = 1_800_000_000_000 + 7 * this.requests;
    beginBatch(this.ledger, timeMs);
    let last: LedgerRecord | undefined;
    for (const record of decide(this.ledger, made, hashCommand(command))) {
      apply(this.ledger, record);
      last = record;
    }
    if (last === undefined) throw new Error("a decision has records");
    return { record: last, position: this.ledger.position, timeMs, replayed: false, request: made };
  }
}

function bytesOf(outcome: CommandOutcome): Uint8Array {
  return toBinary(CommandOutcomeSchema, outcome);
}

describe("an outcome", () => {
  it("of an opened account shows the account as it was opened", () => {
    const bank = new Bank();
    const answer = bank.submit({ ...openAccount("Ada Łovelace", "KWD"), displayName: "shoes" } as Command);
    const outcome = outcomeFromRecord(bank.ledger, answer);
    expect(outcome).toMatchObject({ position: BigInt(answer.position), replayed: false });
    expect(outcome.result).toMatchObject({
      case: "account",
      value: {
        number: "1",
        type: AccountType.CHECKING,
        owner: "Ada Łovelace",
        displayName: "shoes",
        currencyCode: "KWD",
        homeBranch: 0,
        posted: { currencyCode: "KWD", amountMinor: 0n },
        version: 1n,
        openedPosition: BigInt(answer.position),
      },
    });
    // The same as a reader sees it, as long as nothing has happened to it.
    const account = bank.ledger.findCustomerAccount("1");
    if (account === undefined) throw new Error("account 1 exists");
    expect(outcome.result.value).toEqual(accountMessage(bank.ledger.viewAccount(account)));
  });

  it("of a movement shows who paid whom, where and when, and by which request", () => {
    const bank = new Bank();
    bank.submit({ kind: "registerBranch", branch: 3, name: "three", address: "" });
    bank.submit(openAccount());
    bank.submit(openAccount());
    const max = 2n ** 63n - 1n;
    const moves = [
      { command: deposit(1, max), kind: TransactionKind.DEPOSIT, debit: "cash/3/USD", credit: "1", amount: max },
      { command: transfer(1, 2, 5), kind: TransactionKind.TRANSFER, debit: "1", credit: "2", amount: 5n },
      { command: withdraw(2, 1), kind: TransactionKind.WITHDRAWAL, debit: "2", credit: "cash/3/USD", amount: 1n },
    ];
    for (const { command, kind, debit, credit, amount } of moves) {
      const answer = bank.submit(command, 3);
      const { result } = outcomeFromRecord(bank.ledger, answer);
      expect(result).toMatchObject({
        case: "transaction",
        value: {
          position: BigInt(answer.position),
          kind,
          debitAccount: debit,
          creditAccount: credit,
          amount: { currencyCode: "USD", amountMinor: amount },
          branch: 3,
          requestId: formatRequestId(answer.request.id),
        },
      });
      if (result.case !== "transaction" || result.value.time === undefined) throw new Error("a movement has its time");
      expect(timestampMs(result.value.time)).toBe(answer.timeMs);
    }
  });

  it("of a rejection shows the reason, and where it is remembered", () => {
    const bank = new Bank();
    const answer = bank.submit(deposit(9, 1));
    expect(outcomeFromRecord(bank.ledger, answer)).toMatchObject({
      position: BigInt(answer.position),
      result: {
        case: "failure",
        value: {
          code: 5,
          reason: "ACCOUNT_NOT_FOUND",
          metadata: { account: "9", outcome: "REJECTED" },
          position: BigInt(answer.position),
        },
      },
    });
  });

  it("of a refusal names no position", () => {
    const refusal = new RefusalError("OVERLOADED", { waiting: "9" });
    expect(outcomeFromFailure(failureFromRefusal(refusal))).toMatchObject({
      position: 0n,
      replayed: false,
      result: { case: "failure", value: { reason: "OVERLOADED", position: 0n } },
    });
  });

  it("of a replay is the original reply byte for byte, whatever has happened since", () => {
    const bank = new Bank();
    const commands: Command[] = [
      openAccount("Ada"),
      deposit(1, 1_000),
      openAccount("Bob", "USD"),
      transfer(1, 2, 300),
      withdraw(2, 301),
      withdraw(2, 300),
      transfer(1, 1, 1),
    ];
    const originals = commands.map((command) => {
      const answer = bank.submit(command);
      return { answer, bytes: bytesOf(outcomeFromRecord(bank.ledger, answer)) };
    });
    bank.submit({ kind: "registerBranch", branch: 5, name: "five", address: "" });
    for (let i = 0; i < 20; i++) {
      bank.submit(openAccount(`Eve ${i}`, i % 2 === 0 ? "JPY" : "EUR"), 5);
      bank.submit(deposit(1, 17), 5);
      bank.submit(withdraw(1, 3));
    }
    for (const { answer, bytes } of originals) {
      const replay = outcomeFromRecord(bank.ledger, { ...answer, replayed: true });
      expect(replay.replayed).toBe(true);
      expect(bytesOf({ ...replay, replayed: false })).toEqual(bytes);
    }
  });

  it("is none where a record answers no customer", () => {
    const ledger = new Ledger({ hashSeed: 1 });
    const record: LedgerRecord = {
      kind: RecordKind.STATE_ROOT,
      principal: "bank",
      branch: 0,
      request: { id: numberedId(1), hashLow: 0, hashHigh: 0 },
      position: 1,
      root: new Uint8Array(32),
    };
    expect(() => outcomeFromRecord(ledger, { record, position: 2, timeMs: 0, replayed: false })).toThrow(
      "answers no customer",
    );
  });
});
