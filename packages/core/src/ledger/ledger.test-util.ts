import { AccountType } from "../account.ts";
import { checkCommand } from "../check-command.ts";
import type { Command, Request } from "../command.ts";
import { ANONYMOUS_PRINCIPAL } from "../command.ts";
import { hashCommand } from "../command-hash.ts";
import type { RequestId } from "../identifiers.ts";
import { requestIdFromBytes } from "../identifiers.ts";
import type { EpochBegunRecord, LedgerRecord, RejectedRecord, StateRootRecord } from "../record.ts";
import { RecordKind, SYSTEM_PRINCIPAL } from "../record.ts";
import { apply, beginBatch } from "./apply.ts";
import { decide } from "./decide.ts";
import { Ledger } from "./ledger.ts";

export function newLedger(hashSeed = 1): Ledger {
  return new Ledger({ hashSeed });
}

/** A request id that says which it is. */
export function requestId(n: number): RequestId {
  return requestIdFromBytes(new Uint8Array(Int32Array.of(n, 0, 0, 0x4000).buffer));
}

let lastRequest = 1_000_000;

/** A request for a command, at the head office and under a new id unless told otherwise. */
export function requestFor(command: Command, options: Partial<Omit<Request, "command">> = {}): Request {
  return { principal: ANONYMOUS_PRINCIPAL, branch: 0, id: requestId(++lastRequest), ...options, command };
}

export function open(currency: string): Command {
  return { kind: "openAccount", type: AccountType.SAVINGS, owner: "Ada", displayName: "", currency };
}

export function deposit(account: string, minor: bigint, currency = "USD"): Command {
  return { kind: "deposit", account, amount: { currency, minor } };
}

export function withdraw(account: string, minor: bigint, currency = "USD"): Command {
  return { kind: "withdraw", account, amount: { currency, minor } };
}

export function transfer(from: string, to: string, minor: bigint, currency = "USD"): Command {
  return { kind: "transfer", from, to, amount: { currency, minor } };
}

export function branch(number: number): Command {
  return {
    kind: "registerBranch",
    branch: number,
    name: `Branch ${number}`,
    address: `http://127.0.0.1:${50_060 + number}`,
  };
}

/** Decides without applying. Throws for a command that should have been refused before. */
export function decided(ledger: Ledger, request: Request): LedgerRecord[] {
  const refusal = checkCommand(request.command);
  if (refusal !== undefined) throw new Error(`refused: ${refusal.reason}`);
  return decide(ledger, request, hashCommand(request.command));
}

/** Decides and applies. Gives the records. */
export function execute(
  ledger: Ledger,
  command: Command,
  options: Partial<Omit<Request, "command">> = {},
): LedgerRecord[] {
  const records = decided(ledger, requestFor(command, options));
  for (const record of records) apply(ledger, record);
  return records;
}

/** The rejection that answers; undefined for an effect. */
export function rejectionOf(records: readonly LedgerRecord[]): RejectedRecord["rejection"] | undefined {
  const last = records.at(-1);
  return last?.kind === RecordKind.REJECTED ? last.rejection : undefined;
}

const own = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined } as const;

/** The bank's record of a new epoch. */
export function epochBegun(number: number, fill = number): EpochBegunRecord {
  const [id, bankId] = [new Uint8Array(16).fill(fill), new Uint8Array(16).fill(0xbb)];
  return { ...own, kind: RecordKind.EPOCH_BEGUN, number, id, bankId, lossAccepted: number % 2 === 0 };
}

/** The bank's record of a root. */
export function stateRoot(position: number, fill = 7): StateRootRecord {
  return { ...own, kind: RecordKind.STATE_ROOT, position, root: new Uint8Array(32).fill(fill) };
}

/** Accounts by index: 0 is 1 (USD, 1.00), 1 is cash/0/USD, 2 is 2 (USD), 3 is 3 (EUR); time 1000, epoch 1, a root. */
export function smallLedger(): Ledger {
  const ledger = newLedger();
  beginBatch(ledger, 1000);
  apply(ledger, epochBegun(1));
  execute(ledger, open("USD"), { id: requestId(1) });
  execute(ledger, deposit("1", 100n), { id: requestId(2) });
  execute(ledger, open("USD"), { id: requestId(3) });
  execute(ledger, open("EUR"), { id: requestId(4) });
  apply(ledger, stateRoot(5));
  return ledger;
}

/** Accounts 1 and 2 in USD, 3 in EUR, 4 in JPY, 5 in KWD; 100.00 USD on account 1; branch 1. */
export function bankOfFiveAccounts(): Ledger {
  const ledger = newLedger();
  for (const code of ["USD", "USD", "EUR", "JPY", "KWD"]) execute(ledger, open(code));
  execute(ledger, branch(1));
  execute(ledger, deposit("1", 10_000n));
  return ledger;
}
