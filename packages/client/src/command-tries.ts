import type { FailureOutcome } from "@bank/core";
import type { AttemptFailure } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";

/** What became of the tries of one command among others that were sent with it. */
export class CommandTries {
  attempts = 0;
  /** Why the last try of this command failed; undefined before the first. */
  lastFailure: AttemptFailure | undefined;
  /** Once a try may have had an effect, only an answer to the same id can say what became of it. */
  private unknown = false;

  /** A try of this command failed. */
  failed(failure: AttemptFailure): void {
    this.attempts++;
    this.lastFailure = failure;
    if (failure.outcome === "OUTCOME_UNKNOWN") this.unknown = true;
  }

  /** The call has ended with this error, and nothing is tried any more: what the command ends with. */
  givenUp(error: BankError, command: { readonly requestId: string; readonly preview: boolean }): BankError {
    const { lastFailure = error } = this;
    // Where both ended with the same, the call has more to say: what was before, and what other servers said.
    const isSame = lastFailure.reason === error.reason && lastFailure.cause === error.cause;
    return this.error(isSame || error.code === "CANCELED" ? error : lastFailure, command);
  }

  /** The command has ended in a call of its own, behind these tries: what it ends with. */
  endedAlone(error: BankError, command: { readonly requestId: string; readonly preview: boolean }): BankError {
    this.attempts += error.attempts;
    this.unknown ||= error.outcome === "OUTCOME_UNKNOWN";
    this.lastFailure = { ...errorParts(error), retryable: false };
    return this.error(error, command);
  }

  /** What the command ends with, if this is what it ends with. */
  error(
    failure: BankError | AttemptFailure,
    { requestId, preview }: { readonly requestId: string; readonly preview: boolean },
  ): BankError {
    const { attempts } = this;
    const outcome = preview ? "NOT_APPLIED" : this.outcome();
    const metadata = { ...failure.metadata, outcome, request_id: requestId };
    return new BankError({ ...errorParts(failure), metadata, outcome, requestId, attempts });
  }

  private outcome(): FailureOutcome {
    if (this.lastFailure?.outcome === "REJECTED") return "REJECTED";
    return this.unknown ? "OUTCOME_UNKNOWN" : "NOT_APPLIED";
  }
}

/** Of an error the message is no field that can be spread. */
function errorParts(failure: BankError | AttemptFailure) {
  const { code, reason, message, metadata, outcome, item, violations, failures, cause } = failure;
  return { code, reason, message, metadata, outcome, item, violations, failures, cause };
}
