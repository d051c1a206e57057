import { RefusalError } from "@bank/core";
import {
  AwaitPropagationResponseSchema,
  PassTimeResponseSchema,
  RegisterBranchResponseSchema,
  type ReplicationService,
  SubmitMovementsResponseSchema,
  SubmitResponseSchema,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Branch } from "../branch-teller.ts";
import { answerMessage } from "../forwarded-movements.ts";
import { propagationAsked, propagationMessage } from "../propagation-messages.ts";
import type { UpstreamLink } from "../upstream-link.ts";
import { limitOf } from "./asked-read.ts";

/** What a branch passes on. */
export interface PassesOn {
  readonly link: Pick<UpstreamLink, "registerBranch" | "awaitPropagation">;
  /** The replica of the moment. */
  replica(): Branch;
  /** The branches that the server hosts, for people. */
  readonly hostedText: string;
}

/**
 * What followers of a branch ask of the bank: everything is passed on to whom the branch follows itself, with the branch
 * that each command came in at, and its session. Their commands go together with the branch's own. What the bank said
 * comes back as it said it; where nothing came back, nothing is known.
 */
export function branchReplicationService(host: PassesOn): Partial<ServiceImpl<typeof ReplicationService>> {
  return {
    registerBranch: async (request) => {
      const { branch, name, address, copyId } = request;
      const position = await passedOn(host, "OUTCOME_UNKNOWN", () =>
        host.link.registerBranch({ branch, name, address, copyId }),
      );
      return create(RegisterBranchResponseSchema, { position: BigInt(position) });
    },

    submit: async ({ commands }, context) => {
      const results = await host.replica().passOn(commands, context.signal, context.timeoutMs());
      return create(SubmitResponseSchema, { outcomes: results.map(({ outcome }) => outcome) });
    },

    submitMovements: async ({ calls }, context) => {
      const answers = await host.replica().passOnMovements(calls, context.signal, context.timeoutMs());
      return create(SubmitMovementsResponseSchema, { outcomes: answers.map(answerMessage) });
    },

    passTime: async ({ timeMs }, context) => {
      const position = await host.replica().passTime(Number(timeMs), context.signal, context.timeoutMs());
      return create(PassTimeResponseSchema, { position: BigInt(position) });
    },

    awaitPropagation: async ({ position, mode, copies }, context) => {
      const asked = propagationAsked(mode, copies);
      const told = await passedOn(host, "NOT_APPLIED", () =>
        host.link.awaitPropagation(Number(position), asked, limitOf(context)),
      );
      return create(AwaitPropagationResponseSchema, {
        propagation: propagationMessage(told, Number(position) <= host.replica().appliedPosition),
      });
    },
  };
}

/** @param outcome what is known where the call was lost on the way. */
async function passedOn<T>(
  { hostedText: branch }: PassesOn,
  outcome: "NOT_APPLIED" | "OUTCOME_UNKNOWN",
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    // A server said why: the words of the bank, or of a branch on the way to it.
    if (cause instanceof RefusalError || !(cause instanceof ConnectError) || isRefusal(cause)) throw cause;
    throw new RefusalError("BANK_UNREACHABLE", { branch }, outcome, { cause });
  }
}

/** Lost connections and deadlines are no words of the bank. */
function isRefusal({ code, details }: ConnectError): boolean {
  return details.length > 0 || (code !== Code.Unavailable && code !== Code.DeadlineExceeded && code !== Code.Canceled);
}
