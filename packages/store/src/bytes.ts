/** Whether two byte strings are the same. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The first bytes in hexadecimal, for messages. */
export function shortHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes.subarray(0, 8)) hex += byte.toString(16).padStart(2, "0");
  return bytes.length > 8 ? `${hex}…` : hex;
}

/** The same bytes in memory of their own. (`slice` would not do: on a Node `Buffer` it gives a view.) */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
