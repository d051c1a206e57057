import { AccountType } from "../account.ts";
import type { ApplyInterest, Deposit, Reverse, Transfer, Withdraw } from "../command.ts";
import type { AccountIndex } from "../identifiers.ts";
import { interestOn } from "../interest.ts";
import { REVERSALS_MAX } from "../limits.ts";
import type { LedgerRecord, MovementRecord, Posting } from "../record.ts";
import { postingOf, RecordKind } from "../record.ts";
import { type Decision, type Receiver, Rejected } from "./decision.ts";

export function decideDeposit(decision: Decision, command: Deposit): LedgerRecord[] {
  const { amount } = command;
  const account = decision.requireAccount(command.account);
  decision.requireVersion(account, command);
  decision.requireCurrency(account, amount);
  decision.requireOpen(account);
  decision.requireBelowCeiling(account, amount.minor);
  const cash = decision.internalBeside(AccountType.CASH, account);
  decision.requireRange(cash, account, amount.minor);
  return move(decision, RecordKind.DEPOSIT, cash, account, amount.minor);
}

export function decideWithdraw(decision: Decision, command: Withdraw): LedgerRecord[] {
  const { amount } = command;
  const account = decision.requireAccount(command.account);
  decision.requireVersion(account, command);
  decision.requireCurrency(account, amount);
  decision.requireOpen(account);
  decision.requireFunds(account, amount.minor, decision.ledger.accounts.floors[account] as bigint);
  const cash = decision.internalBeside(AccountType.CASH, account);
  decision.requireRange(account, cash, amount.minor);
  return move(decision, RecordKind.WITHDRAWAL, account, cash, amount.minor);
}

export function decideTransfer(decision: Decision, command: Transfer): LedgerRecord[] {
  const { amount } = command;
  const from = decision.requireAccount(command.from);
  const to = decision.requireReceiver(command.to);
  if (from === to) throw new Rejected("SAME_ACCOUNT", { account: decision.ledger.referenceOf(from) });
  decision.requireVersion(from, command);
  decision.requireCurrency(from, amount);
  decision.requireCurrency(to, amount);
  decision.requireOpen(from, to);
  decision.requireFunds(from, amount.minor, decision.ledger.accounts.floors[from] as bigint);
  decision.requireBelowCeiling(to, amount.minor);
  decision.requireRange(from, to, amount.minor);
  return move(decision, RecordKind.TRANSFER, from, to, amount.minor);
}

export function decideReverse(decision: Decision, command: Reverse): LedgerRecord[] {
  const { ledger } = decision;
  const { transaction } = command;
  const record = transaction > ledger.position ? undefined : decision.context.lookup(transaction);
  const original = record === undefined ? undefined : postingOf(record);
  if (record === undefined || original === undefined)
    throw new Rejected("TRANSACTION_NOT_FOUND", { transaction: String(transaction) });
  if (record.kind === RecordKind.REVERSAL) throw new Rejected("NOT_REVERSIBLE", { transaction: String(transaction) });
  decision.requireVersion(customerOf(decision, original), command);
  const reversal = ledger.reversalOf(transaction);
  if (reversal !== undefined)
    throw new Rejected("ALREADY_REVERSED", { reversal: String(reversal), transaction: String(transaction) });
  const { debit: credit, credit: debit, amount } = original;
  decision.requireOpen(debit, credit);
  if (ledger.isCustomerAccount(debit)) decision.requireFunds(debit, amount, ledger.accounts.floors[debit] as bigint);
  decision.requireBelowCeiling(credit, amount);
  decision.requireRange(debit, credit, amount);
  decision.requireRoom("reversals", ledger.reversals.size, REVERSALS_MAX);
  const posting: Posting = { debit, credit, amount };
  return decision.answer({ kind: RecordKind.REVERSAL, ...decision.answering(), original: transaction, ...posting });
}

export function decideInterest(decision: Decision, command: ApplyInterest): LedgerRecord[] {
  const { ledger } = decision;
  const { rate } = command;
  const account = decision.requireAccount(command.account);
  decision.requireVersion(account, command);
  decision.requireOpen(account);
  const balance = ledger.accounts.posted[account] as bigint;
  if (balance < 0n)
    throw new Rejected("NEGATIVE_BALANCE", {
      account: ledger.referenceOf(account),
      ...decision.amounts(account, { posted: balance }),
    });
  const amount = interestOn(balance, rate);
  const interest = { kind: RecordKind.INTEREST_APPLIED, account, rate, balance, amount };
  if (amount === 0n) return decision.answer({ ...decision.answering(), ...interest, paidFrom: undefined });
  decision.requireBelowCeiling(account, amount);
  const payer = decision.internalBeside(AccountType.INTEREST, account);
  decision.requireRange(payer, account, amount);
  const paidFrom = decision.indexOf(payer);
  return decision.answer({ ...decision.answering(), ...interest, paidFrom });
}

/** The commonest records of all: made in one go, which is several times as fast as from parts. */
function move(
  decision: Decision,
  kind: MovementRecord["kind"],
  from: Receiver,
  to: Receiver,
  amount: bigint,
): LedgerRecord[] {
  const { principal, branch, request } = decision.context;
  const debit = decision.indexOf(from);
  return decision.answer({ kind, principal, branch, request, debit, credit: decision.indexOf(to), amount });
}

/** The customer's side of a movement; of a transfer, the one that paid. */
function customerOf({ ledger }: Decision, { debit, credit }: Posting): AccountIndex {
  return ledger.isCustomerAccount(debit) ? debit : credit;
}
