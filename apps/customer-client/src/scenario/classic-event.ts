import type { FieldReader } from "./read-fields.ts";
import type { JsonObject, JsonValue } from "./strict-json.ts";

/** An event of the classic exercise as it stands in the file: where it happens depends on the file's shape. */
export interface RawEvent {
  readonly offset: number;
  readonly action: RawAction;
  /** The key that names a branch, when there is one. */
  readonly place: RawPlace | undefined;
}

/** What an event asks for. */
export type RawAction =
  | { readonly interface: "query" }
  | { readonly interface: "deposit" | "withdraw"; readonly amountMinor: bigint };

/** Where an event happens, as the event says. */
export interface RawPlace {
  readonly key: "branch" | "dest";
  readonly keyOffset: number;
  readonly branch: number;
  readonly branchOffset: number;
}

const KNOWN_KEYS = ["id", "interface", "money", "branch", "dest"];

/** Reads one event by itself. Throws: `ScenarioInputError`. */
export function readClassicEvent(fields: FieldReader, value: JsonValue): RawEvent {
  const event = fields.object(value, "an event");
  const name = fields.required(event, "interface", "this event");
  const kind = fields.oneOf(name, ["deposit", "withdraw", "query"], "interface");
  fields.refuseUnknownKeys(event, KNOWN_KEYS, "an event");
  fields.eventId(event);
  const action: RawAction =
    // Some files write a money of 0 on queries; it means nothing there and is not looked at.
    kind === "query"
      ? { interface: kind }
      : { interface: kind, amountMinor: fields.amount(fields.required(event, "money", `this ${kind}`)) };
  return { offset: event.offset, action, place: readPlace(fields, event) };
}

function readPlace(fields: FieldReader, event: JsonObject): RawPlace | undefined {
  const branch = event.members.get("branch");
  const dest = event.members.get("dest");
  if (branch !== undefined && dest !== undefined) {
    const second = Math.max(branch.keyOffset, dest.keyOffset);
    throw fields.source.errorAt(second, 'an event has "branch" or "dest", not both');
  }
  const member = branch ?? dest;
  if (member === undefined) return undefined;
  const key = branch === undefined ? "dest" : "branch";
  return {
    key,
    keyOffset: member.keyOffset,
    branch: fields.branchNumber(member.value, JSON.stringify(key)),
    branchOffset: member.value.offset,
  };
}
