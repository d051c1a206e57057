import type { HistoryAbout, Operation, StartAccount, WitnessRecord } from "../history.ts";
import { FORMAT_VERSION } from "./line.ts";

/** The first line of a history. */
export function encodeAbout({ description, seed, startPosition, hasJournal, isComplete }: HistoryAbout): string {
  return encode("history", {
    version: FORMAT_VERSION,
    description,
    seed,
    startPosition,
    journal: hasJournal,
    complete: isComplete,
  });
}

export function encodeAccount(account: StartAccount): string {
  return encode("account", account);
}

export function encodeRecord(record: WitnessRecord): string {
  return encode("record", record);
}

/** The fields of an operation are those of its type, as they are called there. */
export function encodeOperation(operation: Operation): string {
  return encode("operation", operation);
}

function encode(type: string, fields: object): string {
  return JSON.stringify({ type, ...fields }, amountsAsText);
}

function amountsAsText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
