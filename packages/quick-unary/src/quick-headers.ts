import { inspect } from "node:util";

/** Fields of a header as Node has them: by name in lower case, pseudo-headers among them. */
export type NodeHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Names of fields. Source: RFC 9110, section 5.1. */
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
/** Values that Headers would not give as they are: white space at an end is not part of them. */
const PADDED = /^[\t\n\r ]|[\t\n\r ]$/;

/** Values that Headers takes as they are: visible ASCII, with spaces inside. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/;
/** What HTTP/2 has no place for. Node's own responses leave it out too; its streams would refuse the rest with it. */
const CONNECTION = "connection";

/**
 * Headers over Node's own fields. Most calls ask for a field or two, and set one at most: until something else is done, there
 * is no `Headers`, which takes longer to make than all the rest of a call.
 */
export class QuickHeaders implements Headers {
  private fields: NodeHeaders;
  private made: Headers | undefined;
  private isSet = false;

  constructor(fields: NodeHeaders) {
    this.fields = fields;
  }

  /** Whether these are still the fields that it was made with. */
  get isUntouched(): boolean {
    return this.made === undefined && !this.isSet;
  }

  /** As Node sends them. Not for headers that were received: those have pseudo-headers. */
  sent(): Readonly<Record<string, string | string[]>> {
    return this.made === undefined ? (this.fields as Record<string, string>) : fieldsOf(this.made);
  }

  get(name: string): string | null {
    if (this.made !== undefined || !NAME.test(name)) return this.full().get(name);
    const value = this.fields[name.toLowerCase()];
    if (value === undefined) return null;
    return typeof value !== "string" || PADDED.test(value) ? this.full().get(name) : value;
  }

  has(name: string): boolean {
    if (this.made !== undefined || !NAME.test(name)) return this.full().has(name);
    return this.fields[name.toLowerCase()] !== undefined;
  }

  append(name: string, value: string): void {
    this.full().append(name, value);
  }

  set(name: string, value: string): void {
    const key = String(name).toLowerCase();
    if (this.made !== undefined || key === CONNECTION || !NAME.test(key) || !PLAIN.test(value)) {
      this.full().set(name, value);
      return;
    }
    this.fields = { ...this.fields, [key]: String(value) };
    this.isSet = true;
  }

  delete(name: string): void {
    this.full().delete(name);
  }

  getSetCookie(): string[] {
    return this.full().getSetCookie();
  }

  forEach(callback: (value: string, key: string, parent: Headers) => void, thisArg?: unknown): void {
    this.full().forEach((value, key) => {
      callback.call(thisArg, value, key, this);
    });
  }

  keys(): ReturnType<Headers["keys"]> {
    return this.full().keys();
  }

  values(): ReturnType<Headers["values"]> {
    return this.full().values();
  }

  entries(): ReturnType<Headers["entries"]> {
    return this.full().entries();
  }

  [Symbol.iterator](): ReturnType<Headers["entries"]> {
    return this.full().entries();
  }

  [inspect.custom](): Headers {
    return this.full();
  }

  private full(): Headers {
    if (this.made === undefined) {
      this.made = new Headers();
      for (const [name, value] of Object.entries(this.fields)) {
        if (name.startsWith(":") || value === undefined) continue;
        for (const each of typeof value === "string" ? [value] : value) this.made.append(name, each);
      }
    }
    return this.made;
  }
}

// Whoever asks is told that these are Headers; no method of the original is left that could look into itself.
Object.setPrototypeOf(QuickHeaders.prototype, Headers.prototype);

/** The fields of a header as Node sends them. */
export function fieldsOf(headers: Headers): Readonly<Record<string, string | string[]>> {
  if (headers instanceof QuickHeaders) return headers.sent();
  const fields: Record<string, string | string[]> = {};
  // Only cookies come more than once.
  headers.forEach((value, name) => {
    if (name === CONNECTION) return;
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  });
  return fields;
}
