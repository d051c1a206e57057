import { BankError } from "@bank/client";
import { CommanderError } from "commander";
import type { Report } from "./command-context.ts";
import type { JsonObject } from "./documents.ts";
import { EXIT, type ExitCode, exitCodeOf, exitCodeOfSignal } from "./exit-code.ts";
import { printable } from "./printable.ts";
import { ScenarioStoppedError } from "./scenario-stopped-error.ts";
import { quoteWords } from "./shell/split-words.ts";
import { UsageError } from "./usage-error.ts";

/** How a command failed, for people and for programs. */
export interface FailureReport extends Report {
  readonly exitCode: ExitCode;
}

/** What is known of the command that failed. */
export interface FailedCommand {
  /** The words that were typed, without the program's name. */
  readonly words: readonly string[];
  /** `bank ` on a command line, nothing in a shell. */
  readonly prefix: string;
  /** `bank deposit --help` */
  readonly helpCommand: string;
  /** Names the change that it would have made at the bank; undefined for one that changes nothing. */
  readonly requestId: string | undefined;
  /** Whether the words named a request id. */
  readonly requestIdGiven: boolean;
  /** The signal that ended it, if one did. */
  readonly interruptedBy: NodeJS.Signals | undefined;
}

/** Says what happened, where, and what to do about it. */
export function failureReport(error: unknown, command: FailedCommand): FailureReport {
  if (error instanceof BankError) return bankFailure(error, command);
  if (error instanceof UsageError) return usageFailure(error.message, error.metadata, error.details, error.document);
  if (error instanceof ScenarioStoppedError) return bankFailure(error.cause, command, error.message);
  if (error instanceof CommanderError)
    return usageFailure(commanderMessage(error), {}, [`\`${command.helpCommand}\` shows how to use it.`]);
  return systemFailure(error, command);
}

/** What an error says, for programs. */
export function errorDocument(error: BankError): JsonObject {
  const { code, reason, message, metadata } = error;
  return { code, reason, message, metadata: sorted(metadata), ...detailsDocument(error) };
}

