import { decodeUtf8 } from "./decode-utf8.ts";
import { SCENARIO_BYTES_MAX } from "./limits.ts";
import { readClassicScenario } from "./read-classic.ts";
import { readExtendedScenario } from "./read-extended.ts";
import { FieldReader } from "./read-fields.ts";
import type { Scenario } from "./scenario.ts";
import { ScenarioInputError } from "./scenario-error.ts";
import { ScenarioSource } from "./scenario-source.ts";
import { parseStrictJson } from "./strict-json.ts";

/**
 * Reads the contents of a scenario file, all of it checked: what it gives can be run. An array is one of the classic
 * shapes, an object the extended form. See docs/reference/scenario-files.md.
 *
 * `file` is the file's name, for messages only. Bytes are UTF-8, with or without a byte order mark.
 *
 * Throws: `ScenarioInputError` with the first problem and its place: first the encoding, then the JSON, then each
 * object by itself in the order of the file, then what the objects say together.
 */
export function readScenario(contents: Uint8Array | string, file: string): Scenario {
  if (contents.length > SCENARIO_BYTES_MAX) {
    const reason = `the file is larger than ${SCENARIO_BYTES_MAX / 1024 / 1024} MiB`;
    throw new ScenarioInputError({ file, line: 1, column: 1 }, reason);
  }
  const text = typeof contents === "string" ? contents.replace(/^\uFEFF/, "") : decodeUtf8(contents, file);
  const source = new ScenarioSource(file, text);
  const root = parseStrictJson(source);
  switch (root.kind) {
    case "array":
      return readClassicScenario(source, root.items, root.offset);
    case "object":
      return readExtendedScenario(source, root);
    default: {
      const found = new FieldReader(source).describe(root);
      throw source.errorAt(root.offset, `a scenario is an array of customers and branches, not ${found}`);
    }
  }
}
