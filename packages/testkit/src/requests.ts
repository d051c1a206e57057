import {
  AccountType,
  ANONYMOUS_PRINCIPAL,
  type Command,
  type Request,
  type RequestId,
  requestIdFromBytes,
} from "@bank/core";
import type { Random } from "./random.ts";

/** A request id that says its number. */
export function numberedId(number: number): RequestId {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, number);
  bytes[0] = 0xb0;
  return requestIdFromBytes(bytes);
}

/** A random request id. */
export function randomId(random: Random): RequestId {
  return requestIdFromBytes(random.bytes(16));
}

/** A request of the one principal at the head office. */
export function request(id: RequestId | number, command: Command, branch = 0): Request {
  return { principal: ANONYMOUS_PRINCIPAL, branch, id: typeof id === "number" ? numberedId(id) : id, command };
}

export function openAccount(owner = "Ada", currency = "USD"): Command {
  return { kind: "openAccount", type: AccountType.CHECKING, owner, displayName: "", currency };
}

export function deposit(account: number | string, minor: number | bigint, currency = "USD"): Command {
  return { kind: "deposit", account: String(account), amount: { minor: BigInt(minor), currency } };
}

export function withdraw(account: number | string, minor: number | bigint, currency = "USD"): Command {
  return { kind: "withdraw", account: String(account), amount: { minor: BigInt(minor), currency } };
}

export function transfer(from: number | string, to: number | string, minor: number | bigint): Command {
  return { kind: "transfer", from: String(from), to: String(to), amount: { minor: BigInt(minor), currency: "USD" } };
}
