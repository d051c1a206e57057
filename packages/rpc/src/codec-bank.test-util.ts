import {
  AccountType,
  apply,
  beginBatch,
  type Command,
  decide,
  FORMAT_LEVEL_MAX,
  type GroupItem,
  hashCommand,
  Ledger,
  type LedgerRecord,
  preview,
  RecordKind,
  type Request,
} from "@bank/core";
import type { BatchResult } from "@bank/proto";
import { deposit, openAccount, request } from "@bank/testkit";
import { type AnsweringRecord, resultFromPreview, resultFromRecord } from "./outcome-codec.ts";

export const START_MS = 1_800_000_000_000;
/** Between two requests. */
const STEP_MS = 7;
const system = { principal: "bank", branch: 0, request: undefined } as const;

/** A ledger that decides and applies, one batch for each request. */
export class Bank {
  readonly ledger = new Ledger({ hashSeed: 1 });
  private readonly records: LedgerRecord[] = [];
  private requests = 0;

  constructor() {
    beginBatch(this.ledger, START_MS);
    this.apply({ ...system, kind: RecordKind.FORMAT_LEVEL_RAISED, level: FORMAT_LEVEL_MAX });
  }

  /** The record that answers. */
  submit(command: Command, branch = 0): AnsweringRecord & { readonly request: Request } {
    const made = request(++this.requests, command, branch);
    const timeMs = this.nextMs();
    beginBatch(this.ledger, timeMs);
    const records = decide(this.ledger, made, hashCommand(command), this.lookup);
    for (const record of records) this.apply(record);
    const record = records.at(-1);
    if (record === undefined) throw new Error("a decision has records");
    const groupRecords = record.kind === RecordKind.GROUP_COMMITTED ? records.slice(0, -1) : undefined;
    return { record, position: this.ledger.position, timeMs, replayed: false, request: made, groupRecords };
  }

  /** The result of a command that is carried out. */
  result(command: Command, branch = 0): BatchResult["result"] {
    return resultFromRecord(this.ledger, this.submit(command, branch)).result;
  }

  /** What it would be if it were the next. */
  preview(command: Command, branch = 0): BatchResult {
    const made = request(this.requests + 1, command, branch);
    const timeMs = this.nextMs() + STEP_MS;
    return preview(this.ledger, timeMs, made, this.lookup, (records) =>
      resultFromPreview(this.ledger, records, timeMs),
    );
  }

  private readonly lookup = (position: number) => this.records[position - 1];

  private nextMs(): number {
    return START_MS + STEP_MS * this.requests;
  }

  private apply(record: LedgerRecord): void {
    apply(this.ledger, record);
    this.records.push(record);
  }
}

export function usd(minor: bigint | number) {
  return { currency: "USD", minor: BigInt(minor) };
}

export function money(minor: bigint | number, currencyCode = "USD") {
  return { currencyCode, amountMinor: BigInt(minor) };
}

export function hold(account: string, minor: number, expiresMs = 0): GroupItem {
  return { kind: "placeHold", account, amount: usd(minor), expiresMs };
}

export function capture(held: number, minor: number | undefined, to = ""): GroupItem {
  return { kind: "captureHold", hold: held, to, amount: minor === undefined ? undefined : usd(minor) };
}

export const CHECKING: GroupItem = {
  kind: "openAccount",
  type: AccountType.CHECKING,
  owner: "Ada Łovelace",
  displayName: "shoes",
  currency: "KWD",
  alias: "ada",
  metadata: { z: "last", a: "first" },
  floor: -500n,
  ceiling: 10_000n,
};

/** Accounts 1 and 2 with 1,000.00 dollars each, and branch 3. */
export function twoAccounts(): Bank {
  const bank = new Bank();
  bank.submit({ kind: "registerBranch", branch: 3, name: "three", address: "" });
  for (const account of [1, 2]) {
    bank.submit(openAccount());
    bank.submit(deposit(account, 100_000));
  }
  return bank;
}
