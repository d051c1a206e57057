import { isRead, type Movement, type Operation, type OtherAction, type WriteOperation } from "./history.ts";

/** An operation in one line: who, what, where, when and the answer. */
export function describe(operation: Operation): string {
  const { client, invokeMs, returnMs, server } = operation;
  const where = server === undefined ? "" : ` at ${server}`;
  const when = `[${timeOf(invokeMs)}, ${returnMs === undefined ? "…" : timeOf(returnMs)} ms]`;
  return `${client}: ${asked(operation)}${where} ${when} → ${answered(operation)}`;
}

/** Milliseconds, to the microsecond. */
export function timeOf(ms: number): string {
  return String(Math.round(ms * 1000) / 1000);
}

function asked(operation: Operation): string {
  if (!isRead(operation)) return `${change(operation)} (${operation.request})`;
  const { accounts, consistency } = operation;
  const mode =
    consistency.mode === "bounded"
      ? `within ${consistency.maxStalenessMs} ms`
      : consistency.mode === "position"
        ? `as of position ${consistency.position}`
        : consistency.mode === "time"
          ? `as of time ${consistency.timeMs}`
          : consistency.mode;
  return `${mode} read of ${listed(accounts)}`;
}

function change(action: WriteOperation): string {
  switch (action.kind) {
    case "openAccount":
      return "open an account";
    case "group":
      return `group of ${action.items.map(item).join(", ")}`;
    default:
      return item(action);
  }
}

function item(action: Movement | OtherAction): string {
  switch (action.kind) {
    case "deposit":
      return `deposit ${action.amount} to ${action.account}`;
    case "withdraw":
      return `withdraw ${action.amount} from ${action.account}`;
    case "transfer":
      return `transfer ${action.amount} from ${action.from} to ${action.to}`;
    case "other":
      return action.accounts.length === 0 ? action.name : `${action.name} on ${listed(action.accounts)}`;
  }
}

function answered({ outcome }: Operation): string {
  switch (outcome.status) {
    case "ok":
      return "balances" in outcome
        ? `${listed(outcome.balances.map(String))} at ${outcome.position}`
        : `done at ${outcome.position}`;
    case "rejected":
      return `rejected: ${outcome.reason}${outcome.position === undefined ? "" : ` at ${outcome.position}`}`;
    case "notApplied":
      return `not applied${outcome.reason === undefined ? "" : `: ${outcome.reason}`}`;
    case "unknown":
      return "unknown";
  }
}

/** Only the first few of many. */
function listed(texts: readonly string[]): string {
  return texts.length <= 8 ? texts.join(", ") : `${texts.slice(0, 8).join(", ")}, … (${texts.length})`;
}
