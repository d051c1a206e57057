import { randomInt } from "node:crypto";
import { connectBank } from "@bank/client";
import { CONSISTENCY_HEADER, SESSION_HEADER } from "@bank/rpc";
import { AccountChooser, QuickRandom } from "../harness/distribution.ts";
import { within } from "../harness/within.ts";
import { BatchDriver } from "./batch-driver.ts";
import type { LoadDriver } from "./closed-loop.ts";
import { GrpcConnection } from "./grpc-connection.ts";
import type { LoadPlan, ReadMode, UnaryMethod } from "./load-plan.ts";
import { MovementsDriver } from "./movements-driver.ts";
import { PipelineDriver } from "./pipeline-driver.ts";
import { UnaryConnection, unaryHeaders } from "./unary-connection.ts";
import { balanceRequest, depositRequest, envelope, peerDepositRequest } from "./wire.ts";

type PlanOf<Kind extends LoadPlan["kind"]> = Extract<LoadPlan, { readonly kind: Kind }>;

const DEPOSIT = "/bank.v1.TransactionService/Deposit";
const PATHS = {
  deposit: DEPOSIT,
  empty: "/bank.journal.v1.JournalService/GetPosition",
  "peer deposit": "/peer.Bank/Deposit",
} as const;
const BALANCE = "/bank.v1.AccountService/GetBalance";

/** How long a server may take until it can be called. */
export const OPEN_MS_MAX = 60_000;

/** Connects, and makes everything ready for calls. Rejects after `OPEN_MS_MAX`. */
export function openDriver(plan: LoadPlan): Promise<LoadDriver> {
  return within(OPEN_MS_MAX, connected(plan), () => `${plan.url} was not ready for calls in ${OPEN_MS_MAX / 1_000} s`);
}

async function connected(plan: LoadPlan): Promise<LoadDriver> {
  const random = new QuickRandom(randomInt(2 ** 32));
  const chooser = new AccountChooser(plan.accounts, plan.distribution, random);
  switch (plan.kind) {
    case "unary":
      return unaryDriver(plan, chooser, random);
    case "movements":
      return new MovementsDriver(await GrpcConnection.open(plan.url), plan, { chooser, random });
    case "batch":
      return new BatchDriver(await GrpcConnection.open(plan.url), plan, { chooser, random });
    case "pipeline": {
      const { method } = plan;
      const session = typeof method === "object" && method.balance === "session" ? await sessionOf(plan.url) : "";
      return PipelineDriver.open(await GrpcConnection.open(plan.url), plan, { chooser, random, session });
    }
    case "sdk":
      return sdkDriver(plan, chooser);
  }
}

async function unaryDriver(plan: PlanOf<"unary">, chooser: AccountChooser, random: QuickRandom): Promise<LoadDriver> {
  const { inFlight, method, url } = plan;
  const opening = Array.from({ length: plan.connections }, () => UnaryConnection.open(url));
  const connections = await Promise.all(opening);
  const headers = await headersOf(method, url);
  let next = 0;
  return {
    inFlight,
    begin(done, failed) {
      next = (next + 1) % connections.length;
      const frame = unaryFrame(method, chooser, random);
      (connections[next] as UnaryConnection).call(headers, frame, () => done(1), failed);
    },
    close() {
      for (const connection of connections) connection.close();
    },
  };
}

async function headersOf(method: UnaryMethod, url: string): Promise<Buffer> {
  if (typeof method === "string") return unaryHeaders(url, PATHS[method]);
  return unaryHeaders(url, BALANCE, {
    [CONSISTENCY_HEADER]: method.balance,
    ...(method.balance === "session" ? { [SESSION_HEADER]: await sessionOf(url) } : {}),
  });
}

const EMPTY = envelope(new Uint8Array());

function unaryFrame(method: UnaryMethod, chooser: AccountChooser, random: QuickRandom): Buffer {
  if (typeof method === "object") return envelope(balanceRequest(chooser.one()));
  switch (method) {
    case "deposit":
      return envelope(depositRequest(chooser.one(), random));
    case "peer deposit":
      return envelope(peerDepositRequest(chooser.one(), random));
    case "empty":
      return EMPTY;
  }
}

/** The token of somebody who has just seen the newest state that there is. */
async function sessionOf(server: string): Promise<string> {
  const client = connectBank({ server: new URL(server).host });
  try {
    await client.balance("1");
    if (client.session === undefined) throw new Error("who has read has a session");
    return client.session;
  } finally {
    client.close();
  }
}

function sdkDriver({ url, inFlight, method }: PlanOf<"sdk">, chooser: AccountChooser): LoadDriver {
  const consistency: ReadMode = typeof method === "object" ? method.balance : "linearizable";
  const client = connectBank({ server: new URL(url).host, timeoutMs: 60_000, consistency });
  const amount = { currency: "USD", minor: 1n };
  const call = () => {
    const first = chooser.first();
    if (typeof method === "object") return client.balance(String(first));
    return client.transfer(String(first), String(chooser.other(first)), amount);
  };
  return {
    inFlight,
    begin(done, failed) {
      call().then(() => done(1), failed);
    },
    close: () => client.close(),
  };
}
