import { flushCompileCache } from "node:module";
import { RefusalError } from "@bank/core";
import { errorText, LossDetectedError } from "@bank/replica";
import { LeaseLostError, StoreLockedError } from "@bank/store";
import { urlOf } from "../ask-branches.ts";
import { SupersededError } from "../superseded-file.ts";

/** Something that was started and can be stopped. */
export interface Stoppable {
  close(): Promise<void>;
}

/** The bank's journal contradicts a witness. */
export const EXIT_LOSS_DETECTED = 4;
/** Another bank has taken the place of this one. */
export const EXIT_SUPERSEDED = 5;
/** Another bank server has taken over the store that they share: started again, this one waits for its turn. */
export const EXIT_LEASE_LOST = 6;
/** A store does not prove right: its journal, or a snapshot. */
export const EXIT_DAMAGED = 7;
/** Only what a store shows beside its journal is wrong, and is written anew at will. */
export const EXIT_VIEW_DAMAGED = 8;

/** A start that is told to stop may take so long to give back what it has taken. */
const GIVE_BACK_MS = 5_000;

/**
 * Runs a server until it is told to stop: by SIGINT or SIGTERM, or by the end of the parent that started it with an IPC
 * channel. A second signal stops it at once. Exits with 0 after a clean stop, with 1 if it failed, with
 * `EXIT_LOSS_DETECTED` when records are missing, with `EXIT_SUPERSEDED` when the bank was replaced, with
 * `EXIT_LEASE_LOST` when another server has its store.
 *
 * @param start is given a function to call when the server cannot go on, and a signal that aborts when it is told to stop before
 *   it has started.
 */
export async function runServer(
  start: (onFatal: (error: unknown) => void, stopping: AbortSignal) => Promise<Stoppable>,
): Promise<void> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<number>();
  let signals = 0;
  const onSignal = () => {
    signals++;
    if (signals > 1) process.exit(130);
    stop(0);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.once("disconnect", () => stop(0));
  const stopping = new AbortController();
  const starting = start((error) => stop(exitCodeOf(error)), stopping.signal).catch((error: unknown) => {
    if (stopping.signal.aborted) throw error;
    process.stderr.write(`${startFailure(error)}\n`);
    process.exit(exitCodeOf(error));
  });
  const server = await Promise.race([starting, stopped]);
  if (typeof server === "number") {
    stopping.abort(new Error("it is told to stop"));
    await givenBack(starting);
    process.exit(server);
  }
  // A server that is killed, as by a power cut, would not leave for its next start what it has compiled.
  flushCompileCache();
  const code = await stopped;
  await server.close();
  process.exit(code);
}

/**
 * A start can take for ever, waiting for witnesses, and nothing was answered yet: it may end as by a crash. But other servers may
 * wait for the store that it has taken.
 */
async function givenBack(starting: Promise<Stoppable>): Promise<void> {
  const ended = starting.then(
    (server) => server.close(),
    () => {
      // What it was told to end with.
    },
  );
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, GIVE_BACK_MS))]);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof LossDetectedError) return EXIT_LOSS_DETECTED;
  if (error instanceof LeaseLostError) return EXIT_LEASE_LOST;
  return error instanceof SupersededError ? EXIT_SUPERSEDED : 1;
}

/** What the operator is told about a start that failed. */
export function startFailure(error: unknown): string {
  if (error instanceof LossDetectedError) return lossMessage(error);
  if (error instanceof SupersededError) return supersededMessage(error);
  if (error instanceof StoreLockedError) return error.message;
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (code === "EADDRINUSE")
    return `${address}:${port} is taken: another server listens there. Stop it, or use --listen with another port.`;
  if (code === "EACCES" && port !== undefined) return `${address}:${port} may not be used by this user.`;
  // What callers are told does not say why the store refused; an operator is told.
  const why = error instanceof RefusalError && error.cause !== undefined ? ` (${errorText(error.cause)})` : "";
  return `cannot start: ${errorText(error)}${why}`;
}

function supersededMessage(error: SupersededError): string {
  return [
    "The bank does not start: it was replaced.",
    error.message,
    "Ways on:",
    "  bank-server --store URL        start it where its journal was copied to, if it was",
    "  branch-replica                 start a branch in its place, with a new data folder, that follows the new bank",
    "  bank-server heal --from URL    if it was not replaced, but its own disk went back: takes its records from a branch",
    "  bank-server resume             if it was not replaced at all, and whoever said so was wrong",
    "Nothing was changed.",
  ].join("\n");
}

function lossMessage(error: LossDetectedError): string {
  return [
    "The bank does not start: its journal has lost records.",
    error.message,
    "Ways on:",
    "  bank-server heal --from URL    takes the missing records from a branch that has them",
    ...error.losses.flatMap(({ witness }) => urlOf(witness) ?? []).map((url) => `${" ".repeat(33)}such as ${url}`),
    "  bank-server accept-loss        gives the missing records up for ever: exports those that branches still hold,",
    "                                 and begins a new epoch",
    "Nothing was changed. The branches go on serving LOCAL reads.",
  ].join("\n");
}
