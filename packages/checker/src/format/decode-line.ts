import type { AccountLife, Floor, HistoryAbout, StartAccount, WitnessKind, WitnessRecord } from "../history.ts";
import { decodeOperation } from "./decode-operation.ts";
import { Fields, LineProblem } from "./fields.ts";
import { FORMAT_VERSION, type HistoryLine } from "./line.ts";

const WITNESS_KINDS: readonly WitnessKind[] = [
  "accountOpened",
  "accountUpdated",
  "accountState",
  "deposit",
  "withdrawal",
  "transfer",
  "reversal",
  "interest",
  "hold",
  "capture",
  "holdsExpired",
  "group",
  "rejected",
  "other",
];

/** Throws: `LineProblem`, which says what is wrong with it. */
export function decodeLine(text: string): HistoryLine {
  const fields = Fields.of(parse(text));
  const line = decodeFields(fields);
  fields.end();
  return line;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LineProblem(`it is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function decodeFields(fields: Fields): HistoryLine {
  const type = fields.oneOf("type", ["operation", "record", "account", "history"]);
  switch (type) {
    case "history":
      return { type, about: decodeAbout(fields) };
    case "account":
      return { type, account: decodeAccount(fields) };
    case "record":
      return { type, record: decodeRecord(fields) };
    case "operation":
      return { type, operation: decodeOperation(fields) };
  }
}

function decodeAbout(fields: Fields): HistoryAbout {
  const version = fields.count("version");
  if (version !== FORMAT_VERSION) throw new LineProblem(`version ${version} is not known; ${FORMAT_VERSION} is`);
  return {
    description: fields.optionalText("description") ?? "",
    seed: fields.optionalText("seed"),
    startPosition: fields.optionalCount("startPosition") ?? 0,
    hasJournal: fields.optionalFlag("journal") ?? true,
    isComplete: fields.optionalFlag("complete") ?? true,
  };
}

function decodeAccount(fields: Fields): StartAccount {
  return {
    account: fields.text("account"),
    currency: fields.text("currency"),
    balance: fields.amount("balance"),
    floor: decodeFloor(fields),
  };
}

function decodeFloor(fields: Fields): Floor | undefined {
  return fields.is("floor", "none") ? "none" : fields.optionalAmount("floor");
}

function decodeRecord(fields: Fields): WitnessRecord {
  const kind = fields.oneOf("kind", WITNESS_KINDS);
  const common = {
    position: fields.count("position"),
    kind,
    request: fields.optionalText("request"),
    timeMs: fields.optionalNumber("timeMs"),
  };
  const movement = (f: Fields) => ({ debit: f.text("debit"), credit: f.text("credit"), amount: f.amount("amount") });
  switch (kind) {
    case "accountOpened":
      return {
        ...common,
        account: fields.text("account"),
        currency: fields.text("currency"),
        floor: decodeFloor(fields),
        ceiling: fields.optionalAmount("ceiling"),
      };
    case "accountUpdated":
      return {
        ...common,
        account: fields.text("account"),
        floor: decodeFloor(fields),
        ceiling: fields.optionalAmount("ceiling"),
      };
    case "accountState":
      return {
        ...common,
        account: fields.text("account"),
        state: fields.oneOf<AccountLife>("state", ["open", "frozen", "closed"]),
      };
    case "deposit":
    case "withdrawal":
    case "transfer":
    case "reversal":
      return { ...common, ...movement(fields) };
    case "interest":
      return fields.has("amount") ? { ...common, ...movement(fields) } : common;
    case "hold":
      return { ...common, account: fields.text("account"), hold: fields.count("hold"), held: fields.amount("held") };
    case "capture":
      return { ...common, ...movement(fields), hold: fields.count("hold"), held: fields.amount("held") };
    case "holdsExpired":
      return { ...common, holds: fields.counts("holds") };
    case "group":
      return { ...common, records: fields.count("records") };
    case "rejected":
      return { ...common, reason: fields.text("reason") };
    case "other":
      return common;
  }
}
