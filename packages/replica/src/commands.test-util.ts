import type { Command, GroupItem, Position } from "@bank/core";
import type { OpenedBank } from "./bank-replica.test-util.ts";

export function placeHold(account: number | string, minor: number | bigint, expiresMs = 0): GroupItem {
  return { kind: "placeHold", account: String(account), amount: { minor: BigInt(minor), currency: "USD" }, expiresMs };
}

/** Takes all that is left, or so much, out as cash. */
export function captureHold(hold: Position, minor?: number | bigint): GroupItem {
  const amount = minor === undefined ? undefined : { minor: BigInt(minor), currency: "USD" };
  return { kind: "captureHold", hold, amount, to: "" };
}

export function releaseHold(hold: Position): GroupItem {
  return { kind: "releaseHold", hold };
}

export function reverse(transaction: Position): GroupItem {
  return { kind: "reverse", transaction };
}

export function freeze(account: number | string, expectedVersion?: number): GroupItem {
  return { kind: "freezeAccount", account: String(account), expectedVersion };
}

export function group(...items: readonly Command[]): Command {
  return { kind: "group", items: items as readonly GroupItem[] };
}

export const cancelRequest: Command = { kind: "cancelRequest" };

/** Journal time at a bank, so much later. */
export function later({ platform }: Pick<OpenedBank, "platform">, ms: number): number {
  return Math.floor(platform.wallMs()) + ms;
}
