import { mkdir } from "node:fs/promises";
import { RecordKind, RecordList } from "@bank/core";
import { decodeFrame, encodeFrame } from "@bank/journal";
import { ExecuteBatchRequestSchema, ExecuteMovementsRequestSchema } from "@bank/proto";
import { fromBinary } from "@bufbuild/protobuf";
import type { Suite } from "../bench.ts";
import { measureBlocks } from "../harness/blocking.ts";
import { QuickRandom } from "../harness/distribution.ts";
import { ENVELOPE_BYTES, MovementColumns, transferRequest } from "../load/wire.ts";
import { measureFsync, measureSqliteAppend, SMALL_BYTES } from "../raw/limits.ts";
import { whole } from "../report/numbers.ts";
import type { Measurement, RowFacts } from "../report/result.ts";

const BATCH = 8_000;

/** What the disk, SQLite and protobuf give by themselves: no bank is quicker than these. */
export const raw: Suite = {
  name: "raw",
  title: "what disk, SQLite and protobuf give by themselves",
  run: async (bench, report) => {
    const frame = frameOf(BATCH);
    report.note(`a batch of ${whole(BATCH)} transfers takes ${whole(frame.length)} bytes in the journal`);
    for (let round = 0; round < bench.rounds; round++) {
      const folder = bench.scratch("raw");
      await mkdir(folder);
      const time = bench.durationMs;
      const disk = (name: string, batch: number, measured: Measurement) =>
        report.add(row(name, "writes", batch, true), measured);
      disk(`fdatasync of ${whole(SMALL_BYTES)} bytes`, 1, measureFsync(folder, time));
      disk(`fdatasync of ${whole(frame.length)} bytes`, 1, measureFsync(folder, time, frame.length));
      disk(
        `SQLite append of ${whole(SMALL_BYTES)} bytes`,
        1,
        measureSqliteAppend(folder, time, frame.subarray(0, SMALL_BYTES)),
      );
      const appended = measureSqliteAppend(folder, time, frame);
      disk("SQLite append of a full batch", BATCH, inTransfers(appended));
      await bench.forget(folder);
      const decode = (name: string, run: () => void) =>
        report.add(
          row(name, "transfers", BATCH, false),
          measureBlocks(time, { operations: BATCH, prepare: () => undefined, run }),
        );
      const messages = batchRequest(BATCH);
      decode("protobuf decode, a message each", () => void fromBinary(ExecuteBatchRequestSchema, messages));
      const columns = movementsRequest(BATCH);
      decode("protobuf decode, columns (generated)", () => void fromBinary(ExecuteMovementsRequestSchema, columns));
      decode("journal frame decode", () => void decodeFrame(frame));
    }
  },
};

function row(name: string, unit: string, batch: number, durable: boolean): RowFacts {
  return { name, unit, durable, checked: false, batch, inFlight: 1 };
}

/** The raw append limit, in transfers. */
function inTransfers(appended: Measurement): Measurement {
  const { operations, operationsPerSecond } = appended;
  return { ...appended, operations: operations * BATCH, operationsPerSecond: operationsPerSecond * BATCH };
}

/** A frame of so many transfers, as a batch of them takes it. */
function frameOf(transfers: number): Uint8Array {
  const random = new QuickRandom(1);
  const list = new RecordList(transfers);
  for (let i = 0; i < transfers; i++) {
    const index = list.extend();
    list.kinds[index] = RecordKind.TRANSFER;
    list.answers[index] = 1;
    list.actorIndexes[index] = list.actorIndex("dev", 0);
    list.debits[index] = (random.int32() >>> 0) % 10_000;
    list.credits[index] = 10_000 + ((random.int32() >>> 0) % 10_000);
    list.amounts[index] = 1n;
    for (let word = 0; word < 4; word++) list.requestIds[4 * index + word] = random.int32();
    for (let word = 0; word < 2; word++) list.requestHashes[2 * index + word] = random.int32();
  }
  const header = { epochId: new Uint8Array(16), digestAfter: new Uint8Array(16), timeMs: 1_700_000_000_000 };
  return encodeFrame({ ...header, firstPosition: 1_000_001, committedPosition: 1_000_000 }, list);
}

function batchRequest(transfers: number): Uint8Array {
  const random = new QuickRandom(2);
  const parts = Array.from({ length: transfers }, (_, i) => {
    const request = transferRequest(i + 1, i + 2, random);
    return Buffer.concat([Buffer.from([0x0a, request.length + 2, 0x1a, request.length]), request]);
  });
  return Buffer.concat(parts);
}

function movementsRequest(transfers: number): Uint8Array {
  const columns = new MovementColumns(transfers, "each");
  for (let i = 0; i < transfers; i++) {
    columns.debits[2 * i] = i + 1;
    columns.credits[2 * i] = i + 2;
  }
  return columns.encode(new QuickRandom(3)).subarray(ENVELOPE_BYTES);
}
