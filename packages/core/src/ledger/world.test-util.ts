import { vi } from "vitest";
import { AccountType } from "../account.ts";
import { checkCommand } from "../check-command.ts";
import type { Command } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import { ACCOUNTS_MAX, ALIASES_MAX, HOLDS_MAX, REVERSALS_MAX } from "../limits.ts";
import { RefusalError } from "../reasons.ts";
import type { LedgerRecord } from "../record.ts";
import { FORMAT_LEVEL_MAX, RecordKind, SYSTEM_PRINCIPAL } from "../record.ts";
import { apply, beginBatch } from "./apply.ts";
import { decide, dueHolds } from "./decide.ts";
import { newLedger, open, requestFor } from "./ledger.test-util.ts";
import type { Ledger } from "./ledger.ts";

/** A ledger at the newest level with everything that has happened to it, for tests that walk through tables. */
export class World {
  readonly ledger: Ledger = newLedger();
  readonly records: LedgerRecord[] = [];
  /** Where commands are booked. */
  branch = 0;

  constructor() {
    beginBatch(this.ledger, 1_000_000);
    const own = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined };
    this.apply({ ...own, kind: RecordKind.FORMAT_LEVEL_RAISED, level: FORMAT_LEVEL_MAX });
  }

  /** The reason of the answer to a command, without carrying it out; undefined for yes. */
  reasonFor(command: Command): string | undefined {
    const refusal = checkCommand(command);
    if (refusal !== undefined) return refusal.reason;
    try {
      const last = this.decide(command).at(-1);
      return last?.kind === RecordKind.REJECTED ? last.rejection.reason : undefined;
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      return error.refusal.reason;
    }
  }

  /** Carries a command out, which must work, and gives the position of the record that answers it. */
  must(command: Command, branch = 0): number {
    const at = this.branch;
    this.branch = branch;
    const records = this.decide(command);
    this.branch = at;
    const last = records.at(-1);
    if (last?.kind === RecordKind.REJECTED) throw new Error(`${command.kind}: ${JSON.stringify(last.rejection)}`);
    for (const record of records) this.apply(record);
    return this.ledger.position;
  }

  /** Lets time pass, and ends the holds whose time has come. */
  passTime(ms: number): void {
    beginBatch(this.ledger, this.ledger.timeMs + ms);
    for (let due = dueHolds(this.ledger); due !== undefined; due = dueHolds(this.ledger)) this.apply(due);
  }

  apply(record: LedgerRecord): void {
    apply(this.ledger, record);
    this.records.push(record);
  }

  decide(command: Command): LedgerRecord[] {
    const request = requestFor(command, { branch: this.branch });
    return decide(this.ledger, request, hashCommand(command), (position) => this.records[position - 1]);
  }

  /** Opens an account with what `open` gives changed, and gives its number. */
  account(currency: string, changes: Partial<Extract<Command, { kind: "openAccount" }>> = {}): string {
    this.must({ ...open(currency), type: AccountType.CHECKING, ...changes } as Command);
    return String(this.ledger.viewAccount((this.ledger.accounts.count - 1) as never).number);
  }

  /** Pretends that a table holds all that it can; gives what ends the pretence. */
  pretendFull(table: "accounts" | "aliases" | "holds" | "reversals"): () => void {
    const { accounts, holds, reversals } = this.ledger;
    if (table === "reversals") {
      Object.defineProperty(reversals, "size", { value: REVERSALS_MAX, configurable: true });
      return () => Reflect.deleteProperty(reversals, "size");
    }
    const spy =
      table === "accounts"
        ? vi.spyOn(accounts, "count", "get").mockReturnValue(ACCOUNTS_MAX)
        : table === "aliases"
          ? vi.spyOn(accounts, "aliasCount", "get").mockReturnValue(ALIASES_MAX)
          : vi.spyOn(holds, "count", "get").mockReturnValue(HOLDS_MAX);
    return () => spy.mockRestore();
  }
}
