import { randomUUID } from "node:crypto";
import {
  ANONYMOUS_PRINCIPAL,
  apply,
  beginBatch,
  decide,
  dueHolds,
  FORMAT_LEVEL_MAX,
  hashCommand,
  Ledger,
  type LedgerRecord,
  preview,
  RecordKind,
  SYSTEM_PRINCIPAL,
} from "@bank/core";
import { type BatchResult, BatchResultSchema } from "@bank/proto";
import { forwardedCommand, type ItemCase, requestFromForwarded, resultFromPreview, resultFromRecord } from "@bank/rpc";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { CommandGroup, GroupCommand } from "../types/index.ts";
import { commandMessage } from "./command.ts";

const OWN = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined } as const;

/** The ledger itself behind the messages of the SDK: one batch for each command, a second after the one before. */
export class LedgerTeller {
  readonly ledger = new Ledger({ hashSeed: 1 });
  private readonly journal: LedgerRecord[] = [];
  private timeMs = 1_800_000_000_000;

  constructor() {
    const [id, bankId] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
    beginBatch(this.ledger, this.timeMs);
    this.keep({ ...OWN, kind: RecordKind.EPOCH_BEGUN, number: 1, id, bankId, lossAccepted: false });
    this.keep({ ...OWN, kind: RecordKind.FORMAT_LEVEL_RAISED, level: FORMAT_LEVEL_MAX });
  }

  /** What the bank answers, after the wire. */
  submit(command: GroupCommand | CommandGroup, { validateOnly = false } = {}): BatchResult["result"] {
    this.timeMs += 1_000;
    const message = commandMessage(command, { requestId: randomUUID(), validateOnly });
    const asked = requestFromForwarded(forwardedCommand(0, message as ItemCase, ""), ANONYMOUS_PRINCIPAL);
    const result = asked.validateOnly ? this.preview(asked.request) : this.carryOut(asked.request);
    return fromBinary(BatchResultSchema, toBinary(BatchResultSchema, result)).result;
  }

  private carryOut(request: Parameters<typeof decide>[1]): BatchResult {
    const { ledger, timeMs } = this;
    beginBatch(ledger, timeMs);
    for (let due = dueHolds(ledger); due !== undefined; due = dueHolds(ledger)) this.keep(due);
    const records = decide(ledger, request, hashCommand(request.command), this.recordAt);
    for (const record of records) this.keep(record);
    const answer = records.at(-1) as LedgerRecord;
    const groupRecords =
      answer.kind === RecordKind.GROUP_COMMITTED ? records.slice(-1 - answer.records, -1) : undefined;
    return resultFromRecord(ledger, {
      record: answer,
      position: ledger.position,
      timeMs,
      replayed: false,
      groupRecords,
    });
  }

  private preview(request: Parameters<typeof decide>[1]): BatchResult {
    const { ledger, timeMs } = this;
    return preview(ledger, timeMs, request, this.recordAt, (records) => resultFromPreview(ledger, records, timeMs));
  }

  private readonly recordAt = (position: number) => this.journal[position - 1];

  private keep(record: LedgerRecord): void {
    apply(this.ledger, record);
    this.journal.push(record);
  }
}
