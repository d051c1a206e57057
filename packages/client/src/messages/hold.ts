import * as wire from "@bank/proto";
import type { Capture, Hold, HoldState } from "../types/index.ts";
import { moneyOf, present, safeNumber, timeMsOf } from "./fields.ts";
import { transactionOf } from "./transaction.ts";

const HOLD_STATES: ReadonlyMap<wire.HoldState, HoldState> = new Map([
  [wire.HoldState.OPEN, "open"],
  [wire.HoldState.CAPTURED, "captured"],
  [wire.HoldState.RELEASED, "released"],
  [wire.HoldState.EXPIRED, "expired"],
]);

export function holdOf(hold: wire.Hold | undefined): Hold {
  const message = present(hold, "the hold");
  return {
    position: safeNumber(message.hold),
    account: message.account,
    amount: moneyOf(message.amount),
    captured: moneyOf(message.captured),
    remaining: moneyOf(message.remaining),
    state: present(HOLD_STATES.get(message.state), `what hold state ${message.state} is`),
    expiresAtMs: message.expiresAt === undefined ? undefined : timeMsOf(message.expiresAt),
  };
}

export function captureOf(capture: wire.Capture | undefined): Capture {
  const { transaction, hold } = present(capture, "the capture");
  return { transaction: transactionOf(transaction), hold: holdOf(hold) };
}
