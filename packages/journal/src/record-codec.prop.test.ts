import type { LedgerRecord } from "@bank/core";
import { RecordKind, RecordList } from "@bank/core";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeRecords } from "./decode-records.ts";
import { encodeRecords } from "./encode-records.ts";
import { JournalFormatError } from "./errors.ts";
import { decodePlainly, encodePlainly } from "./plain-codec.test-util.ts";
import { anyBatch } from "./random-records.test-util.ts";
import { concatenate } from "./raw-frame.test-util.ts";
import { requestKey, transfer } from "./sample-records.test-util.ts";
import { WireWriter } from "./wire-writer.ts";

// A failure prints seed and path: `fc.assert(…, { seed, path })` repeats it.

/** What a payload consists of, in its order. */
interface Field {
  readonly number: number;
  readonly value: Uint8Array;
}

function fieldsOf(payload: Uint8Array): Field[] {
  const reader = new BinaryReader(payload);
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const [number] = reader.tag();
    fields.push({ number, value: reader.bytes() });
  }
  return fields;
}

function written({ number, value }: Field): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(value).finish();
}

/** The same integers, the first of which has a byte more than it needs. */
function padded(bytes: Uint8Array): Uint8Array {
  const end = bytes.findIndex((byte) => byte < 0x80);
  return concatenate(bytes.subarray(0, end), Uint8Array.of((bytes[end] as number) | 0x80, 0), bytes.subarray(end + 1));
}

/** What a careless or a hostile writer could do to one field, or to it and the one behind it: mostly other bytes of the same message. */
const SPOILERS: Readonly<Record<string, (one: Field, next: Field | undefined, at: number) => Uint8Array>> = {
  "left out": () => new Uint8Array(0),
  "written twice": (one) => concatenate(written(one), written(one)),
  "behind the next": (one, next) => (next === undefined ? written(one) : concatenate(written(next), written(one))),
  "in two pieces": ({ number, value }, _, at) => {
    const cut = at % (value.length + 1);
    return concatenate(
      written({ number, value: value.subarray(0, cut) }),
      written({ number, value: value.subarray(cut) }),
    );
  },
  "not packed, 4 bytes each": ({ number, value }) => {
    const writer = new BinaryWriter();
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    for (let i = 0; i + 4 <= value.length; i += 4) writer.tag(number, WireType.Bit32).fixed32(view.getUint32(i, true));
    return writer.finish();
  },
  "not packed, 8 bytes each": ({ number, value }) => {
    const writer = new BinaryWriter();
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    for (let i = 0; i + 8 <= value.length; i += 8)
      writer.tag(number, WireType.Bit64).fixed64(view.getBigUint64(i, true));
    return writer.finish();
  },
  "not packed, an integer each": ({ number, value }) => {
    const writer = new BinaryWriter();
    for (const byte of value) writer.tag(number, WireType.Varint).uint32(byte & 0x7f);
    return writer.finish();
  },
  "behind a padded tag": (one) => padded(written(one)),
  "of a padded length": (one) => {
    const bytes = written(one);
    const tagLength = one.number < 16 ? 1 : 2;
    return concatenate(bytes.subarray(0, tagLength), padded(bytes.subarray(tagLength)));
  },
  "with a first integer that is padded": ({ number, value }) =>
    written({ number, value: value.some((byte) => byte < 0x80) ? padded(value) : value }),
  emptied: ({ number }) => written({ number, value: new Uint8Array(0) }),
  "with an empty one before it": (one) =>
    concatenate(written({ number: one.number, value: new Uint8Array(0) }), written(one)),
  "before an empty one": (one, _, at) =>
    concatenate(written(one), written({ number: one.number + 1 + (at % 3), value: new Uint8Array(0) })),
  "under another number": ({ value }, _, at) => written({ number: 1 + (at % 25), value }),
  "of another length": ({ number, value }, _, at) =>
    written({ number, value: at % 2 === 0 ? value.subarray(at % 9) : concatenate(value, new Uint8Array(at % 9)) }),
  "with another byte": ({ number, value }, _, at) => {
    const changed = Uint8Array.from(value);
    if (changed.length > 0) changed[at % changed.length] = at % 256;
    return written({ number, value: changed });
  },
  "cut off": (one, _, at) => written(one).subarray(0, at % (one.value.length + 2)),
  "before an unknown field": (one) => concatenate(written(one), written({ number: 25, value: Uint8Array.of(1) })),
};

function outcomeOf(decode: () => Iterable<LedgerRecord>): readonly LedgerRecord[] | "refused" {
  try {
    return [...decode()];
  } catch (error) {
    expect(error).toBeInstanceOf(JournalFormatError);
    return "refused";
  }
}

function encode(records: RecordList): Uint8Array {
  const writer = new WireWriter();
  encodeRecords(records, writer);
  return writer.finish();
}

describe("records in columns", () => {
  test("have the bytes that a general encoder writes, record by record", () => {
    fc.assert(
      fc.property(anyBatch, ({ records }) => {
        expect(encode(RecordList.of(records))).toEqual(encodePlainly(records));
      }),
      { numRuns: 500 },
    );
  });

  test("have the same bytes in a list that noted actors in another order, and more of them", () => {
    const records = [transfer(requestKey(1)), transfer(undefined, { principal: "ops" }), transfer(requestKey(2))];
    const list = new RecordList();
    for (const principal of ["nobody", "ops", "nobody else"]) list.actorIndex(principal, 3);
    for (const record of records) list.push(record);
    expect(encode(list)).toEqual(encodePlainly(records));
  });

  test("are refused where a list lost an actor", () => {
    const list = RecordList.of([transfer(undefined)]);
    list.actorIndexes[0] = 1;
    expect(() => encode(list)).toThrow("a record names an actor that its list does not have");
  });

  test.each(Object.entries(SPOILERS))(
    "are read and refused as by a general decoder, with a field that is %s",
    (how, spoil) => {
      let refused = 0;
      fc.assert(
        fc.property(anyBatch, fc.nat(), fc.nat(), ({ records }, field, at) => {
          const fields = fieldsOf(encodePlainly(records));
          const spoilt = field % fields.length;
          const parts = fields.map(written);
          parts[spoilt] = spoil(fields[spoilt] as Field, fields[spoilt + 1], at);
          if (how === "behind the next" && spoilt + 1 < parts.length) parts[spoilt + 1] = new Uint8Array(0);
          const payload = concatenate(...parts);
          const expected = outcomeOf(() => decodePlainly(payload, records.length));
          const read = outcomeOf(() => checked(decodeRecords(payload, records.length)));
          expect(read).toEqual(expected);
          if (expected === "refused") refused++;
          else expect(encode(RecordList.of(expected))).toEqual(payload);
        }),
        { numRuns: 150 },
      );
      expect(refused).toBeGreaterThan(0);
    },
  );
});

/** `decodeFrame` looks at amounts with everything else that a record shows by itself. */
function checked(records: RecordList): RecordList {
  for (let i = 0; i < records.length; i++)
    if ((records.kinds[i] as number) <= RecordKind.TRANSFER && (records.amounts[i] as bigint) < 0n)
      throw new JournalFormatError("an amount has 63 bits");
  return records;
}
