import type { Metadata, Money } from "@bank/client";
import { parseMinor, parseMoney, parseSignedMinor } from "../money-text.ts";
import { parseTime } from "../time-text.ts";
import { UsageError } from "../usage-error.ts";
import { LineProblem } from "./line-problem.ts";
import { isObject, type LineObject } from "./parse-object.ts";

/** Takes the fields of one command out of its JSON, and knows in the end whether any is left. Throws: `LineProblem`. */
export class Fields {
  private readonly object: LineObject;
  private readonly taken = new Set<string>();
  private readonly currencyDefault: string | undefined;

  /** @param currencyDefault of amounts that name none. */
  constructor(object: LineObject, currencyDefault: string | undefined) {
    this.object = object;
    this.currencyDefault = currencyDefault;
  }

  text(name: string): string {
    const value = this.optionalText(name);
    if (value === undefined) throw new LineProblem(`it has no ${JSON.stringify(name)}`);
    return value;
  }

  optionalText(name: string): string | undefined {
    const value = this.take(name);
    if (value === undefined || typeof value === "string") return value;
    throw new LineProblem(`${JSON.stringify(name)} must be text in quotes`);
  }

  /** An amount of more than zero. */
  money(name: string): Money {
    const money = this.optionalMoney(name);
    if (money === undefined) throw new LineProblem(`it has no ${JSON.stringify(name)}`);
    return money;
  }

  optionalMoney(name: string): Money | undefined {
    const text = this.optionalText(name);
    return text === undefined ? undefined : told(() => parseMoney(text, this.currency(name)));
  }

  /** Minor units of an amount that may be zero. */
  optionalMinor(name: string): bigint | undefined {
    const text = this.optionalText(name);
    return text === undefined ? undefined : told(() => parseMinor(text, this.currency(name)));
  }

  /** Minor units of an amount that may be zero or less. */
  optionalSignedMinor(name: string): bigint | undefined {
    const text = this.optionalText(name);
    return text === undefined ? undefined : told(() => parseSignedMinor(text, this.currency(name)));
  }

  /** A transaction or a hold, as a number or, as `--json` writes it, as text. */
  position(name: string): number {
    const position = this.optionalPosition(name);
    if (position === undefined) throw new LineProblem(`it has no ${JSON.stringify(name)}`);
    return position;
  }

  optionalPosition(name: string): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    const number = typeof value === "string" && /^[0-9]{1,16}$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && Number.isSafeInteger(number) && number >= 1) return number;
    throw new LineProblem(`${JSON.stringify(name)} must be a whole number from 1`);
  }

  /** Unix milliseconds. */
  optionalTime(name: string): number | undefined {
    const text = this.optionalText(name);
    return text === undefined ? undefined : told(() => parseTime(text, JSON.stringify(name)));
  }

  optionalMetadata(name: string): Metadata | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    const entries = isObject(value) ? Object.entries(value) : undefined;
    if (entries?.every((entry): entry is [string, string] => typeof entry[1] === "string") === true)
      return Object.fromEntries(entries);
    throw new LineProblem(`${JSON.stringify(name)} must be an object of texts`);
  }

  /** The value of a field; undefined where it is not there. */
  take(name: string): unknown {
    this.taken.add(name);
    return Object.hasOwn(this.object, name) ? this.object[name] : undefined;
  }

  /** The currency of an amount. */
  currency(of: string): string {
    const code = this.optionalText("currency") ?? this.currencyDefault;
    if (code === undefined)
      throw new LineProblem(`${JSON.stringify(of)} needs a "currency", on the line or as --currency for all lines`);
    return code.toUpperCase();
  }

  /** Refuses what nobody took: it is a typing error, or means nothing here. */
  end(what: string): void {
    const left = Object.keys(this.object).find((name) => !this.taken.has(name));
    if (left === undefined) return;
    throw new LineProblem(`${JSON.stringify(left)} means nothing to ${what}`);
  }
}

/** What is wrong with a value by itself, as a problem of its line. */
function told<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof UsageError ? new LineProblem(error.message) : error;
  }
}
