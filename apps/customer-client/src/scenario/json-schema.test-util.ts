/**
 * Whether a value is valid under a JSON Schema (draft 2020-12), as far as our own schema goes: any keyword that is not
 * known here is an error, so that nothing in the schema goes unchecked.
 */
export function isValid(schema: unknown, value: unknown, root: unknown = schema): boolean {
  if (typeof schema === "boolean") return schema;
  return Object.entries(asObject(schema)).every(([keyword, argument]) => {
    const check = KEYWORDS[keyword];
    if (check === undefined) throw new Error(`the schema has a keyword that this test does not know: ${keyword}`);
    return check({ argument, value, schema: asObject(schema), root });
  });
}

interface Check {
  readonly argument: unknown;
  readonly value: unknown;
  /** The schema object that the keyword stands in. */
  readonly schema: Record<string, unknown>;
  readonly root: unknown;
}

const always = (): boolean => true;

const KEYWORDS: Record<string, (check: Check) => boolean> = {
  $schema: always,
  $defs: always,
  title: always,
  description: always,
  $ref: ({ argument, value, root }) => isValid(definition(root, String(argument)), value, root),
  oneOf: ({ argument, value, root }) => asArray(argument).filter((each) => isValid(each, value, root)).length === 1,
  const: ({ argument, value }) => value === argument,
  enum: ({ argument, value }) => asArray(argument).includes(value),
  type: ({ argument, value }) => {
    if (argument === "integer") return Number.isInteger(value);
    if (argument === "array") return Array.isArray(value);
    if (argument === "object") return isObject(value);
    if (argument === "number" || argument === "string") return typeof value === argument;
    throw new Error(`the schema has a type that this test does not know: ${argument}`);
  },
  minimum: ({ argument, value }) => typeof value !== "number" || value >= Number(argument),
  maximum: ({ argument, value }) => typeof value !== "number" || value <= Number(argument),
  exclusiveMinimum: ({ argument, value }) => typeof value !== "number" || value > Number(argument),
  pattern: ({ argument, value }) => typeof value !== "string" || new RegExp(String(argument), "u").test(value),
  minItems: ({ argument, value }) => !Array.isArray(value) || value.length >= Number(argument),
  maxItems: ({ argument, value }) => !Array.isArray(value) || value.length <= Number(argument),
  uniqueItems: ({ argument, value }) => {
    if (argument !== true || !Array.isArray(value)) return true;
    return new Set(value.map((item) => JSON.stringify(item))).size === value.length;
  },
  items: ({ argument, value, root }) => !Array.isArray(value) || value.every((item) => isValid(argument, item, root)),
  required: ({ argument, value }) =>
    !isObject(value) || asArray(argument).every((key) => Object.hasOwn(value, String(key))),
  properties: ({ argument, value, root }) =>
    !isObject(value) ||
    Object.entries(asObject(argument)).every(
      ([key, each]) => !Object.hasOwn(value, key) || isValid(each, value[key], root),
    ),
  additionalProperties: ({ argument, value, schema }) => {
    if (argument !== false) throw new Error("this test knows only additionalProperties false");
    return !isObject(value) || Object.keys(value).every((key) => Object.hasOwn(asObject(schema["properties"]), key));
  },
};

/** `#/$defs/name` */
function definition(root: unknown, reference: string): unknown {
  const name = reference.replace("#/$defs/", "");
  const found = asObject(asObject(root)["$defs"])[name];
  if (found === undefined) throw new Error(`the schema refers to ${reference}, which it does not have`);
  return found;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Record<string, unknown> {
  if (!isObject(value)) throw new Error("the schema has something else where an object is needed");
  return value;
}

function asArray(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error("the schema has something else where an array is needed");
  return value;
}
