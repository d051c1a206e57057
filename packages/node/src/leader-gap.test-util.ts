import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type BankClient, connectBank, connectPipeline, type Pipeline } from "@bank/client";
import { BatchItemSchema } from "@bank/proto";
import type { ServerProcess } from "@bank/testkit";
import { create } from "@bufbuild/protobuf";
import { onTestFinished, vi } from "vitest";
import { freePort } from "./promotion.test-util.ts";
import { startProcess, temporaryFolder } from "./servers.test-util.ts";

/** So long that no call ends, or leaves a server, by its own deadline. */
const TIMEOUT_MS = 60_000;
/** Calls that each customer must have had answered before a fault, and again behind it. */
const CALLS_AROUND = 5;
/** For a customer to go on behind a fault; what is expected is for the test to say. */
const GO_ON_MS = 45_000;

/** One who makes one call after the other. */
interface Customer {
  /** By which way it comes, for people. */
  readonly way: string;
  readonly call: (requestId: string) => Promise<unknown>;
  /** When its calls were made and answered, monotonic milliseconds. */
  readonly calls: { readonly madeMs: number; readonly answeredMs: number }[];
  /** Its deposits: none for one who reads. */
  readonly requestIds: string[];
}

/** Two bank servers on one store, a branch that knows both, and customers who write and read by every way. */
export interface Pair {
  readonly customers: readonly Customer[];
  /** Takes the leader away while all customers call, and says for each way how long its longest call took, in milliseconds. */
  lose(how: (leader: ServerProcess) => unknown): Promise<ReadonlyMap<string, number>>;
  /** Rejects unless every acknowledged deposit was carried out, once. Ends everything. */
  audit(): Promise<void>;
}

/** In place of a way: how long it took until the other server listened. */
export const LISTENS = "the other listens";

const usd = { currency: "USD", minor: 1n };

/** @param store a URL, with a journal that is empty. */
export async function startPair(store: string): Promise<Pair> {
  const folder = await temporaryFolder();
  const ports = [await freePort(), await freePort()] as const;
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const start = (port: number) =>
    startProcess({
      app: "bank-server",
      args: ["--listen", `127.0.0.1:${port}`, "--data", join(folder, String(port)), "--store", store],
    });
  const leader = start(ports[0]);
  const branch = startProcess({
    app: "branch-replica",
    args: [
      ...["--id", "1", "--listen", "127.0.0.1:0", "--data", join(folder, "branch")],
      ...["--upstream", urls.join(",")],
    ],
  });

  await leader.url();
  const other = start(ports[1]);
  const [, branchUrl] = await branch.printed(/^branch 1 listening on (\S+)$/);
  await Promise.all([other.logged(/waiting for its turn.*http/), branch.printed(/^branch 1 follows /)]);

  const clientOf = (servers: readonly string[]): BankClient => {
    const client = connectBank({ servers, timeoutMs: TIMEOUT_MS });
    onTestFinished(() => client.close());
    return client;
  };
  const pipeline = connectPipeline({ servers: urls, timeoutMs: TIMEOUT_MS });
  onTestFinished(() => pipeline.close());
  const [direct, alone, atBranch] = [clientOf(urls), clientOf(urls), clientOf([branchUrl as string])];
  await direct.openAccount({});
  const deposit = (client: BankClient) => (requestId: string) => client.deposit("1", usd, { requestId });
  const customers = [
    ...many(4, "direct, a call", deposit(direct)),
    ...many(1, "direct, alone", deposit(alone)),
    ...many(4, "direct, the stream", (requestId) => depositOver(pipeline, requestId)),
    ...many(4, "by the branch", deposit(atBranch)),
    ...many(2, "direct, a read", () => alone.balance("1"), false),
    ...many(2, "a read at the branch", () => atBranch.balance("1"), false),
  ];
  let isOver = false;
  const calling = customers.map(async ({ call, calls, requestIds }) => {
    while (!isOver) {
      const [requestId, madeMs] = [randomUUID(), performance.now()];
      await call(requestId);
      calls.push({ madeMs, answeredMs: performance.now() });
      requestIds.push(requestId);
    }
  });
  const failed = Promise.all(calling).then(() => new Promise<never>(() => undefined));
  const whenAllHave = (count: (customer: Customer) => number) =>
    Promise.race([failed, vi.waitUntil(() => customers.every((each) => count(each) >= CALLS_AROUND), GO_ON_MS)]);

  return {
    customers,
    lose: async (how) => {
      await whenAllHave(({ calls }) => calls.length);

      const lostMs = performance.now();
      await how(leader);
      await other.url();
      const listensMs = performance.now();
      await whenAllHave(({ calls }) => calls.filter(({ madeMs }) => madeMs > listensMs).length);
      const gaps = new Map<string, number>([[LISTENS, listensMs - lostMs]]);
      for (const { way, calls } of customers)
        for (const { madeMs, answeredMs } of calls)
          if (answeredMs > lostMs) gaps.set(way, Math.max(gaps.get(way) ?? 0, answeredMs - Math.max(madeMs, lostMs)));
      return gaps;
    },
    audit: async () => {
      isOver = true;
      await Promise.all(calling);
      const deposits = customers.filter(isWriter).flatMap(({ requestIds }) => requestIds);
      const { posted } = await direct.balance("1");
      if (posted.minor !== BigInt(deposits.length))
        throw new Error(`${deposits.length} deposits were acknowledged, and ${posted.minor} were carried out`);
      await Promise.all([leader, other, branch].map((each) => each.kill()));
    },
  };
}

/** For people: one line for each way. */
export function gapText(gaps: ReadonlyMap<string, number>): string {
  return [...gaps].map(([way, ms]) => `${way} ${ms.toFixed(0)} ms`).join("; ");
}

const readers = new WeakSet<Customer>();
const isWriter = (customer: Customer) => !readers.has(customer);

function many(count: number, way: string, call: Customer["call"], writes = true): Customer[] {
  return Array.from({ length: count }, () => {
    const customer: Customer = { way, call, calls: [], requestIds: [] };
    if (!writes) readers.add(customer);
    return customer;
  });
}

async function depositOver(pipeline: Pipeline, requestId: string): Promise<void> {
  const amount = { currencyCode: "USD", amountMinor: 1n };
  const command = { case: "deposit" as const, value: { requestId, account: "1", amount } };
  const { reply } = await pipeline.call({ case: "item", value: create(BatchItemSchema, { command }) });
  if (reply.value.result.case !== "transaction") throw new Error(`a deposit ended as ${reply.value.result.case}`);
}
