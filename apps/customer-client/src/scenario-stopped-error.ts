import type { BankError } from "@bank/client";

/** The bank failed a scenario's run, which ended there. Its request ids are of no use: the run cannot be taken up again. */
export class ScenarioStoppedError extends Error {
  override readonly name = "ScenarioStoppedError";
  override readonly cause: BankError;

  constructor(cause: BankError) {
    super(`The run stopped: ${cause.message}`);
    this.cause = cause;
  }
}
