/** What is wrong with a line. */
export class LineProblem extends Error {
  override readonly name = "LineProblem";
}

const AMOUNT = /^(?:0|-?[1-9][0-9]{0,39})$/;

/**
 * The fields of one JSON object, read once each and checked on the way. Whatever is not read is not known, and a reader
 * that skipped it could miss what it means; so `end` refuses it.
 */
export class Fields {
  private readonly value: Readonly<Record<string, unknown>>;
  private readonly path: string;
  private readonly read: string[] = [];
  private present = 0;

  private constructor(value: Readonly<Record<string, unknown>>, path: string) {
    this.value = value;
    this.path = path;
  }

  /** Throws: `LineProblem` for anything but an object. */
  static of(value: unknown, path = ""): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new LineProblem(path === "" ? "it is no JSON object" : `${path} is no object`);
    return new Fields(value as Readonly<Record<string, unknown>>, path);
  }

  has(name: string): boolean {
    return this.value[name] !== undefined;
  }

  /** Whether the field has that very value; if so it counts as read. */
  is(name: string, value: string): boolean {
    return this.value[name] === value && this.take(name) === value;
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.missing(name, "a text");
  }

  optionalText(name: string): string | undefined {
    const value = this.take(name);
    if (value !== undefined && typeof value !== "string") throw this.wrong(name, "a text", value);
    return value;
  }

  texts(name: string): readonly string[] {
    return this.optionalTexts(name) ?? this.missing(name, "a list of texts");
  }

  optionalTexts(name: string): readonly string[] | undefined {
    const values = this.list(name);
    for (const value of values ?? []) if (typeof value !== "string") throw this.wrong(name, "a list of texts", values);
    return values as readonly string[] | undefined;
  }

  /** One of the given texts. */
  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.text(name);
    if (!(allowed as readonly string[]).includes(value)) throw this.wrong(name, `one of ${allowed.join(", ")}`, value);
    return value as T;
  }

  flag(name: string): boolean {
    return this.optionalFlag(name) ?? this.missing(name, "true or false");
  }

  optionalFlag(name: string): boolean | undefined {
    const value = this.take(name);
    if (value !== undefined && typeof value !== "boolean") throw this.wrong(name, "true or false", value);
    return value;
  }

  /** A whole number from 0. */
  count(name: string): number {
    return this.optionalCount(name) ?? this.missing(name, "a whole number");
  }

  optionalCount(name: string): number | undefined {
    const value = this.take(name);
    if (value === undefined || isCount(value)) return value;
    throw this.wrong(name, "a whole number", value);
  }

  counts(name: string): readonly number[] {
    const values = this.list(name) ?? this.missing(name, "a list of whole numbers");
    for (const value of values) if (!isCount(value)) throw this.wrong(name, "a list of whole numbers", values);
    return values as readonly number[];
  }

  /** Any finite number. */
  number(name: string): number {
    return this.optionalNumber(name) ?? this.missing(name, "a number");
  }

  optionalNumber(name: string): number | undefined {
    const value = this.take(name);
    if (value === undefined || (typeof value === "number" && Number.isFinite(value))) return value;
    throw this.wrong(name, "a number", value);
  }

  /** Minor units, as a decimal text, because a JSON number cannot hold all of them. */
  amount(name: string): bigint {
    return this.optionalAmount(name) ?? this.missing(name, "an amount");
  }

  optionalAmount(name: string): bigint | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string" || !AMOUNT.test(value)) throw this.wrong(name, 'an amount such as "1250"', value);
    return BigInt(value);
  }

  amounts(name: string): readonly bigint[] {
    const values = this.list(name) ?? this.missing(name, "a list of amounts");
    return values.map((value) => {
      if (typeof value !== "string" || !AMOUNT.test(value)) throw this.wrong(name, 'a list such as ["1250"]', values);
      return BigInt(value);
    });
  }

  object(name: string): Fields {
    return this.optionalObject(name) ?? this.missing(name, "an object");
  }

  optionalObject(name: string): Fields | undefined {
    const value = this.take(name);
    return value === undefined ? undefined : Fields.of(value, this.pathOf(name));
  }

  objects(name: string): readonly Fields[] {
    const values = this.list(name) ?? this.missing(name, "a list of objects");
    return values.map((value, n) => Fields.of(value, `${this.pathOf(name)}[${n}]`));
  }

  /** Throws: `LineProblem` where there is a field that nobody has read. */
  end(): void {
    const names = Object.keys(this.value);
    if (names.length === this.present) return;
    const unknown = names.find((name) => !this.read.includes(name)) ?? names[0] ?? "";
    throw new LineProblem(`${this.pathOf(unknown)} is a field that this version does not know here`);
  }

  private take(name: string): unknown {
    const value = this.value[name];
    if (value === undefined) return undefined;
    this.present++;
    this.read.push(name);
    return value;
  }

  private list(name: string): readonly unknown[] | undefined {
    const value = this.take(name);
    if (value !== undefined && !Array.isArray(value)) throw this.wrong(name, "a list", value);
    return value;
  }

  private missing(name: string, what: string): never {
    throw new LineProblem(`${this.pathOf(name)} is missing; it is ${what}`);
  }

  private wrong(name: string, what: string, value: unknown): LineProblem {
    const text = JSON.stringify(value);
    return new LineProblem(`${this.pathOf(name)} is ${what}, not ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`);
  }

  private pathOf(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
