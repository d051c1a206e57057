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
  /** URLs of the bank, or of branches that are asked where the others are: the preferred one first, at least one. */
  readonly servers: readonly [string, ...string[]];
  /** Whether the command's own words name the servers, not only its shell, the environment or the default. */
  readonly serverGiven: boolean;
  /** The branch to talk to; undefined for the server itself. */
  readonly branch: number | undefined;
  readonly requestId: string;
  /** Whether the command line names it, so that an earlier try may have used it. */
  readonly requestIdGiven: boolean;
  readonly timeoutMs: number;
  /** The token of a session to go on with. */
  readonly session: string | undefined;
  /** Where the session is kept between commands. Not together with `session`. */
  readonly sessionFile: string | undefined;
  /** Whether people are told the token too. */
  readonly printSession: boolean;
  readonly json: boolean;
}

/** The same, as they stand on a command line. */
export interface GivenSettings {
  readonly server?: string;
  readonly branch?: string;
  readonly requestId?: string;
  readonly timeout?: string;
  readonly session?: string;
  readonly sessionFile?: string;
  readonly printSession?: boolean;
  readonly json?: boolean;
}

/** Adds the options to a command. They may stand before its name and behind it; what stands last in the tree counts. */
export function addCommonOptions(command: Command): Command {
  const options = [
    new Option(
      "--server <urls>",
      `the bank or branches, by commas; the first that works (default: $BANK_SERVER, else ${SERVER_DEFAULT})`,
    ),
    new Option("--branch <n>", "talk to this branch, which the server knows"),
    new Option("--request-id <uuid>", "names a change for ever: done once at the most (default: a new one)"),
    new Option("--timeout <seconds>", `how long to try (default: ${TIMEOUT_DEFAULT_S})`),
    new Option("--session <token>", "go on from what an earlier command has seen"),
    new Option("--session-file <file>", "go on from the session in this file, and keep it there"),
    new Option("--print-session", "print the session behind the answer"),
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
  if (own.session !== undefined && own.sessionFile !== undefined)
    throw new UsageError("--session and --session-file both say a session: give one of them.");
  // What the command's own words say takes the place of what its shell was given, whichever of the two it is.
  const [session, sessionFile] = own.session === undefined ? [undefined, given.sessionFile] : [own.session, undefined];
  return {
    servers: serversOf(given.server, env["BANK_SERVER"]),
    serverGiven: own.server !== undefined,
    branch: given.branch === undefined ? undefined : branchNumber(given.branch),
    requestId: given.requestId === undefined ? randomUUID() : requestIdOf(given.requestId),
    requestIdGiven: given.requestId !== undefined,
    timeoutMs: given.timeout === undefined ? TIMEOUT_DEFAULT_S * 1_000 : timeoutMsOf(given.timeout),
    session,
    sessionFile,
    printSession: given.printSession === true,
    json: given.json === true,
  };
}

function definedOf(options: GivenSettings): GivenSettings {
  const { server, branch, requestId, timeout, session, sessionFile, printSession, json } = options;
  return {
    ...(server === undefined ? {} : { server }),
    ...(branch === undefined ? {} : { branch }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(session === undefined ? {} : { session }),
    ...(sessionFile === undefined ? {} : { sessionFile }),
    ...(printSession === undefined ? {} : { printSession }),
    ...(json === undefined ? {} : { json }),
  };
}

function serversOf(given: string | undefined, fromEnvironment: string | undefined): Settings["servers"] {
  // An empty variable is how shells unset one for a single command.
  const [text, source] =
    given === undefined && fromEnvironment !== undefined && fromEnvironment !== ""
      ? [fromEnvironment, "BANK_SERVER"]
      : [given ?? SERVER_DEFAULT, "--server"];
  const [first = "", ...others] = text.split(",").map((each) => each.trim());
  return [urlOf(first, source), ...others.map((each) => urlOf(each, source))];
}

function urlOf(text: string, source: string): string {
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
