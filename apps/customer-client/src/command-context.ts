import { randomUUID } from "node:crypto";
import type { BankClient, CallOptions, MutationOptions, ReadOptions } from "@bank/client";
import type { CliIo } from "./cli-io.ts";
import type { Clients } from "./clients.ts";
import type { JsonObject } from "./documents.ts";
import type { ExitCode } from "./exit-code.ts";
import type { GivenSettings, Settings } from "./settings.ts";
import type { ShellHome } from "./shell/shell-home.ts";

/** What a command has to say when it is done. */
export interface Report {
  /** For `--json`, without `ok`. */
  readonly document: JsonObject;
  /** For people; ends with a line end unless it is empty. */
  readonly text: string;
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

  /** The client of the server, or of its branch that the settings name. */
  async client(read: Pick<ReadOptions, "consistency"> & { readonly session?: string | undefined } = {}) {
    const { server, branch } = this.settings;
    const root = this.clients.to(server);
    const client: BankClient = read.session === undefined ? root : root.withSession(read.session);
    if (branch === undefined) return client;
    return client.branch(branch, { ...this.call(), consistency: read.consistency });
  }

  /** Options of a call: what is left of the command's time, however many calls it makes. */
  call(): CallOptions {
    return { timeoutMs: Math.max(1, this.deadlineMs - performance.now()), signal: this.signal };
  }

  /** Options of the one mutation that a command makes. */
  mutation(): MutationOptions {
    return { ...this.call(), requestId: this.requestId };
  }
}
