import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { writeDurably } from "./durable-file.ts";

/** The name of a hash of 64 bits over the other fields: a flipped bit may leave a number that looks as good as any. */
const CHECKSUM = "checksum";

/** Writes down what a server must know at its next start, durably. Throws the system's errors. */
export function writeTextFields(path: string, fields: Readonly<Record<string, string>>): void {
  writeDurably(path, textOfFields(fields));
}

/** The text of such a file. */
export function textOfFields(fields: Readonly<Record<string, string>>): string {
  return `${JSON.stringify({ ...fields, [CHECKSUM]: checksumOf(fields) })}\n`;
}

/**
 * The fields of such a text: undefined where it is damaged. One of an earlier release has no checksum, and is taken as it is.
 */
export function fieldsOfText(text: string): Readonly<Record<string, unknown>> | undefined {
  const fields = parsed(text);
  if (fields === undefined) return undefined;
  const { [CHECKSUM]: checksum, ...rest } = fields;
  return checksum === undefined || checksum === checksumOf(rest) ? rest : undefined;
}

function checksumOf(fields: Readonly<Record<string, unknown>>): string {
  return createHash("sha256").update(JSON.stringify(fields)).digest("hex").slice(0, 16);
}

/**
 * Reads what a server has written down for itself.
 * Throws: an `Error` that says what to do where the file is damaged; the system's errors.
 *
 * @param pattern what each field must look like. Other fields are passed over.
 * @param meaning a sentence: what the file says, and what to do if it is damaged.
 */
export function readTextFields<Name extends string>(
  path: string,
  pattern: Readonly<Record<Name, RegExp>>,
  meaning: string,
): Readonly<Record<Name, string>> | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const fields = fieldsOfText(text);
  const names = Object.keys(pattern) as Name[];
  if (fields === undefined || !names.every((name) => pattern[name].test(String(fields[name]))))
    throw new Error(`${path} is damaged. ${meaning}`);
  return Object.fromEntries(names.map((name) => [name, String(fields[name])])) as Record<Name, string>;
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Not JSON: the caller says that the file is damaged.
    return undefined;
  }
}

/** 16 bytes in hexadecimal. */
export const HEX_16 = /^[0-9a-f]{32}$/;
/** The number of an epoch, or a position. */
export const WHOLE_NUMBER = /^[0-9]{1,16}$/;

export function bytesFromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}