/** By name: on the wire they come in any order. */
function sorted(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Which item of a group it is about, and what is wrong with which field of a malformed request; nothing where neither. */
function detailsDocument({ item, violations }: Pick<BankError, "item" | "violations">): JsonObject {
  return {
    ...(item === undefined ? {} : { item }),
    ...(violations.length === 0
      ? {}
      : { violations: violations.map(({ field, description }) => ({ field, description })) }),
  };
}

function usageFailure(
  message: string,
  metadata: Readonly<Record<string, string>>,
  advice: readonly string[] = [],
  details: JsonObject = {},
): FailureReport {
  const said = { code: "INVALID_ARGUMENT", reason: "USAGE", message, metadata } as const;
  return failure({ exitCode: EXIT.USAGE, ...said, details, advice });
}

/** What the parser says, `error: unknown option '--x'`, as a sentence. */
function commanderMessage({ code, message }: CommanderError): string {
  // It has shown its help instead of saying what is wrong.
  if (code === "commander.help") return "A command is missing.";
  const text = message
    .replace(/^error: /, "")
    .trim()
    .replaceAll("\n", " ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?)]$/.test(text) ? "" : "."}`;
}

/** @param stopped what a run that cannot be repeated says instead of how to repeat it. */
function bankFailure(error: BankError, command: FailedCommand, stopped?: string): FailureReport {
  const { code, reason } = error;
  const interrupted = reason === "CANCELED" && command.interruptedBy !== undefined;
  const metadata = { ...error.metadata, ...requestMetadata(error, command) };
  return failure({
    exitCode: interrupted ? exitCodeOfSignal(command.interruptedBy) : exitCodeOf(error),
    code,
    reason: interrupted ? "INTERRUPTED" : reason,
    message: interrupted ? "Interrupted." : (stopped ?? error.message),
    metadata,
    details: detailsDocument(error),
    advice: [...violationLines(error), ...(stopped === undefined ? adviceFor(error, command) : [])],
  });
}

/** Those that the message does not tell already. */
function violationLines({ violations, message }: BankError): string[] {
  return violations
    .map(({ field, description }) => `${field}: ${description}`)
    .filter((line) => !message.includes(line));
}

/** Whether the bank gave no final answer to a change. */
function isOpen(error: BankError, { requestId }: FailedCommand): boolean {
  return requestId !== undefined && error.outcome !== "REJECTED" && exitCodeOf(error) === EXIT.NO_ANSWER;
}

/** With an id that was given, an earlier run may have done it, whatever this one says of itself. */
function requestMetadata(error: BankError, command: FailedCommand): Readonly<Record<string, string>> {
  const { requestId, requestIdGiven } = command;
  if (requestId === undefined || !isOpen(error, command)) return {};
  return { request_id: requestId, outcome: requestIdGiven ? "OUTCOME_UNKNOWN" : error.outcome };
}

/** What to do next, a line each. */
function adviceFor(error: BankError, command: FailedCommand): string[] {
  const next =
    exitCodeOf(error) === EXIT.NO_ANSWER && error.outcome === "NOT_APPLIED" ? NEXT_STEPS[error.reason] : undefined;
  const steps = next === undefined ? [] : [next];
  // A cancellation: it has no id of its own, and needs none.
  if (command.requestId === undefined && error.outcome === "OUTCOME_UNKNOWN")
    return ["Whether it was done is not known: the same command again finds out."];
  if (command.requestId === undefined || !isOpen(error, command)) return steps;
  return [
    outcomeText(error, command),
    ...steps,
    `Request id: ${command.requestId}`,
    "The same command with this id finds out, and is done once at the most:",
    `  ${retryCommand(command, command.requestId)}`,
  ];
}

function outcomeText({ outcome }: BankError, { requestIdGiven }: FailedCommand): string {
  if (outcome === "OUTCOME_UNKNOWN") return "Whether it was done is not known.";
  return requestIdGiven ? "This try did nothing; whether an earlier one did is not known." : "Nothing was done.";
}

const WHO_IS_CONNECTED = "`bank branches --consistency local` shows which branches are connected.";

const NEXT_STEPS: Readonly<Record<string, string>> = {
  CONNECTION_FAILED: "Is the bank running? `npm start` starts one; --server or BANK_SERVER names another.",
  UNEXPECTED_REPLY: "Is this the address of a bank? --server or BANK_SERVER names another.",
  NOT_READY: WHO_IS_CONNECTED,
  TOO_FEW_BRANCHES: WHO_IS_CONNECTED,
  DEADLINE_EXCEEDED: "--timeout gives it more seconds.",
  EPOCH_SUPERSEDED: "--server or BANK_SERVER names the bank that took its place.",
  NOT_LEADER: "--server or BANK_SERVER names the one that keeps the bank, or several, separated by commas.",
};

function retryCommand({ words, prefix, requestIdGiven }: FailedCommand, requestId: string): string {
  return `${prefix}${quoteWords(requestIdGiven ? words : [...words, "--request-id", requestId])}`;
}

/** Ports, disks, and what nobody thought of. */
function systemFailure(error: unknown, { interruptedBy }: FailedCommand): FailureReport {
  if (interruptedBy !== undefined && error instanceof Error && error.name === "AbortError")
    return failure({
      exitCode: exitCodeOfSignal(interruptedBy),
      code: "CANCELED",
      reason: "INTERRUPTED",
      message: "Interrupted.",
      metadata: {},
      advice: [],
    });
  const isSystem = error instanceof Error && "syscall" in error;
  const causes = error instanceof AggregateError ? error.errors.map((each) => `: ${messageOf(each)}`).join("") : "";
  const message = messageOf(error) + causes;
  return failure({
    exitCode: EXIT.NO_ANSWER,
    code: "INTERNAL",
    reason: isSystem ? "SYSTEM" : "INTERNAL",
    message,
    metadata: {},
    // Without the stack nobody could find the fault in the program itself.
    advice:
      isSystem || !(error instanceof Error)
        ? []
        : [
            "This is a fault in the program.",
            ...(error.stack ?? "")
              .split("\n")
              .slice(1)
              .map((line) => line.trim()),
          ],
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface FailureParts {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** More that programs are told. */
  readonly details?: JsonObject;
  readonly advice: readonly string[];
}

function failure({ exitCode, code, reason, message, metadata, details, advice }: FailureParts): FailureReport {
  const lines = [`bank: ${printable(message)}`, ...advice.map((line) => `      ${printable(line)}`)];
  return {
    exitCode,
    document: { code, reason, message, metadata: sorted(metadata), ...details },
    text: lines.map((line) => `${line}\n`).join(""),
  };
}
