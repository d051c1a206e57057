import type { BatchCommand, GroupCommand } from "@bank/client";
import { checkCommand, describe, parseRequestId } from "@bank/core";
import { coreCommand } from "../core-command.ts";
import { BATCH_COMMANDS } from "./commands.ts";
import { Fields } from "./fields.ts";
import { LineProblem } from "./line-problem.ts";
import { isObject, type LineObject, parseObject } from "./parse-object.ts";

/** A command or a group of a batch file. */
export interface BatchLine {
  /** From 1, lines without a command counted too. */
  readonly line: number;
  /** With the request id that the line says, or none. */
  readonly command: BatchCommand;
  /** Commands in it: those of a group one by one. */
  readonly commands: number;
  readonly characters: number;
}

/** What is wrong with a line. */
export interface BatchProblem {
  readonly line: number;
  readonly problem: string;
}

export interface ReadBatch {
  readonly lines: readonly BatchLine[];
  /** In the order of their lines. Where there are any, nothing should be sent. */
  readonly problems: readonly BatchProblem[];
}

/**
 * Reads a batch file: a command or a group a line, each one JSON object; empty lines mean nothing. Checks everything that
 * does not hang on the state of the bank.
 *
 * @param currency of amounts that name none.
 */
export function readBatch(text: string, currency: string | undefined): ReadBatch {
  const lines: BatchLine[] = [];
  const problems: BatchProblem[] = [];
  const ids = new Map<string, number>();
  text.split(/\r?\n/).forEach((source, i) => {
    if (source.trim() === "") return;
    const line = i + 1;
    try {
      const command = readCommand(parseObject(source), currency);
      refuseSecond(ids, command.requestId, line);
      const commands = command.kind === "group" ? command.items.length : 1;
      lines.push({ line, command, commands, characters: source.length });
    } catch (error) {
      if (!(error instanceof LineProblem)) throw error;
      problems.push({ line, problem: error.message });
    }
  });
  return { lines, problems };
}

function readCommand(object: LineObject, currency: string | undefined): BatchCommand {
  const fields = new Fields(object, currency);
  const requestId = fields.optionalText("request_id");
  if (requestId !== undefined && parseRequestId(requestId) === undefined)
    throw new LineProblem(`"request_id" ${JSON.stringify(requestId)} is no UUID`);
  const name = fields.text("command");
  const command: BatchCommand =
    name === "group"
      ? { kind: "group", items: readItems(fields, currency), requestId }
      : { ...readItem(name, fields), requestId };
  const refusal = checkCommand(coreCommand(command));
  if (refusal === undefined) return command;
  const place = refusal.item === undefined ? "" : `item ${refusal.item}: `;
  throw new LineProblem(`${place}${describe(refusal.reason, refusal.metadata)}`);
}

function readItems(fields: Fields, currency: string | undefined): GroupCommand[] {
  const items = fields.take("items");
  if (!Array.isArray(items)) throw new LineProblem('a group has "items", a list of commands');
  const common = fields.take("currency") === undefined ? currency : fields.currency("group");
  fields.end("group");
  return items.map((item: unknown, i) => {
    try {
      if (!isObject(item)) throw new LineProblem("it must be an object");
      const itemFields = new Fields(item, common);
      const name = itemFields.text("command");
      if (name === "group") throw new LineProblem("a group holds no groups");
      return readItem(name, itemFields);
    } catch (error) {
      throw error instanceof LineProblem ? new LineProblem(`item ${i + 1}: ${error.message}`) : error;
    }
  });
}

function readItem(name: string, fields: Fields): GroupCommand {
  const read = Object.hasOwn(BATCH_COMMANDS, name) ? BATCH_COMMANDS[name] : undefined;
  if (read === undefined)
    throw new LineProblem(
      `${JSON.stringify(name)} is no command; there are ${[...Object.keys(BATCH_COMMANDS), "group"].join(", ")}`,
    );
  const command = read(fields);
  fields.end(name);
  return command;
}

/** Two lines under one id could not both be done. */
function refuseSecond(ids: Map<string, number>, requestId: string | undefined, line: number): void {
  if (requestId === undefined) return;
  const id = requestId.toLowerCase();
  const first = ids.get(id);
  if (first !== undefined) throw new LineProblem(`line ${first} has the same "request_id"`);
  ids.set(id, line);
}
