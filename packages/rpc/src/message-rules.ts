import type { FieldViolation } from "@bank/core";
import {
  type BatchItem,
  BatchItemSchema,
  ExecuteBatchRequestSchema,
  ExecuteGroupRequestSchema,
  ExecuteMovementsRequestSchema,
} from "@bank/proto";
import { create, type DescMessage, isMessage, type Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { tooMany, tooManyCommands } from "./message-counts.ts";
import { plainColumns } from "./movement-codec.ts";
import { isPlain, isPlainItem } from "./plain-messages.ts";

/**
 * Holds messages against the rules that they carry. Compiles the rules of a message when it first sees one, and keeps
 * them: one serves all servers of a process.
 *
 * The validator loses the rules of a message that it meets again while it compiles that very message: an item can be a
 * group, whose items are items. So items are compiled first, which leaves out the items of groups alone, and those are
 * held against their rules here. Source: the same was found and fixed in protovalidate-go, pull request 142.
 */
export class MessageRules {
  private readonly validator = createValidator();
  private itemsAreCompiled = false;

  /**
   * What is wrong with which field; empty where nothing is.
   * Throws: what the validator throws for rules that make no sense.
   */
  violations(type: DescMessage, message: Message): readonly FieldViolation[] {
    if (isPlain(type, message)) return [];
    const uncounted = tooMany(type, message);
    if (uncounted.length > 0) return uncounted;
    if (!this.itemsAreCompiled) this.check(BatchItemSchema, create(BatchItemSchema));
    this.itemsAreCompiled = true;
    // A few among thousands of plain ones, as a rule.
    if (isMessage(message, ExecuteBatchRequestSchema)) {
      const beyond = tooManyCommands(message);
      if (beyond.length > 0) return beyond;
      if (this.areFine(message.items)) return [];
    }
    const shown = isMessage(message, ExecuteMovementsRequestSchema) ? plainColumns(message) : message;
    const found = this.check(type, shown);
    return found.length > 0 ? found : this.insideGroups(message);
  }

  private areFine(items: readonly BatchItem[]): boolean {
    return items.length > 0 && items.every((item) => isPlainItem(item) || this.isFine(item));
  }

  private isFine(item: BatchItem): boolean {
    if (this.check(BatchItemSchema, item).length > 0) return false;
    return item.command.case !== "group" || item.command.value.items.every((each) => this.isFine(each));
  }

  private insideGroups(message: Message): readonly FieldViolation[] {
    if (isMessage(message, ExecuteGroupRequestSchema)) return this.ofItems("", message.items);
    if (!isMessage(message, ExecuteBatchRequestSchema)) return [];
    return message.items.flatMap(({ command }, i) =>
      command.case === "group" ? this.ofItems(`items[${i}].group.`, command.value.items) : [],
    );
  }

  private ofItems(path: string, items: readonly BatchItem[]): readonly FieldViolation[] {
    return items.flatMap((item, i) =>
      this.check(BatchItemSchema, item).map(({ field, description }) => ({
        field: `${path}items[${i}].${field}`,
        description,
      })),
    );
  }

  private check(type: DescMessage, message: Message): readonly FieldViolation[] {
    const result = this.validator.validate(type, message);
    if (result.kind === "error") throw result.error;
    if (result.kind === "valid") return [];
    return result.violations.map(({ field, message: description }) => ({ field: pathToString(field), description }));
  }
}
