import type { JsonObject } from "./documents.ts";
import { type ScenarioError, ScenarioInputError } from "./scenario/index.ts";

/** The command cannot be run as it was written. Nothing was done. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** Every variable part of the message, for `--json`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What a person is told besides, a line each. */
  readonly details: readonly string[];
  /** What `--json` tells besides. */
  readonly document: JsonObject;

  constructor(
    message: string,
    metadata: Readonly<Record<string, string>> = {},
    details: readonly string[] = [],
    document: JsonObject = {},
  ) {
    super(message);
    this.metadata = metadata;
    this.details = details;
    this.document = document;
  }
}

/** A scenario file that cannot be run, as wrong usage. */
export function refusedScenario(error: ScenarioError): UsageError {
  const { file, message } = error;
  const place = error instanceof ScenarioInputError ? { line: String(error.line), column: String(error.column) } : {};
  return new UsageError(message, { file, ...place });
}
