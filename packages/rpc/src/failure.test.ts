import {
  describe as describeReason,
  REFUSALS,
  REJECTIONS,
  RefusalError,
  type RefusalReason,
  type RejectionReason,
  STATUS_NUMBERS,
} from "@bank/core";
import { AccountService, BranchService, ErrorInfoSchema } from "@bank/proto";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import {
  connectErrorFromFailure,
  ERROR_DOMAIN,
  failureFromConnectError,
  failureFromRefusal,
  failureFromRejection,
  outcomeOf,
} from "./failure.ts";
import { failureOf, grpcTransport, startServer } from "./wire.test-util.ts";

function metadataOf(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, i) => [name, `${name} ${i} — ü`]));
}

describe("over the wire", () => {
  it("every refusal of the catalogue has its status, its sentence, and all its variable parts", async () => {
    let next: RefusalError | undefined;
    const { serving, incidents } = await startServer((router) => {
      router.service(BranchService, {
        listBranches: () => {
          throw next;
        },
      });
    });
    const transports = [
      grpcTransport(serving.url),
      createGrpcWebTransport({ baseUrl: serving.url, httpVersion: "1.1" }),
      createConnectTransport({ baseUrl: serving.url, httpVersion: "1.1", useBinaryFormat: false }),
    ];
    const reasons = Object.keys(REFUSALS) as RefusalReason[];
    for (const reason of reasons) {
      const metadata = metadataOf(REFUSALS[reason].metadata);
      for (const outcome of ["NOT_APPLIED", "OUTCOME_UNKNOWN"] as const)
        for (const transport of transports) {
          next = new RefusalError(reason, metadata, outcome, { cause: new Error("a secret") });
          const error = await failureOf(createClient(BranchService, transport).listBranches({}));
          expect(error.code, reason).toBe(STATUS_NUMBERS[REFUSALS[reason].status]);
          expect(error.rawMessage).toBe(describeReason(reason, metadata));
          expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
            { reason, domain: "bank.v1", metadata: { ...metadata, outcome } },
          ]);
          expect(failureFromConnectError(error)).toMatchObject({ code: error.code, reason, message: error.rawMessage });
          expect(outcomeOf(error)).toBe(outcome);
          expect(JSON.stringify([error, error.details])).not.toContain("secret");
        }
    }
    expect(incidents).toEqual([]);
  });
});

describe("a rejection", () => {
  it("has its status, its sentence, its variable parts and its position, and is final", () => {
    for (const reason of Object.keys(REJECTIONS) as RejectionReason[]) {
      const metadata = metadataOf(REJECTIONS[reason].metadata);
      const failure = failureFromRejection({ reason, metadata }, 42);
      expect(failure).toMatchObject({
        code: STATUS_NUMBERS[REJECTIONS[reason].status],
        reason,
        message: describeReason(reason, metadata),
        metadata: { ...metadata, outcome: "REJECTED" },
        position: 42n,
      });
      const error = connectErrorFromFailure(failure);
      expect(error.code).toBe(failure.code);
      expect(outcomeOf(error)).toBe("REJECTED");
      const { position: _, ...seen } = failure;
      expect(failureFromConnectError(error)).toEqual({ ...seen, position: 0n });
    }
  });
});

describe("the outcome of a failed call", () => {
  it("is unknown unless somebody says otherwise", async () => {
    for (const code of [Code.Unavailable, Code.Canceled, Code.DeadlineExceeded, Code.Internal, Code.Unknown])
      expect(outcomeOf(new ConnectError("lost", code)), Code[code]).toBe("OUTCOME_UNKNOWN");
    const strange = new ConnectError("lost", Code.Unavailable, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "NOT_READY", domain: ERROR_DOMAIN, metadata: { outcome: "FINE" } } },
    ]);
    expect(outcomeOf(strange)).toBe("OUTCOME_UNKNOWN");
    const foreign = new ConnectError("lost", Code.Unavailable, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "X", domain: "other.org", metadata: { outcome: "NOT_APPLIED" } } },
    ]);
    expect(outcomeOf(foreign)).toBe("OUTCOME_UNKNOWN");
    expect(failureFromConnectError(foreign)).toBeUndefined();
  });

  it("is that nothing was done where the request could not even be decoded", async () => {
    const { serving } = await startServer((router) => router.service(AccountService, {}));
    const response = await fetch(`${serving.url}/bank.v1.AccountService/OpenAccount`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"type": "gold"}',
    });
    expect(await response.json()).toMatchObject({ code: "invalid_argument" });
    expect(outcomeOf(new ConnectError("cannot decode", Code.InvalidArgument))).toBe("NOT_APPLIED");
  });

  it("says by itself which one it is", () => {
    expect(failureFromRefusal(new RefusalError("OUTCOME_UNKNOWN", { problem: "p", request_id: "r" })).metadata).toEqual(
      {
        problem: "p",
        request_id: "r",
        outcome: "OUTCOME_UNKNOWN",
      },
    );
  });
});
