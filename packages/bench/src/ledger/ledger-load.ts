import {
  AccountType,
  ANONYMOUS_PRINCIPAL,
  apply,
  assert,
  beginBatch,
  type Command,
  decide,
  hashCommand,
  Ledger,
  type LedgerRecord,
  type Position,
  RecordKind,
  type Request,
  type RequestId,
  requestIdFromBytes,
} from "@bank/core";
import { IdSource } from "./id-source.ts";

const ACCOUNTS = 1_000;
const OPENING_MINOR = 1_000_000_000_000n;
/** Requests that are decided between two clock readings. */
const BLOCK_REQUESTS = 1_000;
const GROUP_ITEMS = 10;
const TIME_MS = 1_700_000_000_000;
const ONE_CENT = { currency: "USD", minor: 1n };

/** What a ledger is asked for, again and again. */
export interface Workload {
  readonly name: string;
  /** What is counted. */
  readonly unit: string;
  /** Operations of one block. */
  readonly operations: number;
  /** The requests of the next block; not measured. */
  readonly prepare: (load: LedgerLoad) => readonly Request[];
}

/** A ledger in memory, with nothing around it: what the bank's one thread does for each request besides encoding. */
export class LedgerLoad {
  readonly ledger = new Ledger({ hashSeed: 0x5eed });
  private readonly ids = new IdSource("random", 1);
  private requests = 0;
  private account = 0;
  /** Records of the last block, and the position before the first of them. */
  private records: LedgerRecord[] = [];
  private before: Position = 0;

  constructor() {
    this.ledger.formatLevel = 2;
    beginBatch(this.ledger, TIME_MS);
    const open: Command = {
      kind: "openAccount",
      type: AccountType.SAVINGS,
      owner: "Ada",
      displayName: "",
      currency: "USD",
    };
    this.execute(this.block(ACCOUNTS, () => open));
    const amount = { currency: "USD", minor: OPENING_MINOR };
    this.execute(this.block(ACCOUNTS, () => ({ kind: "deposit", account: this.nextAccount(), amount })));
  }

  /** So many requests, each under an id of its own. */
  block(count: number, command: (i: number) => Command): Request[] {
    return Array.from({ length: count }, (_, i) => ({
      principal: ANONYMOUS_PRINCIPAL,
      branch: 0,
      id: this.nextId(),
      command: command(i),
    }));
  }

  /** Looks each request up, decides and applies it. Gives the number of records. */
  execute(requests: readonly Request[]): number {
    const { ledger } = this;
    const original = { records: this.records, before: this.before };
    const lookup = (position: Position) => original.records[position - original.before - 1];
    this.records = [];
    this.before = ledger.position;
    for (const request of requests) {
      assert(ledger.findRequest(request.principal, request.id) === -1, "the load repeats no request");
      for (const record of decide(ledger, request, hashCommand(request.command), lookup)) {
        apply(ledger, record);
        this.records.push(record);
      }
    }
    ledger.forgetUndo(ledger.position);
    return this.records.length;
  }

  /** How many requests of the last block were rejected. */
  rejections(): number {
    return this.records.filter(({ kind }) => kind === RecordKind.REJECTED).length;
  }

  /** Round robin: two neighbours are never the same account. */
  nextAccount(): string {
    this.account = (this.account % ACCOUNTS) + 1;
    return String(this.account);
  }

  /** A block of deposits. */
  deposits(): Request[] {
    return this.block(BLOCK_REQUESTS, () => ({ kind: "deposit", account: this.nextAccount(), amount: ONE_CENT }));
  }

  transfer(): Command & { kind: "transfer" } {
    return { kind: "transfer", from: this.nextAccount(), to: this.nextAccount(), amount: ONE_CENT };
  }

  private nextId(): RequestId {
    return requestIdFromBytes(Uint8Array.from(this.ids.at(this.requests++)));
  }
}

/** In the order of the table. */
export const WORKLOADS: readonly Workload[] = [
  {
    name: "ledger: deposit",
    unit: "deposits",
    operations: BLOCK_REQUESTS,
    prepare: (load) => load.deposits(),
  },
  {
    name: "ledger: transfer",
    unit: "transfers",
    operations: BLOCK_REQUESTS,
    prepare: (load) => load.block(BLOCK_REQUESTS, () => load.transfer()),
  },
  {
    name: "ledger: hold, placed and captured",
    unit: "holds",
    operations: BLOCK_REQUESTS / 2,
    prepare: (load) => {
      const first = load.ledger.position + 1;
      const holds = BLOCK_REQUESTS / 2;
      const places = load.block(holds, () => ({
        kind: "placeHold",
        account: load.nextAccount(),
        amount: ONE_CENT,
        expiresMs: 0,
      }));
      return [...places, ...load.block(holds, (i) => ({ kind: "captureHold", hold: first + i, to: "" }))];
    },
  },
  {
    name: "ledger: interest",
    unit: "payments",
    operations: BLOCK_REQUESTS,
    // A rate so low that no balance comes to its limit.
    prepare: (load) =>
      load.block(BLOCK_REQUESTS, () => ({ kind: "applyInterest", account: load.nextAccount(), rate: 1_000 })),
  },
  {
    name: "ledger: reversal",
    unit: "reversals",
    operations: BLOCK_REQUESTS,
    prepare: (load) => {
      const first = load.ledger.position + 1;
      load.execute(load.block(BLOCK_REQUESTS, () => load.transfer()));
      return load.block(BLOCK_REQUESTS, (i) => ({ kind: "reverse", transaction: first + i }));
    },
  },
  {
    name: "ledger: group of 10 transfers",
    unit: "groups",
    operations: BLOCK_REQUESTS / GROUP_ITEMS,
    prepare: (load) =>
      load.block(BLOCK_REQUESTS / GROUP_ITEMS, () => ({
        kind: "group",
        items: Array.from({ length: GROUP_ITEMS }, () => load.transfer()),
      })),
  },
  {
    name: "ledger: rejected withdrawal",
    unit: "rejections",
    operations: BLOCK_REQUESTS,
    prepare: (load) =>
      load.block(BLOCK_REQUESTS, () => ({
        kind: "withdraw",
        account: load.nextAccount(),
        amount: { currency: "USD", minor: 2n ** 62n },
      })),
  },
];
