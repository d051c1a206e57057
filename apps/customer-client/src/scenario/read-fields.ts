import { AMOUNT_MAX, BRANCH_NUMBER_MAX } from "@bank/core";
import { parseDecimal } from "./decimal.ts";
import { CUSTOMER_ID_MAX } from "./limits.ts";
import { SCENARIO_CURRENCY, SCENARIO_DECIMALS } from "./scenario-currency.ts";
import type { ScenarioSource } from "./scenario-source.ts";
import { excerpt } from "./scenario-source.ts";
import type { JsonObject, JsonValue } from "./strict-json.ts";

/** Reads the fields of JSON objects; whatever is wrong is a `ScenarioInputError` at its place. */
export class FieldReader {
  readonly source: ScenarioSource;

  constructor(source: ScenarioSource) {
    this.source = source;
  }

  /** `what` is the value in words, for the message: `a customer`. */
  object(value: JsonValue, what: string): JsonObject {
    if (value.kind === "object") return value;
    throw this.source.errorAt(value.offset, `${what} must be an object, not ${this.describe(value)}`);
  }

  array(value: JsonValue, what: string): readonly JsonValue[] {
    if (value.kind === "array") return value.items;
    throw this.source.errorAt(value.offset, `${what} must be an array, not ${this.describe(value)}`);
  }

  string(value: JsonValue, what: string): string {
    if (value.kind === "string") return value.value;
    throw this.source.errorAt(value.offset, `${what} must be a string, not ${this.describe(value)}`);
  }

  /** The value of a key that has to be there. */
  required(object: JsonObject, key: string, what: string): JsonValue {
    const member = object.members.get(key);
    if (member !== undefined) return member.value;
    throw this.source.errorAt(object.offset, `${what} has no ${JSON.stringify(key)}`);
  }

  /** Refuses keys that mean nothing here: they are typing errors, or another version's features. */
  refuseUnknownKeys(object: JsonObject, known: readonly string[], what: string): void {
    for (const [key, { keyOffset }] of object.members) {
      if (known.includes(key)) continue;
      const reason = `unknown key ${quote(key)} in ${what}; it may have ${known.join(", ")}`;
      throw this.source.errorAt(keyOffset, reason);
    }
  }

  /** One of the named strings. */
  oneOf<Name extends string>(value: JsonValue, names: readonly Name[], what: string): Name {
    const found = this.string(value, what);
    const name = names.find((candidate) => candidate === found);
    if (name !== undefined) return name;
    throw this.source.errorAt(value.offset, `unknown ${what} ${quote(found)}; it must be ${listed(names)}`);
  }

  /** A branch number, 1 to 65535. */
  branchNumber(value: JsonValue, what: string): number {
    const number = this.wholeNumber(value, what, { min: 0, max: BRANCH_NUMBER_MAX });
    if (number > 0) return number;
    throw this.source.errorAt(value.offset, `${what} must be 1 or more: 0 is the bank's head office`);
  }

  customerId(value: JsonValue): number {
    return this.wholeNumber(value, "a customer's id", { min: 1, max: CUSTOMER_ID_MAX });
  }

  /** An event's id is optional and nothing refers to it, so that any count is good enough, from 0 too. */
  eventId(event: JsonObject): void {
    const id = event.members.get("id")?.value;
    if (id !== undefined) this.wholeNumber(id, "an event's id", { min: 0, max: Number.MAX_SAFE_INTEGER });
  }

  /** A whole number, however it is written: `2`, `2.0` and `0.2e1` are the same. */
  wholeNumber(value: JsonValue, what: string, { min, max }: { min: number; max: number }): number {
    const range = `${what} must be a whole number from ${min} to ${max}`;
    if (value.kind !== "number") throw this.source.errorAt(value.offset, `${range}, not ${this.describe(value)}`);
    const number = parseDecimal(value.text, 0);
    if (typeof number === "bigint" && number >= BigInt(min) && number <= BigInt(max)) return Number(number);
    throw this.source.errorAt(value.offset, `${range}, not ${excerpt(value.text)}`);
  }

  /** The money of a deposit, a withdrawal or a transfer, in minor units: more than zero. */
  amount(value: JsonValue): bigint {
    return this.#money(value, "money", { min: 1n, rule: "must be more than zero" });
  }

  /** An opening balance in minor units: zero or more. */
  openingBalance(value: JsonValue): bigint {
    return this.#money(value, "a balance", { min: 0n, rule: "must not be negative" });
  }

  /** A value as a message names it. */
  describe(value: JsonValue): string {
    switch (value.kind) {
      case "object":
        return "an object";
      case "array":
        return "an array";
      case "string":
        return `the string ${quote(value.value)}`;
      case "number":
        return `the number ${excerpt(value.text)}`;
      case "boolean":
        return "true or false";
      case "null":
        return "null";
    }
  }

  #money(value: JsonValue, what: string, { min, rule }: { min: bigint; rule: string }): bigint {
    if (value.kind !== "number") {
      throw this.source.errorAt(value.offset, `${what} must be a number, not ${this.describe(value)}`);
    }
    const written = excerpt(value.text);
    const minor = parseDecimal(value.text, SCENARIO_DECIMALS);
    if (minor === "too-precise") {
      const reason = `${what} has at most ${SCENARIO_DECIMALS} decimals in ${SCENARIO_CURRENCY}, and ${written} has more`;
      throw this.source.errorAt(value.offset, reason);
    }
    if (minor !== "too-large" && minor < min) {
      throw this.source.errorAt(value.offset, `${what} ${rule}, and is ${written}`);
    }
    if (minor === "too-large" || minor > AMOUNT_MAX) {
      throw this.source.errorAt(value.offset, `${what} is more than the bank can hold: ${written}`);
    }
    return minor;
  }
}

/** A string from the file in double quotes. */
export function quote(text: string): string {
  return `"${excerpt(text)}"`;
}

/** `deposit, withdraw or query` */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
