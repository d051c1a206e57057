import { COMMANDS_PER_CALL_MAX, type FieldViolation } from "@bank/core";
import type { ExecuteBatchRequest } from "@bank/proto";
import { type DescField, type DescMessage, getOption, hasOption, type Message } from "@bufbuild/protobuf";
import { field as fieldRules, Ignore } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { commandCount } from "./command-codec.ts";

/** How many entries a list may have. */
interface CountRule {
  readonly localName: string;
  readonly name: string;
  readonly min: number;
  readonly max: number;
}

const rulesOf = new Map<DescMessage, readonly CountRule[]>();

/**
 * The lists of a message that have more entries than they may, as the validator says it, which would look at every entry first:
 * a message of a few bytes an entry has two million of them.
 */
export function tooMany(type: DescMessage, message: Message): readonly FieldViolation[] {
  return violations(type, message, ({ max }, count) => count <= max);
}

/** Likewise those that have too few. */
export function wronglyCounted(type: DescMessage, message: Message): readonly FieldViolation[] {
  return violations(type, message, ({ min, max }, count) => count >= min && count <= max);
}

/** A batch with more commands than a call may have. Those inside groups count: each has a result. */
export function tooManyCommands({ items }: ExecuteBatchRequest): readonly FieldViolation[] {
  const count = items.reduce((sum, { command }) => sum + (command.case === undefined ? 1 : commandCount(command)), 0);
  if (count <= COMMANDS_PER_CALL_MAX) return [];
  const description = `must have at most ${COMMANDS_PER_CALL_MAX} commands, those inside groups counted, not ${count}`;
  return [{ field: "items", description }];
}

function violations(
  type: DescMessage,
  message: Message,
  isFine: (rule: CountRule, count: number) => boolean,
): readonly FieldViolation[] {
  let rules = rulesOf.get(type);
  if (rules === undefined) {
    rules = type.fields.flatMap(countRule);
    rulesOf.set(type, rules);
  }
  const found: FieldViolation[] = [];
  for (const rule of rules) {
    const { length } = (message as unknown as Readonly<Record<string, ArrayLike<unknown>>>)[rule.localName] ?? [];
    if (isFine(rule, length)) continue;
    const [more, limit] = length > rule.max ? ["no more than", rule.max] : ["at least", rule.min];
    found.push({ field: rule.name, description: `must contain ${more} ${limit} item(s)` });
  }
  return found;
}

function countRule(field: DescField): CountRule[] {
  if (field.fieldKind !== "list" || !hasOption(field, fieldRules)) return [];
  const { type, ignore } = getOption(field, fieldRules);
  if (type.case !== "repeated" || ignore !== Ignore.UNSPECIFIED) return [];
  const { localName, name } = field;
  const { minItems, maxItems } = type.value;
  // Neither is ever 0: a list that must be empty would be none.
  return [
    { localName, name, min: Number(minItems), max: maxItems === 0n ? Number.POSITIVE_INFINITY : Number(maxItems) },
  ];
}
