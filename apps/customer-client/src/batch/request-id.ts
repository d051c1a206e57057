import { createHash } from "node:crypto";
import { formatRequestId, requestIdFromBytes } from "@bank/core";

/** Names what this program names, as RFC 9562 asks for; made for this purpose, and never changed. */
const NAMESPACE = Buffer.from("6f1ce0a39d4b4e0f8d3c5a7e21b09f64", "hex");

/**
 * The request id of a line of a batch: the same for the same batch and line for ever, so that running a batch again does
 * nothing again. Source: RFC 9562, 5.5, a UUID of version 5.
 *
 * @param line from 1; 0 for the batch as one group.
 */
export function batchRequestId(batchId: string, line: number): string {
  // No batch id has a line end in it, so that no two pairs give the same text.
  const digest = createHash("sha1").update(NAMESPACE).update(`${batchId}\n${line}`, "utf8").digest();
  const bytes = new Uint8Array(digest.subarray(0, 16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return formatRequestId(requestIdFromBytes(bytes));
}
