import { type FieldViolation, RefusalError } from "@bank/core";

/** A message with thousands of items can break its rules as often; an error must fit into the trailers of a call. */
const VIOLATIONS_MAX = 10;
/** Paths hold names that callers chose, of any length. */
const FIELD_LENGTH_MAX = 128;
const DESCRIPTION_LENGTH_MAX = 256;

/**
 * The refusal of a message whose fields are wrong. Tells of the first of them, with long texts cut.
 *
 * @param item which item of a group they are of, from 1; undefined where the command is no group.
 */
export function malformed(violations: readonly FieldViolation[], item?: number): RefusalError {
  const told = violations.slice(0, VIOLATIONS_MAX).map(({ field, description }) => ({
    field: cut(field, FIELD_LENGTH_MAX),
    description: cut(description, DESCRIPTION_LENGTH_MAX),
  }));
  const texts = told.map(({ field, description }) => (field === "" ? description : `${field}: ${description}`));
  if (told.length < violations.length) texts.push(`and ${violations.length - told.length} more`);
  return new RefusalError("INVALID_REQUEST", { problem: texts.join("; ") }, "NOT_APPLIED", { item, violations: told });
}

function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1).toWellFormed()}…`;
}
