import {
  AccountSchema,
  AccountService,
  BatchResultSchema,
  GetBalanceResponseSchema,
  HoldService,
  ReadInfoSchema,
  RequestService,
  TransactionSchema,
  TransactionService,
} from "@bank/proto";
import { CONSISTENCY_HEADER } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import type { PipelinedAnswer, PipelinedOperation, PipelinedSending } from "./pipeline-entry.ts";
import type { ServerPipeline } from "./pipeline-server.ts";
import { pipelineTransport } from "./pipeline-transport.ts";

const readInfo = create(ReadInfoSchema, { position: 7n });

/** Services whose calls go over a pipeline that answers as it is told, or by themselves to a server that says so. */
function clients(answer: (operation: PipelinedOperation) => object | Error, isUnsupported = false) {
  const seen: { readonly operation: PipelinedOperation; readonly sending: PipelinedSending }[] = [];
  const alone: string[] = [];
  const pipeline = {
    isUnsupported,
    call: async (operation: PipelinedOperation, sending: PipelinedSending) => {
      seen.push({ operation, sending });
      const given = answer(operation);
      if (given instanceof Error) throw given;
      return given as PipelinedAnswer;
    },
  };
  const other = createRouterTransport((router) => {
    router.service(AccountService, {
      getAccount: () => {
        alone.push("getAccount");
        return {};
      },
      listAccounts: () => {
        alone.push("listAccounts");
        return {};
      },
    });
  });
  const transport = pipelineTransport(pipeline as unknown as ServerPipeline, other);
  return {
    seen,
    alone,
    pipeline,
    accounts: createClient(AccountService, transport),
    transactions: createClient(TransactionService, transport),
    holds: createClient(HoldService, transport),
    requests: createClient(RequestService, transport),
  };
}

const failing = () => new ConnectError("no", Code.NotFound);

describe("calls over a pipeline", () => {
  it("are operations under the names that a batch and a stream have for them", async () => {
    const { seen, accounts, transactions, holds, requests } = clients(failing);
    const calls: readonly ((request: object) => Promise<unknown>)[] = [
      ...[accounts.openAccount, accounts.updateAccount, accounts.freezeAccount, accounts.unfreezeAccount],
      ...[accounts.closeAccount, accounts.getAccount, accounts.getBalance],
      ...[transactions.deposit, transactions.withdraw, transactions.transfer, transactions.reverseTransaction],
      ...[transactions.applyInterest, transactions.executeGroup, transactions.getTransaction],
      ...[holds.placeHold, holds.captureHold, holds.releaseHold, holds.extendHold, holds.getHold],
      ...[requests.getOutcome, requests.cancelRequest],
    ];
    for (const call of calls) await expect(call({})).rejects.toMatchObject({ code: Code.NotFound });
    const names = seen.map(({ operation }) =>
      operation.case === "item" ? `item ${operation.value.command.case}` : operation.case,
    );
    expect(names).toEqual([
      ...["item openAccount", "item updateAccount", "item freezeAccount", "item unfreezeAccount"],
      ...["item closeAccount", "getAccount", "getBalance"],
      ...["item deposit", "item withdraw", "item transfer", "item reverse"],
      ...["item applyInterest", "item group", "getTransaction"],
      ...["item placeHold", "item captureHold", "item releaseHold", "item extendHold", "getHold"],
      ...["getOutcome", "cancelRequest"],
    ]);
  });

  it("have the replies of calls by themselves", async () => {
    const transaction = create(TransactionSchema, { position: 7n });
    const result = create(BatchResultSchema, { replayed: true, result: { case: "transaction", value: transaction } });
    const written = clients(() => ({ reply: { case: "result", value: result }, readInfo }));
    expect(await written.transactions.deposit({})).toMatchObject({
      $typeName: "bank.v1.DepositResponse",
      transaction,
      replayed: true,
      readInfo,
    });
    const balance = create(GetBalanceResponseSchema, { readInfo });
    const read = clients(() => ({ reply: { case: "getBalance", value: balance } }));
    expect(await read.accounts.getBalance({ account: "1" })).toBe(balance);
  });

  it("carry their headers, their deadline and their signal", async () => {
    const { seen, accounts } = clients(failing);
    const { signal } = new AbortController();
    const options = { headers: { [CONSISTENCY_HEADER]: "local" }, timeoutMs: 500, signal };
    await expect(accounts.getAccount({ account: "5" }, options)).rejects.toThrow();
    await expect(accounts.getAccount({}, { headers: new Headers(options.headers) })).rejects.toThrow();
    expect(seen[0]).toEqual({
      operation: { case: "getAccount", value: expect.objectContaining({ account: "5" }) },
      sending: { headers: { [CONSISTENCY_HEADER]: "local" }, timeoutMs: 500, signal },
    });
    expect(seen[1]?.sending).toMatchObject({ headers: { [CONSISTENCY_HEADER]: "local" }, timeoutMs: 30_000 });
  });

  it("do not take one kind of result for another", async () => {
    const result = create(BatchResultSchema, { result: { case: "account", value: create(AccountSchema) } });
    const { transactions } = clients(() => ({ reply: { case: "result", value: result } }));
    await expect(transactions.deposit({})).rejects.toThrow("account where bank.v1.DepositResponse");
  });

  it("go by themselves where there is no operation for them, and to a server that knows no pipelines", async () => {
    const one = clients(failing);
    await one.accounts.listAccounts({});
    expect([one.alone, one.seen]).toEqual([["listAccounts"], []]);
    const old = clients(failing, true);
    await old.accounts.getAccount({});
    expect([old.alone, old.seen]).toEqual([["getAccount"], []]);
    const found = clients(() => {
      found.pipeline.isUnsupported = true;
      return new ConnectError("unimplemented", Code.Unimplemented);
    });
    await found.accounts.getAccount({});
    expect(found.alone).toEqual(["getAccount"]);
  });
});
