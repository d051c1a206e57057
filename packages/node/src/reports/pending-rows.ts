import { type AccountIndex, RecordKind } from "@bank/core";
import type { Parameter } from "@bank/store/postgres";
import { ArrayColumn } from "./array-column.ts";
import { RowSet } from "./row-set.ts";

/** How each kind of record that moves money is called, as in the API. */
const TRANSACTION_KINDS: Readonly<Partial<Record<RecordKind, string>>> = {
  [RecordKind.DEPOSIT]: "deposit",
  [RecordKind.WITHDRAWAL]: "withdrawal",
  [RecordKind.TRANSFER]: "transfer",
  [RecordKind.REVERSAL]: "reversal",
  [RecordKind.INTEREST_APPLIED]: "interest",
  [RecordKind.HOLD_CAPTURED]: "capture",
};
/** The same by number: kinds are sent as that, and named by the server. */
const KIND_NAMES = Array.from(
  { length: RecordKind.HOLD_CAPTURED },
  (_, i) => TRANSACTION_KINDS[(i + 1) as RecordKind] ?? "",
);

/** Texts that many rows have, each sent once. Indices begin with 1, as PostgreSQL's arrays do. */
class Dictionary {
  private readonly indexes = new Map<string, number>();
  private readonly texts = new ArrayColumn("text");

  indexOf(text: string): number {
    const known = this.indexes.get(text);
    if (known !== undefined) return known;
    this.texts.text(text);
    this.indexes.set(text, this.texts.length);
    return this.texts.length;
  }

  parameter(): Buffer {
    return this.texts.parameter();
  }
}

/** Transactions with both postings of each, in columns: nearly all that there is to write. */
export class PendingTransactions {
  readonly positions = new ArrayColumn("int8");
  readonly kinds = new ArrayColumn("int2");
  readonly times = new ArrayColumn("timestamptz");
  readonly amounts = new ArrayColumn("int8");
  readonly currencies = new ArrayColumn("int4");
  readonly branches = new ArrayColumn("int4");
  readonly principals = new ArrayColumn("int4");
  readonly requestIds = new ArrayColumn("uuid");
  readonly groups = new ArrayColumn("int8");
  readonly debits = new ArrayColumn("int4");
  readonly credits = new ArrayColumn("int4");
  readonly debitsAfter = new ArrayColumn("int8");
  readonly creditsAfter = new ArrayColumn("int8");
  readonly currencyCodes = new Dictionary();
  readonly principalNames = new Dictionary();

  get length(): number {
    return this.positions.length;
  }

  parameters(): Parameter[] {
    const kinds = new Dictionary();
    for (const [i, name] of KIND_NAMES.entries()) kinds.indexOf(name === "" ? `unknown ${i + 1}` : name);
    const columns = [this.positions, this.kinds, this.times, this.amounts, this.currencies, this.branches];
    const more = [this.principals, this.requestIds, this.groups, this.debits, this.credits];
    const after = [this.debitsAfter, this.creditsAfter];
    return [...columns, ...more, ...after, this.currencyCodes, this.principalNames, kinds].map((column) =>
      column.parameter(),
    );
  }
}

/** Everything that one database transaction writes, besides the progress. */
export class PendingRows {
  readonly transactions = new PendingTransactions();
  /** What only some transactions have. */
  readonly transactionDetails = new RowSet({
    position: "int8",
    reverses: "int8",
    hold: "int8",
    interest_rate_millionths: "int4",
    interest_on_minor: "int8",
  });
  readonly reversed = new RowSet({ position: "int8", reversed_by: "int8" });
  readonly currencies = new RowSet({
    currency: "text",
    currency_id: "int2",
    decimals: "int2",
    defined_position: "int8",
  });
  readonly accountsOpened = new RowSet({
    account_id: "int4",
    account: "text",
    kind: "text",
    currency: "text",
    state: "text",
    owner: "text",
    display_name: "text",
    alias: "text",
    home_branch: "int4",
    floor_minor: "int8",
    ceiling_minor: "int8",
    metadata: "text",
    opened_position: "int8",
    opened_at: "timestamptz",
  });
  readonly rejections = new RowSet({
    position: "int8",
    occurred_at: "timestamptz",
    reason: "text",
    details: "text",
    group_item: "int4",
    branch: "int4",
    principal: "text",
    request_id: "uuid",
  });
  readonly epochs = new RowSet({
    first_position: "int8",
    epoch: "int8",
    epoch_id: "text",
    began_at: "timestamptz",
    loss_accepted: "bool",
  });
  /** The last of each: what comes between is nobody's to see. */
  readonly accountsUpdated = new Map<AccountIndex, AccountUpdate>();
  readonly statesChanged = new Map<AccountIndex, StateChange>();
  readonly holds = new Map<number, HoldRow>();
  readonly branches = new Map<number, BranchRow>();
  /** Accounts whose balance, held money or version changed, and where that was last so. */
  readonly touched = new Map<AccountIndex, number>();
  /** Records that are in it, of every kind. */
  records = 0;
}

export interface AccountUpdate {
  readonly displayName: string;
  readonly floor: bigint | undefined;
  readonly ceiling: bigint | undefined;
  readonly metadata: string;
  readonly position: number;
}

export interface StateChange {
  readonly state: string;
  readonly position: number;
}

export interface HoldRow {
  readonly account: AccountIndex;
  readonly currency: string;
  readonly state: "open" | "captured" | "released" | "expired";
  readonly held: bigint;
  readonly captured: bigint;
  /** Unix milliseconds. */
  readonly placedMs: number;
  /** 0 for never. */
  readonly expiresMs: number;
  readonly position: number;
}

/** A branch that was registered, or only changed its state: then it keeps its name and address. */
export interface BranchRow {
  readonly name: string | undefined;
  readonly address: string | undefined;
  readonly state: string | undefined;
  readonly position: number;
}
