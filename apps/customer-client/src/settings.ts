import { randomUUID } from "node:crypto";
import { TIMEOUT_MAX_MS } from "@bank/client";
import { BRANCH_NUMBER_MAX, parseRequestId } from "@bank/core";
import { serverUrl } from "@bank/rpc";
import { type Command, Option } from "commander";
import { UsageError } from "./usage-error.ts";

const SERVER_DEFAULT = "127.0.0.1:50051";
const TIMEOUT_DEFAULT_S = 10;

/** The heading of the options that every command has. */
export const COMMON_OPTIONS = "Everywhere:";

/** What the options that every command has say. */
export interface Settings {
  /** URL of the bank, or of a branch that is asked where the others are. */
  readonly server: string;
  /** Whether the command's own words name the server, not only its shell, the environment or the default. */
  readonly serverGiven: boolean;
  /** The branch to talk to; undefined for the server itself. */
  readonly branch: number | undefined;
  readonly requestId: string;
  /** Whether the command line names it, so that an earlier try may have used it. */
  readonly requestIdGiven: boolean;
  readonly timeoutMs: number;
  readonly json: boolean;
}

/** The same, as they stand on a command line. */
export interface GivenSettings {
  readonly server?: string;
  readonly branch?: string;
  readonly requestId?: string;
  readonly timeout?: string;
  readonly json?: boolean;
}

/** Adds the options to a command. They may stand before its name and behind it; what stands last in the tree counts. */
export function addCommonOptions(command: Command): Command {
  const options = [
    new Option("--server <url>", `the bank, or one of its branches (default: $BANK_SERVER, else ${SERVER_DEFAULT})`),
    new Option("--branch <n>", "talk to this branch, which the server knows"),
    new Option("--request-id <uuid>", "names a change for ever: done once at the most (default: a new one)"),
    new Option("--timeout <seconds>", `how long to try (default: ${TIMEOUT_DEFAULT_S})`),
    new Option("--json", "print one JSON document"),
  ];
  for (const option of options) command.addOption(option.helpGroup(COMMON_OPTIONS));
  return command;
}

/** What a command and those above it were given; the innermost counts. */
export function givenSettings(command: Command): GivenSettings {
  const { parent } = command;
  return { ...(parent === null ? {} : givenSettings(parent)), ...definedOf(command.opts<GivenSettings>()) };
}

/**
 * The settings of a command: its own, else its shell's, else the environment's and the defaults.
 * Throws: `UsageError`.
 */
export function settingsOf(
  own: GivenSettings,
  base: GivenSettings,
  env: Readonly<Record<string, string | undefined>>,
): Settings {
  const given = { ...base, ...own };
  return {
    server: serverOf(given.server, env["BANK_SERVER"]),
    serverGiven: own.server !== undefined,
    branch: given.branch === undefined ? undefined : branchNumber(given.branch),
    requestId: given.requestId === undefined ? randomUUID() : requestIdOf(given.requestId),
    requestIdGiven: given.requestId !== undefined,
    timeoutMs: given.timeout === undefined ? TIMEOUT_DEFAULT_S * 1_000 : timeoutMsOf(given.timeout),
    json: given.json === true,
  };
}

function definedOf({ server, branch, requestId, timeout, json }: GivenSettings): GivenSettings {
  return {
    ...(server === undefined ? {} : { server }),
    ...(branch === undefined ? {} : { branch }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(json === undefined ? {} : { json }),
  };
}

function serverOf(given: string | undefined, fromEnvironment: string | undefined): string {
  // An empty variable is how shells unset one for a single command.
  const [text, source] =
    given === undefined && fromEnvironment !== undefined && fromEnvironment !== ""
      ? [fromEnvironment, "BANK_SERVER"]
      : [given ?? SERVER_DEFAULT, "--server"];
  try {
    return serverUrl(text);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`${source} ${JSON.stringify(text)} is no address. Write HOST:PORT or http://HOST:PORT.`, {
      server: text,
    });
  }
}

/** Throws: `UsageError`. */
export function branchNumber(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) > BRANCH_NUMBER_MAX)
    throw new UsageError(
      `${JSON.stringify(text)} is no branch number. They go from 0, the head office, to ${BRANCH_NUMBER_MAX}.`,
      { branch: text },
    );
  return Number(text);
}

function requestIdOf(text: string): string {
  if (parseRequestId(text) === undefined)
    throw new UsageError(
      `--request-id ${JSON.stringify(text)} is no UUID. Without the option, every command gets a new one.`,
      { request_id: text },
    );
  return text;
}

function timeoutMsOf(text: string): number {
  const seconds = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
  const timeoutMs = Math.round(seconds * 1_000);
  if (!(timeoutMs >= 1 && timeoutMs <= TIMEOUT_MAX_MS))
    throw new UsageError(
      `--timeout ${JSON.stringify(text)} is not a number of seconds from 0.001 to ${TIMEOUT_MAX_MS / 1_000}.`,
      { timeout: text },
    );
  return timeoutMs;
}
