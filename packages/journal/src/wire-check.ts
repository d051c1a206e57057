import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { JournalFormatError } from "./errors.ts";
import { WireCursor } from "./wire-cursor.ts";

/**
 * Refuses bytes that are not the one encoding that this program itself would write for their contents: unknown fields
 * at any depth, fields out of order or twice, values of another wire type, padded integers, defaults written out,
 * lengths that reach too far. A protobuf decoder passes over most of these in silence; here different bytes always mean
 * different contents. Whether texts are UTF-8 is left to the decoder, which is strict about it.
 *
 * Throws: `JournalFormatError`.
 */
export function checkWire(desc: DescMessage, bytes: Uint8Array): void {
  new WireWalk(bytes).message(desc, bytes.length);
}

/** What the bytes of one field have to look like. */
interface FieldShape {
  readonly wireType: WireType;
  /** Width of a value in bytes; 0: as long as it says itself. */
  readonly width: 0 | 4 | 8;
  /** Bits that a varint may have. */
  readonly bits: 0 | 1 | 32 | 64;
  /** May come again and again, in a row, with empty values too. */
  readonly repeated: boolean;
  /** All values in one run of bytes. */
  readonly packed: boolean;
  readonly message: DescMessage | undefined;
  readonly oneof: string | undefined;
}

class WireWalk extends WireCursor {
  message(desc: DescMessage, end: number): void {
    const shapes = shapesOf(desc);
    let last = 0;
    let oneof: string | undefined;
    while (this.at < end) {
      const tag = this.varint(32, end);
      const number = Math.floor(tag / 8);
      const shape = shapes.get(number);
      if (shape === undefined)
        throw new JournalFormatError(
          `${desc.typeName} has field ${number}, which this program does not know: use a newer program`,
        );
      if (tag % 8 !== shape.wireType) throw malformed(desc, number, "has another wire type");
      if (number < last || (number === last && !shape.repeated)) throw malformed(desc, number, "is out of place");
      if (shape.oneof !== undefined && shape.oneof === oneof) throw malformed(desc, number, "excludes the one before");
      this.value(desc, number, shape, end);
      last = number;
      oneof = shape.oneof ?? oneof;
    }
  }

  private value(desc: DescMessage, number: number, shape: FieldShape, end: number): void {
    if (shape.wireType === WireType.LengthDelimited) {
      const length = this.varint(32, end);
      const valueEnd = this.at + length;
      if (valueEnd > end) throw malformed(desc, number, "reaches too far");
      if (shape.message !== undefined) this.message(shape.message, valueEnd);
      else if (length === 0 && !shape.repeated) throw malformed(desc, number, "is written out though empty");
      else if (shape.packed) this.packed(desc, number, shape, valueEnd);
      this.at = valueEnd;
    } else if (shape.width === 0) {
      if (this.varint(shape.bits, end) === 0) throw malformed(desc, number, "is written out though zero");
    } else {
      const valueEnd = this.at + shape.width;
      if (valueEnd > end) throw malformed(desc, number, "reaches too far");
      if (this.bytes.subarray(this.at, valueEnd).every((byte) => byte === 0))
        throw malformed(desc, number, "is written out though zero");
      this.at = valueEnd;
    }
  }

  private packed(desc: DescMessage, number: number, shape: FieldShape, end: number): void {
    if (shape.width === 0) while (this.at < end) this.varint(shape.bits, end);
    else if ((end - this.at) % shape.width !== 0) throw malformed(desc, number, "ends inside a value");
  }
}

function malformed(desc: DescMessage, number: number, problem: string): JournalFormatError {
  return new JournalFormatError(`field ${number} of ${desc.typeName} ${problem}`);
}

const SHAPES = new WeakMap<DescMessage, ReadonlyMap<number, FieldShape>>();

function shapesOf(desc: DescMessage): ReadonlyMap<number, FieldShape> {
  let shapes = SHAPES.get(desc);
  if (shapes === undefined) {
    shapes = new Map(desc.fields.map((field) => [field.number, shapeOf(field)]));
    SHAPES.set(desc, shapes);
  }
  return shapes;
}

function shapeOf(field: DescField): FieldShape {
  const message = field.fieldKind === "message" || field.fieldKind === "list" ? field.message : undefined;
  const scalar = field.fieldKind === "scalar" || field.fieldKind === "list" ? field.scalar : undefined;
  const packed = field.fieldKind === "list" && field.packed;
  const repeated = field.fieldKind === "list" && !packed;
  const value = message === undefined ? scalarShape(field, scalar) : LENGTH_DELIMITED;
  const wireType = packed ? WireType.LengthDelimited : value.wireType;
  return { ...value, wireType, repeated, packed, message, oneof: field.oneof?.name };
}

type ScalarShape = Pick<FieldShape, "wireType" | "width" | "bits">;
const LENGTH_DELIMITED: ScalarShape = { wireType: WireType.LengthDelimited, width: 0, bits: 0 };

function scalarShape(field: DescField, scalar: ScalarType | undefined): ScalarShape {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return LENGTH_DELIMITED;
    case ScalarType.BOOL:
      return { wireType: WireType.Varint, width: 0, bits: 1 };
    case ScalarType.UINT32:
      return { wireType: WireType.Varint, width: 0, bits: 32 };
    case ScalarType.UINT64:
      return { wireType: WireType.Varint, width: 0, bits: 64 };
    case ScalarType.FIXED32:
      return { wireType: WireType.Bit32, width: 4, bits: 0 };
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return { wireType: WireType.Bit64, width: 8, bits: 0 };
    default:
      // The formats keep to these few types, so that this check stays small. Add what a new field needs.
      throw new TypeError(`${field.toString()} is of a type that no journal format has`);
  }
}
