import type { Command, GroupItem } from "@bank/core";
import { type BatchResult, BatchResultSchema, type CommandOutcome, CommandOutcomeSchema } from "@bank/proto";
import { deposit, openAccount, transfer, withdraw } from "@bank/testkit";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CHECKING, capture, hold, START_MS, twoAccounts } from "./codec-bank.test-util.ts";
import { outcomeFromRecord, resultFromRecord } from "./outcome-codec.ts";

/** One of each kind, on the ledger of `twoAccounts` with a hold at 100. */
function everyKind(held: number, moved: number): Command[] {
  return [
    CHECKING,
    { kind: "updateAccount", account: "1", displayName: "new", ceiling: 10_000_000n },
    deposit(1, 1_000),
    transfer(1, 2, 300),
    withdraw(2, 301),
    { kind: "reverse", transaction: moved },
    { kind: "applyInterest", account: "1", rate: 3_000_000 },
    hold("1", 70, START_MS + 500_000),
    { kind: "extendHold", hold: held, expiresMs: START_MS + 900_000 },
    capture(held, 10, "2"),
    { kind: "releaseHold", hold: held },
    { kind: "freezeAccount", account: "2" },
    { kind: "unfreezeAccount", account: "2" },
    { kind: "group", items: [deposit(2, 5, "USD") as GroupItem, hold("2", 3), openAccount() as GroupItem] },
    transfer(1, 1, 1),
    withdraw(9, 1),
    { kind: "group", items: [deposit(2, 5, "USD") as GroupItem, withdraw(9, 1) as GroupItem] },
  ];
}

it("a replay is the original reply byte for byte, whatever has happened since", () => {
  const bank = twoAccounts();
  const moved = bank.submit(transfer(1, 2, 17)).position;
  const held = bank.submit(hold("1", 100, START_MS + 800_000)).position;
  const originals = everyKind(held, moved).map((command) => {
    const answer = bank.submit(command);
    return { answer, bytes: bytesOf(outcomeFromRecord(bank.ledger, answer)) };
  });
  bank.submit({ kind: "registerBranch", branch: 5, name: "five", address: "" });
  for (let i = 0; i < 20; i++) {
    bank.submit(openAccount(`Eve ${i}`, i % 2 === 0 ? "JPY" : "EUR"), 5);
    bank.submit(deposit(1, 17), 5);
    bank.submit({ kind: "updateAccount", account: "1", displayName: `n${i}`, floor: BigInt(i) });
  }
  for (const { answer, bytes } of originals) {
    const replay = outcomeFromRecord(bank.ledger, { ...answer, replayed: true });
    expect(replay.result?.replayed).toBe(true);
    const { result } = replay;
    if (result === undefined) throw new Error("an outcome has a result");
    expect(bytesOf({ ...replay, result: { ...result, replayed: false } })).toEqual(bytes);
  }
});

describe("a preview", () => {
  it("is the result that there would be, but for the places in a journal that it never gets", () => {
    const bank = twoAccounts();
    const moved = bank.submit(transfer(1, 2, 17)).position;
    const held = bank.submit(hold("1", 100, START_MS + 800_000)).position;
    for (const command of everyKind(held, moved)) {
      const digest = bank.ledger.digestBytes();
      const told = bank.preview(command, 3);
      expect(bank.ledger.digestBytes(), "nothing changes").toEqual(digest);
      expect(told.replayed).toBe(false);
      const { position, ...answer } = bank.submit(command, 3);
      const done = resultFromRecord(bank.ledger, { ...answer, position });
      const first = position - (answer.groupRecords?.length ?? 0);
      expect(told).toEqual(withoutPlaces(done, first));
    }
  });

  it("of a rejection rejects nothing for ever", () => {
    const { result } = twoAccounts().preview(withdraw(1, 100_001));
    expect(result).toMatchObject({
      case: "failure",
      value: { reason: "INSUFFICIENT_FUNDS", position: 0n, metadata: { outcome: "NOT_APPLIED" } },
    });
  });
});

/** A result with 0 for every position from `first` on, and as a rejection that is not remembered. */
function withoutPlaces(told: BatchResult, first: number): BatchResult {
  const text = JSON.stringify(told, (_, value: unknown) => {
    if (typeof value === "bigint") return { bigint: String(value) };
    return value === "REJECTED" ? "NOT_APPLIED" : value;
  });
  const at = (key: string) => new RegExp(`"${key}":\\{"bigint":"([0-9]+)"\\}`, "g");
  let changed = text;
  for (const key of ["position", "hold", "openedPosition"])
    changed = changed.replace(at(key), (whole, number: string) =>
      Number(number) >= first ? `"${key}":{"bigint":"0"}` : whole,
    );
  const parsed = JSON.parse(changed, (_, value: { bigint?: string } | null) =>
    typeof value?.bigint === "string" ? BigInt(value.bigint) : value,
  ) as BatchResult;
  return create(BatchResultSchema, parsed);
}

function bytesOf(outcome: CommandOutcome): Uint8Array {
  return toBinary(CommandOutcomeSchema, outcome);
}
