/** Bytes as people compare them. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
