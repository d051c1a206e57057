import { BRANCH_NUMBER_MAX, checkCommand, type Refusal, type Request, TEXT_LENGTH_MAX } from "@bank/core";

/**
 * What is wrong with a request whatever the state is, or undefined. What could not be encoded must not be executed: the
 * batch that holds it would fail with all its neighbours, again and again.
 */
export function checkRequest(request: Request): Refusal | undefined {
  return checkActor(request) ?? checkCommand(request.command);
}

/** What is wrong with who asks, and where. */
export function checkActor({ principal, branch }: Pick<Request, "principal" | "branch">): Refusal | undefined {
  if (principal.length > TEXT_LENGTH_MAX || !principal.isWellFormed())
    return malformed(`the principal is at most ${TEXT_LENGTH_MAX} characters of well-formed Unicode`);
  if (!Number.isInteger(branch) || branch < 0 || branch > BRANCH_NUMBER_MAX)
    return malformed(`a branch has a number from 0 to ${BRANCH_NUMBER_MAX}`);
  return undefined;
}

function malformed(problem: string): Refusal {
  return { reason: "INVALID_REQUEST", metadata: { problem }, outcome: "NOT_APPLIED" };
}
