import type { Distribution } from "../harness/distribution.ts";
import type { ProcessorTime } from "../harness/process-cost.ts";
import type { Latencies } from "../harness/quantile.ts";

/** How current a read at a branch must be. */
export type ReadMode = "linearizable" | "session" | "local";

interface Common {
  /** `http://HOST:PORT`. */
  readonly url: string;
  /** Customers' accounts of the bank: they have the numbers from 1 on. */
  readonly accounts: number;
  readonly distribution: Distribution;
  /** Calls under way at the same time; for the SDK, callers that wait. */
  readonly inFlight: number;
}

/** What a load asks of a server, again and again. */
export type LoadPlan =
  /** Unary gRPC calls by frames made by hand on plain sockets: the same code against every server. */
  | (Common & {
      readonly kind: "unary";
      readonly method: UnaryMethod;
      readonly connections: number;
    })
  /** `ExecuteMovements` by hand-made columns. */
  | (Common & {
      readonly kind: "movements";
      readonly rows: number;
      /** An id of its own for each row, or one base for all. */
      readonly ids: "each" | "base";
    })
  /** `ExecuteBatch` of transfers, as messages. */
  | (Common & { readonly kind: "batch"; readonly rows: number })
  /** Single operations over one `SessionService.Pipeline`. */
  | (Common & { readonly kind: "pipeline"; readonly method: "deposit" | "transfer" | { readonly balance: ReadMode } })
  /** Single transfers through one client of the SDK, which each of its callers waits for. */
  | (Common & { readonly kind: "sdk"; readonly method: "transfer" | { readonly balance: ReadMode } });

/** A plan for whichever server it is given to. */
export type LoadWork = LoadPlan extends infer Plan ? (Plan extends LoadPlan ? Omit<Plan, "url"> : never) : never;

export type UnaryMethod =
  /** A deposit at the bank. */
  | "deposit"
  /** `GetPosition`: a unary call whose request is empty, and which the bank answers at once. */
  | "empty"
  /** A deposit at a peer, whose message has the same fields. */
  | "peer deposit"
  /** A read at the bank or a branch. */
  | { readonly balance: ReadMode };

/** What one run gave. */
export interface RunResult {
  /** Of the time that was measured. */
  readonly operations: number;
  readonly elapsedMs: number;
  readonly latencies: Latencies;
  /** Operations that were acknowledged, those before the measured time included. */
  readonly acknowledged: number;
  /** Of the servers, over the measured time; undefined where the system does not tell. */
  readonly serverTime: ProcessorTime | undefined;
  /** Of this process. */
  readonly loadUs: number;
}

export interface RunOptions {
  /** The load runs so long before it is measured. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Whose processor time is told. */
  readonly serverPids: readonly number[];
}

export type LoadAsk =
  | { readonly ask: "open"; readonly plan: LoadPlan }
  | { readonly ask: "run"; readonly load: number; readonly options: RunOptions }
  | { readonly ask: "close" };

export type LoadAnswer =
  | { readonly answer: "opened"; readonly load: number }
  | { readonly answer: "ran"; readonly result: RunResult }
  | { readonly answer: "closed" }
  /** With how much was acknowledged, where it is a load that broke off. */
  | { readonly answer: "failed"; readonly problem: string; readonly acknowledged?: number };
