import type { Command, LedgerRecord, Position, RequestId } from "@bank/core";
import {
  apply,
  beginBatch,
  decide,
  dueHolds,
  hashCommand,
  Ledger,
  RecordKind,
  requestIdFromBytes,
  SYSTEM_PRINCIPAL,
} from "@bank/core";
import { genesisHash, nextHash } from "./chain.ts";
import { encodeFrame } from "./frame.ts";
import type { ReceivedFrame, Replay } from "./replay.ts";
import { BANK_ID } from "./sample-records.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";

/** A state with nothing in it. */
export function emptyReplay(bankId: Uint8Array = BANK_ID, hashSeed = 1): Replay {
  return { ledger: new Ledger({ hashSeed }), bankId, chainHash: genesisHash(sha256, bankId) };
}

/** A command, and who gives it where; "dev" at the head office unless told otherwise. */
export type Order = Command & { readonly by?: string; readonly at?: number };

/** A bank without a store: it decides, applies and encodes batch by batch, and keeps every frame. */
export class TestBank {
  readonly replay: Replay;
  readonly frames: ReceivedFrame[] = [];
  timeMs = 1_790_000_000_000;
  private requests = 0;
  private readonly records = new Map<Position, LedgerRecord>();

  constructor(replay: Replay = emptyReplay()) {
    this.replay = replay;
  }

  /** A new epoch, whose id is its number in every byte; in the same batch the format level is raised, if it is told. */
  beginEpoch(lossAccepted = false, level?: number, promotedFrom?: Uint8Array): ReceivedFrame {
    const number = (this.replay.ledger.currentEpoch()?.number ?? 0) + 1;
    const id = new Uint8Array(16).fill(number);
    const { bankId } = this.replay;
    const promotion = promotedFrom === undefined ? {} : { promotedFrom };
    const begun = { ...system, kind: RecordKind.EPOCH_BEGUN, number, id, bankId, lossAccepted } as const;
    const epoch: LedgerRecord = { ...begun, ...promotion };
    if (level === undefined) return this.append([epoch]);
    return this.append([epoch, { ...system, kind: RecordKind.FORMAT_LEVEL_RAISED, level }]);
  }

  /** Puts the root of a state into the journal. */
  recordRoot(position: number, root: Uint8Array): ReceivedFrame {
    return this.append([{ ...system, kind: RecordKind.STATE_ROOT, position, root }]);
  }

  /** Lets time pass: the next batch is this much later than the one before. */
  pass(ms: number): this {
    this.timeMs += ms;
    return this;
  }

  /** A record of nothing but the time. */
  tick(): ReceivedFrame {
    return this.append([{ ...system, kind: RecordKind.TIME_TICKED }]);
  }

  /** Ends the holds whose time has come, and decides the orders behind them, as one batch. */
  execute(...orders: readonly Order[]): ReceivedFrame {
    const { ledger } = this.replay;
    return this.batch(() => {
      const records: LedgerRecord[] = [];
      const run = (record: LedgerRecord) => records.push(this.run(record));
      for (let due = dueHolds(ledger); due !== undefined; due = dueHolds(ledger)) run(due);
      for (const { by: principal = "dev", at: branch = 0, ...order } of orders) {
        const command = order as Command;
        const request = { principal, branch, id: this.nextRequestId(), command };
        decide(ledger, request, hashCommand(command), (position) => this.records.get(position)).forEach(run);
      }
      return records;
    });
  }

  /** Journals records that are decided already. */
  append(records: readonly LedgerRecord[]): ReceivedFrame {
    return this.batch(() => records.map((record) => this.run(record)));
  }

  private run(record: LedgerRecord): LedgerRecord {
    apply(this.replay.ledger, record);
    this.records.set(this.replay.ledger.position, record);
    return record;
  }

  private batch(makeRecords: () => readonly LedgerRecord[]): ReceivedFrame {
    const { ledger } = this.replay;
    const committedPosition = ledger.position;
    this.timeMs += 7;
    beginBatch(ledger, this.timeMs);
    const records = makeRecords();
    const frame = encodeFrame(
      {
        epochId: ledger.currentEpoch()?.id ?? new Uint8Array(16),
        firstPosition: committedPosition + 1,
        timeMs: this.timeMs,
        digestAfter: ledger.digestBytes(),
        committedPosition,
      },
      records,
    );
    this.replay.chainHash = nextHash(sha256, this.replay.chainHash, frame);
    ledger.forgetUndo(ledger.position);
    const received = { frame, chainHash: this.replay.chainHash };
    this.frames.push(received);
    return received;
  }

  /** Never the same twice: each word is a one-to-one image of the count. */
  private nextRequestId(): RequestId {
    const id = new Uint8Array(16);
    const view = new DataView(id.buffer);
    const number = this.requests++;
    [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f].forEach((factor, i) => {
      view.setInt32(4 * i, Math.imul(number + 1, factor));
    });
    return requestIdFromBytes(id);
  }
}

const system = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined };
