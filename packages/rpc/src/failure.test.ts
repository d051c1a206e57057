import {
  describe as describeReason,
  REFUSALS,
  REJECTIONS,
  RefusalError,
  type RefusalReason,
  type RejectionReason,
  STATUS_NUMBERS,
} from "@bank/core";
import {
  AccountService,
  BadRequestSchema,
  BranchService,
  ErrorInfoSchema,
  type Failure,
  FailureSchema,
  GroupFailureSchema,
  TransactionService,
} from "@bank/proto";
import { toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import {
  connectErrorFromFailure,
  ERROR_DOMAIN,
  failureFromConnectError,
  failureFromPreview,
  failureFromRefusal,
  failureFromRejection,
  groupFailureFromConnectError,
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

describe("a failure", () => {
  it("has the same bytes whichever way its parts came", () => {
    const [one, other] = [
      { account: "1", available: "2", currency: "USD", requested: "3" },
      { requested: "3", currency: "USD", available: "2", account: "1" },
    ].map((metadata) => toBinary(FailureSchema, failureFromRejection({ reason: "INSUFFICIENT_FUNDS", metadata }, 7)));
    expect(one).toEqual(other);
  });
});

describe("a rejection that would be", () => {
  it("is remembered nowhere", () => {
    const failure = failureFromPreview({ reason: "ACCOUNT_NOT_FOUND", metadata: { account: "9" }, item: 3 });
    expect(failure).toMatchObject({ metadata: { account: "9", outcome: "NOT_APPLIED" }, position: 0n, item: 3 });
  });
});

describe("a malformed request", () => {
  it("has its fields in BadRequest, and they come back", () => {
    const violations = [
      { field: "amount.currency_code", description: "must be three letters" },
      { field: "account", description: "must not be empty" },
    ];
    const refusal = new RefusalError("INVALID_REQUEST", { problem: "p" }, "NOT_APPLIED", { violations });
    const error = connectErrorFromFailure(failureFromRefusal(refusal));
    expect(error.findDetails(BadRequestSchema)).toMatchObject([{ fieldViolations: violations }]);
    expect(failureFromConnectError(error)).toMatchObject({ reason: "INVALID_REQUEST", violations });
    const other = connectErrorFromFailure(failureFromRefusal(new RefusalError("NOT_READY", { problem: "p" })));
    expect(other.findDetails(BadRequestSchema)).toEqual([]);
    expect(failureFromConnectError(other)?.violations).toEqual([]);
  });
});

describe("a group that was not carried out", () => {
  /** As its caller gets it, over the wire. */
  async function caught(failure: Failure, groupSize: number): Promise<ConnectError> {
    const { serving } = await startServer((router) => {
      router.service(TransactionService, {
        executeGroup: () => {
          throw connectErrorFromFailure(failure, groupSize);
        },
      });
    });
    return failureOf(createClient(TransactionService, grpcTransport(serving.url)).executeGroup({ items: [ITEM] }));
  }

  it("has a failure for each item: one of its own, the others because of it", async () => {
    const metadata = { account: "1", available: "3.00", currency: "USD", requested: "4.00" };
    const failure = failureFromRejection({ reason: "INSUFFICIENT_FUNDS", metadata, item: 2 }, 42);
    const error = await caught(failure, 3);
    expect(error.code).toBe(Code.FailedPrecondition);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "INSUFFICIENT_FUNDS" }]);
    const notApplied = { code: Code.Aborted, reason: "GROUP_NOT_APPLIED", metadata: { item: "2" }, position: 0n };
    expect(groupFailureFromConnectError(error)?.failures).toMatchObject([
      { ...notApplied, item: 1 },
      failure,
      { ...notApplied, item: 3 },
    ]);
    expect(failureFromConnectError(error)).toMatchObject({ reason: "INSUFFICIENT_FUNDS", item: 2 });
    expect(outcomeOf(error)).toBe("REJECTED");
  });

  it("of the most items with the longest texts fits into what gRPC clients take", async () => {
    const text = "x".repeat(64);
    const metadata = { account: text, available: text, currency: "USD", requested: text };
    const error = await caught(failureFromRejection({ reason: "INSUFFICIENT_FUNDS", metadata, item: 100 }, 42), 100);
    expect(groupFailureFromConnectError(error)?.failures).toHaveLength(100);
    const trailer = error.metadata.get("grpc-status-details-bin") ?? "";
    expect(trailer.length).toBeGreaterThan(1_000);
    expect(trailer.length).toBeLessThan(7_500);
  });

  it("for a reason that is no item's has that alone", async () => {
    const rejected = failureFromRejection({ reason: "BRANCH_NOT_FOUND", metadata: { branch: "9" } }, 42);
    const error = await caught(rejected, 3);
    expect(error.findDetails(GroupFailureSchema)).toEqual([]);
    expect(failureFromConnectError(error)).toMatchObject({ reason: "BRANCH_NOT_FOUND", item: 0 });
    // And of what is no group nothing is said about items.
    const item = failureFromRejection({ reason: "BRANCH_NOT_FOUND", metadata: { branch: "9" }, item: 1 }, 42);
    expect(connectErrorFromFailure(item).findDetails(GroupFailureSchema)).toEqual([]);
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

const ITEM = { command: { case: "freezeAccount", value: { account: "1" } } } as const;
