import { AccountState, AccountType } from "../account.ts";
import type { ChangeState, OpenAccount, UpdateAccount } from "../command.ts";
import { ALIASES_MAX } from "../limits.ts";
import type { LedgerRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { type Decision, Rejected } from "./decision.ts";

export function decideOpenAccount(decision: Decision, command: OpenAccount): LedgerRecord[] {
  const { ledger } = decision;
  const { type, owner, displayName, alias = "", metadata = {}, floor = 0n, ceiling } = command;
  if (alias !== "" && ledger.findCustomerAccount(alias) !== undefined) throw new Rejected("ALIAS_TAKEN", { alias });
  decision.requireRoomForAccount();
  if (alias !== "") decision.requireRoom("aliases", ledger.accounts.aliasCount, ALIASES_MAX);
  const currency = ledger.currencyIndex(command.currency) ?? decision.defineCurrency(command.currency);
  return decision.answer({
    ...decision.answering(),
    ...decision.account(type, currency),
    number: ledger.numberFor(alias),
    owner,
    displayName,
    floor,
    // What is left out of a record is left out of older journals too.
    ...(alias === "" ? {} : { alias }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...(ceiling === undefined ? {} : { ceiling }),
  });
}

export function decideUpdateAccount(decision: Decision, command: UpdateAccount): LedgerRecord[] {
  const account = decision.requireAccount(command.account);
  decision.requireVersion(account, command);
  const view = decision.ledger.viewAccount(account);
  const { reference, posted } = view;
  if (view.state === AccountState.CLOSED) throw new Rejected("ACCOUNT_CLOSED", { account: reference });
  const { displayName = view.displayName, metadata = view.metadata, floor = view.floor } = command;
  const ceiling = command.ceiling === undefined ? view.ceiling : (command.ceiling ?? undefined);
  if (floor < 0n && view.type !== AccountType.CHECKING)
    throw new Rejected("OVERDRAFT_NOT_ALLOWED", { account: reference });
  const available = decision.available(account);
  if (floor > available)
    throw new Rejected("FLOOR_ABOVE_BALANCE", {
      account: reference,
      ...decision.amounts(account, { available, floor }),
    });
  if (ceiling !== undefined && ceiling < posted)
    throw new Rejected("CEILING_BELOW_BALANCE", {
      account: reference,
      ...decision.amounts(account, { ceiling, posted }),
    });
  const update = { account, displayName, metadata, floor, ceiling };
  return decision.answer({ ...decision.answering(), kind: RecordKind.ACCOUNT_UPDATED, ...update });
}

export function decideChangeState(decision: Decision, command: ChangeState): LedgerRecord[] {
  const account = decision.requireAccount(command.account);
  decision.requireVersion(account, command);
  const state = nextState(decision, command.kind, decision.ledger.viewAccount(account));
  return decision.answer({ ...decision.answering(), kind: RecordKind.ACCOUNT_STATE_CHANGED, account, state });
}

/** Open ⇄ frozen; open → closed, at zero and without open holds. */
function nextState(
  decision: Decision,
  change: ChangeState["kind"],
  account: ReturnType<Decision["ledger"]["viewAccount"]>,
): AccountState {
  const { reference, state, posted, held, index } = account;
  if (state === AccountState.CLOSED) throw new Rejected("ACCOUNT_CLOSED", { account: reference });
  if (change === "unfreezeAccount") {
    if (state !== AccountState.FROZEN) throw new Rejected("ACCOUNT_NOT_FROZEN", { account: reference });
    return AccountState.OPEN;
  }
  if (state === AccountState.FROZEN) throw new Rejected("ACCOUNT_FROZEN", { account: reference });
  if (change === "freezeAccount") return AccountState.FROZEN;
  if (held !== 0n) throw new Rejected("HOLDS_OPEN", { account: reference, ...decision.amounts(index, { held }) });
  if (posted !== 0n)
    throw new Rejected("BALANCE_NOT_ZERO", { account: reference, ...decision.amounts(index, { posted }) });
  return AccountState.CLOSED;
}
