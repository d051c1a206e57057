import { AccountType } from "../account.ts";
import type { CaptureHold, ExtendHold, PlaceHold, ReleaseHold } from "../command.ts";
import { HoldState, type HoldView, remainingOf } from "../hold.ts";
import type { Position } from "../identifiers.ts";
import { HOLDS_MAX } from "../limits.ts";
import type { LedgerRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { formatTime } from "../time-text.ts";
import { type Decision, Rejected } from "./decision.ts";

export function decidePlaceHold(decision: Decision, command: PlaceHold): LedgerRecord[] {
  const { ledger } = decision;
  const { amount, expiresMs } = command;
  const account = decision.requireAccount(command.account);
  decision.requireVersion(account, command);
  decision.requireCurrency(account, amount);
  decision.requireOpen(account);
  if (expiresMs !== 0) requireLater(expiresMs, ledger.timeMs);
  const floor = ledger.accounts.floors[account] as bigint;
  // An overdraft is the bank's money: it is lent when something is paid, never kept back.
  decision.requireFunds(account, amount.minor, floor > 0n ? floor : 0n);
  decision.requireRoom("holds", ledger.holds.count, HOLDS_MAX);
  const hold = { account, held: amount.minor, captured: 0n, expiresMs };
  return decision.answer({ ...decision.answering(), kind: RecordKind.HOLD_PLACED, ...hold });
}

export function decideCaptureHold(decision: Decision, command: CaptureHold): LedgerRecord[] {
  const { ledger } = decision;
  const hold = requireHold(decision, command.hold);
  const { account, held, expiresMs } = hold;
  const to =
    command.to === "" ? decision.internalBeside(AccountType.CASH, account) : decision.requireReceiver(command.to);
  if (to === account) throw new Rejected("SAME_ACCOUNT", { account: ledger.referenceOf(account) });
  decision.requireVersion(account, command);
  requireOpenHold(decision, hold);
  const remaining = remainingOf(hold);
  const currency = ledger.viewAccount(account).currency;
  const amount = command.amount ?? { currency, minor: remaining };
  decision.requireCurrency(account, amount);
  decision.requireCurrency(to, amount);
  decision.requireOpen(account, to);
  if (amount.minor > remaining)
    throw new Rejected("HOLD_AMOUNT_EXCEEDED", {
      hold: String(command.hold),
      ...decision.amounts(account, { remaining, requested: amount.minor }),
    });
  decision.requireBelowCeiling(to, amount.minor);
  decision.requireRange(account, to, amount.minor);
  const credit = decision.indexOf(to);
  return decision.answer({
    ...decision.answering(),
    kind: RecordKind.HOLD_CAPTURED,
    hold: command.hold,
    account,
    held,
    captured: hold.captured + amount.minor,
    expiresMs,
    credit,
    amount: amount.minor,
  });
}

export function decideReleaseHold(decision: Decision, command: ReleaseHold): LedgerRecord[] {
  const hold = requireHold(decision, command.hold);
  decision.requireVersion(hold.account, command);
  requireOpenHold(decision, hold);
  return decision.answer({ ...decision.answering(), kind: RecordKind.HOLD_RELEASED, ...changeOf(hold) });
}

export function decideExtendHold(decision: Decision, command: ExtendHold): LedgerRecord[] {
  const hold = requireHold(decision, command.hold);
  decision.requireVersion(hold.account, command);
  requireOpenHold(decision, hold);
  if (hold.expiresMs === 0) throw new Rejected("HOLD_NEVER_EXPIRES", { hold: String(command.hold) });
  const { expiresMs } = command;
  requireLater(expiresMs, hold.expiresMs);
  return decision.answer({ ...decision.answering(), kind: RecordKind.HOLD_EXTENDED, ...changeOf(hold), expiresMs });
}

function changeOf({ hold, account, held, captured, expiresMs }: HoldView) {
  return { hold, account, held, captured, expiresMs };
}

function requireHold({ ledger }: Decision, hold: Position): HoldView {
  const view = ledger.viewHold(hold);
  if (view === undefined) throw new Rejected("HOLD_NOT_FOUND", { hold: String(hold) });
  return view;
}

const STATE_WORDS: Readonly<Record<HoldState, string>> = {
  [HoldState.OPEN]: "open",
  [HoldState.CAPTURED]: "captured",
  [HoldState.RELEASED]: "released",
  [HoldState.EXPIRED]: "expired",
};

function requireOpenHold({ ledger }: Decision, { hold, state, expiresMs }: HoldView): void {
  // Whoever executes commands lets what is due expire first; a hold whose time has come is over in any case.
  const isDue = expiresMs !== 0 && expiresMs <= ledger.timeMs;
  const now = state === HoldState.OPEN && isDue ? HoldState.EXPIRED : state;
  if (now !== HoldState.OPEN) throw new Rejected("HOLD_ENDED", { hold: String(hold), state: STATE_WORDS[now] });
}

function requireLater(expiresMs: number, thanMs: number): void {
  if (expiresMs > thanMs) return;
  throw new Rejected("EXPIRY_NOT_LATER", { earliest: formatTime(thanMs), expires_at: formatTime(expiresMs) });
}
