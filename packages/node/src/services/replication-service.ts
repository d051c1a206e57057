import { randomUUID } from "node:crypto";
import {
  ANONYMOUS_PRINCIPAL,
  bytesEqual,
  parseRequestId,
  RefusalError,
  type Request,
  SYSTEM_PRINCIPAL,
} from "@bank/core";
import {
  AwaitPropagationResponseSchema,
  PassTimeResponseSchema,
  RegisterBranchResponseSchema,
  type ReplicationService,
  SubmitMovementsResponseSchema,
  SubmitResponseSchema,
} from "@bank/proto";
import { type BankReplica, epochAt } from "@bank/replica";
import { serverUrl } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { BankTeller } from "../bank-teller.ts";
import { answerMessage } from "../forwarded-movements.ts";
import { propagationAsked, propagationMessage } from "../propagation-messages.ts";
import { limitOf } from "./asked-read.ts";

/** What branches ask of the bank. */
export function replicationService(
  bank: BankReplica,
  teller: BankTeller,
): Partial<ServiceImpl<typeof ReplicationService>> {
  return {
    registerBranch: async ({ branch, name, address, copyId }, context) => {
      // The bank asks there at its next start: what is no address would be asked for ever.
      if (!isServerUrl(address)) throw new RefusalError("INVALID_REQUEST", { problem: `address ${address} is no URL` });
      // Another bank on the same store may know the branch at another address by now.
      await bank.confirmStore();
      const { value: known, position } = await bank.read({ mode: "local" }, (ledger) => ledger.branches.get(branch));
      if (known !== undefined && (name === "" || known.name === name) && known.address === address)
        return create(RegisterBranchResponseSchema, { position: BigInt(position) });
      // A second server with the number must not take the address of one that lives.
      const serving = bank.members.copyOf(branch);
      const isTaken = copyId.length > 0 && serving !== undefined && !bytesEqual(serving, copyId);
      if (isTaken && known?.address !== address)
        throw new RefusalError("BRANCH_TAKEN", { branch: String(branch), address: known?.address || "none" });
      const request: Request = {
        principal: SYSTEM_PRINCIPAL,
        branch: 0,
        id: newRequestId(),
        command: { kind: "registerBranch", branch, name, address },
      };
      const [outcome] = await bank.submit([request], { signal: context.signal });
      if (outcome?.kind !== "answered") throw outcome?.error ?? new Error("a registration has an outcome");
      return create(RegisterBranchResponseSchema, { position: BigInt(outcome.position) });
    },

    submit: async ({ commands }, context) => {
      const outcomes = await teller.executeForwarded(commands, ANONYMOUS_PRINCIPAL, context.signal);
      for (const outcome of outcomes)
        outcome.epochId = epochAt(bank.ledger.epochs, Number(outcome.position)) ?? outcome.epochId;
      return create(SubmitResponseSchema, { outcomes: [...outcomes] });
    },

    submitMovements: async ({ calls }, context) => {
      // Each is in the sequencer's queue before the next is looked at.
      const answers = await Promise.all(
        calls.map((call) => teller.executeForwardedMovements(call, ANONYMOUS_PRINCIPAL, context.signal)),
      );
      return create(SubmitMovementsResponseSchema, { outcomes: answers.map(answerMessage) });
    },

    passTime: async ({ timeMs }, context) => {
      const position = await bank.passTime(Number(timeMs), context.signal);
      return create(PassTimeResponseSchema, { position: BigInt(position) });
    },

    awaitPropagation: async ({ position, mode, copies }, context) => {
      const { signal } = limitOf(context);
      const told = await bank.awaitPropagation(Number(position), propagationAsked(mode, copies), signal);
      return create(AwaitPropagationResponseSchema, { propagation: propagationMessage(told, true) });
    },
  };
}

function isServerUrl(text: string): boolean {
  try {
    return serverUrl(text) === text;
  } catch {
    // What it throws says only that it is none.
    return false;
  }
}

/** A registration is idempotent by its content; each attempt has an id of its own. */
function newRequestId() {
  const id = parseRequestId(randomUUID());
  if (id === undefined) throw new RefusalError("INVALID_REQUEST", { problem: "a UUID could not be made" });
  return id;
}
