import type { BankError } from "@bank/client";

/** What the command's exit code says. They are part of its interface. */
export const EXIT = {
  /** Done. */
  DONE: 0,
  /** The bank said no; saying it again will not help. */
  REJECTED: 1,
  /** Wrong usage; nothing was done. */
  USAGE: 2,
  /** No answer, or it is not known what became of it. */
  NO_ANSWER: 3,
  /** Ended by Ctrl-C. */
  INTERRUPTED: 130,
} as const;

export type ExitCode = number;

/** Answers that stand until somebody changes something. */
const REJECTING: readonly BankError["code"][] = [
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "ABORTED",
  "PERMISSION_DENIED",
  "UNAUTHENTICATED",
  "FAILED_PRECONDITION",
  "OUT_OF_RANGE",
];

/** The exit code of a command that ended with this error. */
export function exitCodeOf({ code, reason, outcome }: Pick<BankError, "code" | "reason" | "outcome">): ExitCode {
  if (outcome === "OUTCOME_UNKNOWN") return EXIT.NO_ANSWER;
  if (code === "INVALID_ARGUMENT") return EXIT.USAGE;
  // Whoever is no bank, or not the bank any more, has not rejected anything.
  if (reason === "UNEXPECTED_REPLY" || reason === "EPOCH_SUPERSEDED") return EXIT.NO_ANSWER;
  return outcome === "REJECTED" || REJECTING.includes(code) ? EXIT.REJECTED : EXIT.NO_ANSWER;
}

/** The exit code of a process that a signal ended: 128 and the signal's number. */
export function exitCodeOfSignal(signal: NodeJS.Signals): ExitCode {
  if (signal === "SIGTERM") return 143;
  if (signal === "SIGHUP") return 129;
  return EXIT.INTERRUPTED;
}
