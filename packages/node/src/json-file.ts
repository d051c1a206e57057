import { readFileSync } from "node:fs";

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
  const fields = parsed(text);
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
