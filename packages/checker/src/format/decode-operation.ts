import type {
  Movement,
  NotAppliedOutcome,
  Operation,
  OtherAction,
  PropagationAsked,
  PropagationReached,
  ReadConsistency,
  ReadOutcome,
  UnknownOutcome,
  WriteAction,
  WriteOutcome,
} from "../history.ts";
import { type Fields, LineProblem } from "./fields.ts";

/** Takes an operation from its fields. Throws: `LineProblem`. */
export function decodeOperation(fields: Fields): Operation {
  const kind = fields.oneOf("kind", [
    "balance",
    "total",
    "deposit",
    "withdraw",
    "transfer",
    "openAccount",
    "group",
    "other",
  ]);
  const call = {
    client: fields.text("client"),
    process: fields.optionalText("process"),
    server: fields.optionalText("server"),
    session: fields.optionalText("session"),
    invokeMs: fields.number("invokeMs"),
    returnMs: fields.optionalNumber("returnMs"),
  };
  const { invokeMs, returnMs } = call;
  if (returnMs !== undefined && returnMs < invokeMs)
    throw new LineProblem(`it returned at ${returnMs}, before it was invoked at ${invokeMs}: is that one clock?`);
  const operation: Operation =
    kind === "balance" || kind === "total"
      ? { ...call, kind, ...decodeRead(fields, kind) }
      : {
          ...call,
          ...decodeAction(fields, kind),
          request: fields.text("request"),
          propagation: decodeAsked(fields.optionalObject("propagation")),
          outcome: decodeWriteOutcome(fields.object("outcome")),
        };
  if (returnMs === undefined && operation.outcome.status !== "unknown")
    throw new LineProblem(`returnMs is missing, and the outcome is ${operation.outcome.status}`);
  return operation;
}

function decodeRead(fields: Fields, kind: "balance" | "total") {
  const accounts = fields.texts("accounts");
  if (kind === "balance" && accounts.length !== 1)
    throw new LineProblem(`accounts has ${accounts.length} entries; a balance is of one account`);
  const outcome = decodeReadOutcome(fields.object("outcome"));
  if (outcome.status === "ok" && outcome.balances.length !== accounts.length)
    throw new LineProblem(`outcome.balances has ${outcome.balances.length} entries for ${accounts.length} accounts`);
  return { accounts, consistency: decodeConsistency(fields.object("consistency")), outcome };
}

function decodeAction(fields: Fields, kind: WriteAction["kind"]): WriteAction {
  switch (kind) {
    case "openAccount":
      return { kind, currency: fields.optionalText("currency"), floor: fields.optionalAmount("floor") };
    case "group":
      return { kind, items: fields.objects("items").map(decodeItem) };
    default:
      return decodeSimple(fields, kind);
  }
}

function decodeItem(fields: Fields): Movement | OtherAction {
  const item = decodeSimple(fields, fields.oneOf("kind", ["deposit", "withdraw", "transfer", "other"]));
  fields.end();
  return item;
}

function decodeSimple(fields: Fields, kind: Movement["kind"] | "other"): Movement | OtherAction {
  switch (kind) {
    case "deposit":
    case "withdraw":
      return { kind, account: fields.text("account"), amount: positive(fields) };
    case "transfer":
      return { kind, from: fields.text("from"), to: fields.text("to"), amount: positive(fields) };
    case "other":
      return { kind, name: fields.text("name"), accounts: fields.optionalTexts("accounts") ?? [] };
  }
}

function positive(fields: Fields): bigint {
  const amount = fields.amount("amount");
  if (amount <= 0n) throw new LineProblem(`amount is ${amount}; it is at least 1`);
  return amount;
}

function decodeAsked(fields: Fields | undefined): PropagationAsked | undefined {
  if (fields === undefined) return undefined;
  const mode = fields.oneOf("mode", ["quorum", "allBranches"]);
  const asked: PropagationAsked = mode === "quorum" ? { mode, copies: fields.count("copies") } : { mode };
  fields.end();
  return asked;
}

function decodeReached(fields: Fields | undefined): PropagationReached | undefined {
  if (fields === undefined) return undefined;
  const reached = {
    satisfied: fields.flag("satisfied"),
    copies: fields.optionalCount("copies"),
    missing: fields.optionalTexts("missing"),
  };
  fields.end();
  return reached;
}

function decodeConsistency(fields: Fields): ReadConsistency {
  const mode = fields.oneOf("mode", ["linearizable", "session", "bounded", "local", "position", "time"]);
  const consistency = decodeMode(fields, mode);
  fields.end();
  return consistency;
}

function decodeMode(fields: Fields, mode: ReadConsistency["mode"]): ReadConsistency {
  switch (mode) {
    case "bounded":
      return { mode, maxStalenessMs: fields.number("maxStalenessMs") };
    case "position":
      return { mode, position: fields.count("position") };
    case "time":
      return { mode, timeMs: fields.number("timeMs") };
    default:
      return { mode };
  }
}

function decodeWriteOutcome(fields: Fields): WriteOutcome {
  const outcome = decodeWriteStatus(fields);
  fields.end();
  return outcome;
}

function decodeWriteStatus(fields: Fields): WriteOutcome {
  const status = fields.oneOf("status", ["ok", "rejected", "notApplied", "unknown"]);
  switch (status) {
    case "ok":
      return {
        status,
        position: fields.count("position"),
        session: fields.optionalCount("session"),
        replayed: fields.optionalFlag("replayed"),
        account: fields.optionalText("account"),
        propagation: decodeReached(fields.optionalObject("propagation")),
      };
    case "rejected":
      return {
        status,
        reason: fields.text("reason"),
        position: fields.optionalCount("position"),
        session: fields.optionalCount("session"),
        replayed: fields.optionalFlag("replayed"),
      };
    default:
      return decodeNothing(fields, status);
  }
}

function decodeReadOutcome(fields: Fields): ReadOutcome {
  const status = fields.oneOf("status", ["ok", "notApplied", "unknown"]);
  const outcome: ReadOutcome =
    status === "ok"
      ? {
          status,
          position: fields.count("position"),
          balances: fields.amounts("balances"),
          session: fields.optionalCount("session"),
          stalenessMs: fields.optionalNumber("stalenessMs"),
          connected: fields.optionalFlag("connected"),
        }
      : decodeNothing(fields, status);
  fields.end();
  return outcome;
}

function decodeNothing(fields: Fields, status: "notApplied" | "unknown"): NotAppliedOutcome | UnknownOutcome {
  return { status, reason: fields.optionalText("reason") };
}
