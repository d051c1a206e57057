// `bank`: the process around the command line.
import process from "node:process";
import { runCli } from "./cli.ts";
import { Interrupts } from "./cli-io.ts";
import { exitCodeOfSignal } from "./exit-code.ts";

/** npm passes a terminal's Ctrl-C on to a program that has had it already; two that close together are one. */
const SAME_INTERRUPT_MS = 500;

const interrupts = new Interrupts();
let lastMs: number | undefined;
const onSignal = (signal: NodeJS.Signals) => {
  const nowMs = performance.now();
  // Whoever asks again does not want to wait for anything to be put in order.
  if (lastMs !== undefined && nowMs - lastMs > SAME_INTERRUPT_MS) process.exit(exitCodeOfSignal(signal));
  lastMs ??= nowMs;
  interrupts.raise(signal);
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
// A closed pipe is told to whoever writes; without a listener it would end the process with a stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

const { stdin, stdout, stderr, env } = process;
process.exit(await runCli(process.argv.slice(2), { stdin, stdout, stderr, env, interrupts, nowMs: Date.now }));
