import { randomUUID } from "node:crypto";
import { type BankClient, BankError, type CallOptions, type Consistency, type MutationOptions } from "@bank/client";
import { type CliIo, OutputClosedError, write } from "./cli-io.ts";
import type { Clients } from "./clients.ts";
import type { JsonObject } from "./documents.ts";
import { EXIT, type ExitCode, exitCodeOf } from "./exit-code.ts";
import { printable } from "./printable.ts";
import { addToSessionFile, readSessionFile, requireKeepable } from "./session-file.ts";
import type { GivenSettings, Settings } from "./settings.ts";
import type { ShellHome } from "./shell/shell-home.ts";

/** What a command has to say when it is done. */
export interface Report {
  /** For `--json`, without `ok`. */
  readonly document: JsonObject;
  /** For people; ends with a line end unless it is empty. */
  readonly text: string;
  /** What people and programs are told besides, on standard error, though it is done. */
  readonly warning?: string | undefined;
  /** Of an answer that is not the one that was asked for; its text goes to standard error. Default: done. */
  readonly exitCode?: ExitCode;
}

/** A command's surroundings. */
export class CommandContext {
  readonly settings: Settings;
  /** What the command's own words say, without what the shell was given. */
  readonly given: GivenSettings;
  readonly io: CliIo;
  readonly clients: Clients;
  /** Aborted when the command is interrupted. */
  readonly signal: AbortSignal;
  /** The words that repeat the command, for a message that says so: those that were typed, unless it knows better. */
  words: readonly string[];
  /** Where the command was typed; undefined on the command line. */
  readonly shell: ShellHome | undefined;
  /** Names the one mutation that a command makes: made before anything is asked, so that every failure can tell it. */
  requestId: string;
  private readonly deadlineMs: number;
  private own: BankClient | undefined;

  constructor(parts: Pick<CommandContext, "settings" | "given" | "io" | "clients" | "signal" | "words" | "shell">) {
    this.settings = parts.settings;
    this.given = parts.given;
    this.io = parts.io;
    this.clients = parts.clients;
    this.signal = parts.signal;
    this.words = parts.words;
    this.shell = parts.shell;
    this.requestId = parts.settings.requestId ?? randomUUID();
    this.deadlineMs = performance.now() + parts.settings.timeoutMs;
  }

  /** Says that other words than those that were typed ask for the same again. */
  repeatAs(words: readonly string[]): void {
    this.words = words;
  }

  /**
   * The client of the servers, or of the branch that the settings name, in the session that they name.
   *
   * @param consistency of the question where the branch is.
   */
  async client(consistency?: Consistency): Promise<BankClient> {
    const { branch } = this.settings;
    const client = await this.sessionClient();
    return branch === undefined ? client : this.atBranch(client, branch, consistency);
  }

  /** What the command's session has seen by now; undefined for nothing. */
  get session(): string | undefined {
    return this.own?.session;
  }

  /**
   * Keeps the session where the settings say. Never rejects: what the command did is done.
   *
   * @returns a warning where it could not be kept.
   */
  async keepSession(): Promise<string | undefined> {
    const { session } = this;
    const { sessionFile } = this.settings;
    if (sessionFile === undefined || session === undefined) return undefined;
    try {
      await addToSessionFile(sessionFile, session);
      return undefined;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      return (
        `bank: The session could not be kept in ${JSON.stringify(sessionFile)}: ${printable(problem)}\n` +
        `      Who goes on from that file may not see what this command has seen. Its session is ${session}\n`
      );
    }
  }

  /** Options of a call: what is left of the command's time, however many calls it makes. */
  call(): CallOptions {
    return { timeoutMs: Math.max(1, this.deadlineMs - performance.now()), signal: this.signal };
  }

  /** Options of the one mutation that a command makes. */
  mutation(): MutationOptions {
    return { ...this.call(), requestId: this.requestId };
  }

  private async sessionClient(): Promise<BankClient> {
    if (this.own !== undefined) return this.own;
    const { servers, session, sessionFile } = this.settings;
    const root = this.clients.to(servers);
    if (sessionFile !== undefined) await requireKeepable(sessionFile);
    const token = sessionFile === undefined ? session : await readSessionFile(sessionFile);
    this.own = token === undefined && sessionFile === undefined ? root : root.withSession(token);
    return this.own;
  }

  /** Where a branch is, the bank is asked first: whoever waits for that is told so at once. */
  private async atBranch(
    client: BankClient,
    number: number,
    consistency: Consistency | undefined,
  ): Promise<BankClient> {
    const { clients, settings } = this;
    const before = clients.onRetry;
    let told = settings.json;
    clients.onRetry = ({ message }) => {
      if (told) return;
      told = true;
      const text = `bank: Where branch ${number} is, ${settings.servers.join(", ")} has to say. ${printable(message)}\n      Trying again for up to ${settings.timeoutMs / 1_000} s … ${BY_ITSELF}\n`;
      // The answer is what counts; if this line cannot be written, nothing is lost.
      write(this.io.stderr, text).catch((error: unknown) => {
        if (!(error instanceof OutputClosedError)) throw error;
      });
    };
    try {
      return await client.branch(number, { ...this.call(), consistency });
    } catch (error) {
      if (!(error instanceof BankError) || exitCodeOf(error) !== EXIT.NO_ANSWER || error.code === "CANCELED")
        throw error;
      throw new BankError({ ...error, cause: error, message: `${error.message} ${BY_ITSELF}` });
    } finally {
      clients.onRetry = before;
    }
  }
}

const BY_ITSELF = "--server with the branch's own address needs nobody.";
