import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isValid } from "./json-schema.test-util.ts";
import { readScenario } from "./read-scenario.ts";
import { EXAMPLES, ROOT, scenarioCases } from "./scenario-cases.test-util.ts";
import { ScenarioInputError } from "./scenario-error.ts";

const schema: unknown = JSON.parse(readFileSync(join(ROOT, "docs/reference/scenario.schema.json"), "utf8"));

const extended = scenarioCases(EXAMPLES)
  .filter(({ folder }) => folder === "extended")
  .map(({ name, inputPath }) => ({ name, text: readFileSync(inputPath, "utf8") }));

/** What only the runner can see, because a schema looks at one place at a time. */
const BEYOND_A_SCHEMA =
  /the file has no (branch|account)|is there twice|not to the same one|more than 2 decimals|at most 2/;

/** Why the reader refuses a text, or undefined when it takes it. */
function refusal(text: string): string | undefined {
  try {
    readScenario(text, "f");
  } catch (error) {
    if (error instanceof ScenarioInputError) return error.reason;
    throw error;
  }
  return undefined;
}

/** The value with one thing changed, in every way and at every place, and what was changed. */
function* changes(value: unknown, path = "$"): Generator<{ readonly what: string; readonly changed: unknown }> {
  const others = [undefined, null, true, "", "x", "anna", 0, 1, 3, 9, 0.5, 0.001, -1, 65_536, 1e17, 1e300, [], [1], {}];
  for (const other of others) yield { what: `${path} = ${JSON.stringify(other)}`, changed: other };
  if (Array.isArray(value)) {
    yield { what: `${path} twice the first`, changed: [...value, value[0]] };
    for (const [index, item] of value.entries()) {
      for (const { what, changed } of changes(item, `${path}[${index}]`)) {
        yield { what, changed: changed === undefined ? value.toSpliced(index, 1) : value.with(index, changed) };
      }
    }
  } else if (typeof value === "object" && value !== null) {
    yield { what: `${path} with another key`, changed: { ...value, other: 1 } };
    for (const [key, member] of Object.entries(value)) {
      for (const { what, changed } of changes(member, `${path}.${key}`))
        yield { what, changed: { ...value, [key]: changed } };
    }
  }
}

describe("docs/reference/scenario.schema.json", () => {
  it.each(extended)("takes the example $name", ({ text }) => {
    expect(isValid(schema, JSON.parse(text))).toBe(true);
  });

  it.each(extended)("agrees with the reader on every change of $name", ({ text }) => {
    const counts = { taken: 0, refused: 0, beyond: 0 };
    for (const { what, changed } of changes(JSON.parse(text))) {
      // A classic file is an array; the schema is only for the extended form.
      if (changed === undefined || Array.isArray(changed)) continue;
      const changedText = JSON.stringify(changed);
      const reason = refusal(changedText);
      const valid = isValid(schema, JSON.parse(changedText));
      if (valid && reason !== undefined) {
        expect(reason, what).toMatch(BEYOND_A_SCHEMA);
        counts.beyond++;
      } else {
        expect(valid, `${what}: ${reason}`).toBe(reason === undefined);
        counts[valid ? "taken" : "refused"]++;
      }
    }
    expect(Math.min(counts.taken, counts.refused, counts.beyond)).toBeGreaterThan(20);
  });
});
