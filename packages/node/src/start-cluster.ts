import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { BranchNumber } from "@bank/core";
import type { Log } from "@bank/replica";
import { type RunningBank, startBank } from "./start-bank.ts";
import { type RunningBranches, startBranch } from "./start-branch.ts";

export interface ClusterOptions {
  readonly branches: readonly BranchNumber[];
  /** Where the bank and the branches keep their data; a temporary folder, removed at the end, where it is not said. */
  readonly dataDir?: string;
  /** 0, the default, for any free port. */
  readonly bankPort?: number;
  /** Port of the first branch, the others following; 0, the default, for any free ports. */
  readonly firstBranchPort?: number;
  readonly log?: Log;
  /** Called once if the bank or a branch cannot go on. */
  readonly onFatal?: (error: unknown) => void;
}

/** A bank with its branches, in this process, each with its own copy of the journal. */
export interface RunningCluster {
  readonly bank: RunningBank;
  readonly bankUrl: string;
  readonly branches: readonly { readonly number: BranchNumber; readonly url: string }[];
  readonly replicas: readonly RunningBranches[];
  /** Throws: `RangeError` for a branch that is not here. */
  branchUrl(number: BranchNumber): string;
  /** Stops the branches, then the bank, and removes a temporary folder. Idempotent. */
  close(): Promise<void>;
}

/** How long a branch may take to be known to the bank. */
const REGISTERED_TIMEOUT_MS = 30_000;
const PROBE_RETRY_MS = 50;

/** Starts a bank and branches, and resolves once all of them serve. Leaves nothing behind when it rejects. */
export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const temporary = options.dataDir === undefined ? await mkdtemp(join(tmpdir(), "bank-")) : undefined;
  const dataDir = options.dataDir ?? (temporary as string);
  const log = options.log === undefined ? {} : { log: options.log };
  const onFatal = options.onFatal === undefined ? {} : { onFatal: options.onFatal };
  // Each history is a thread: not for fifty branches that live for one run, unless somebody asks.
  const history = temporary === undefined ? "eager" : "lazy";
  const running: { close(): Promise<void> }[] = [];
  const closeAll = async () => {
    for (const part of running.reverse()) await part.close();
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  };
  try {
    const bank = await startBank({
      dataDir: join(dataDir, "bank"),
      port: options.bankPort ?? 0,
      history,
      ...log,
      ...onFatal,
    });
    running.push(bank);
    const first = options.firstBranchPort ?? 0;
    const starting = await Promise.allSettled(
      options.branches.map(async (number, i) => {
        const branch = await startBranch({
          branches: [{ number, port: first === 0 ? 0 : first + i }],
          bankUrl: bank.url,
          dataDir: join(dataDir, `branch-${number}`),
          ...(temporary === undefined ? {} : { store: "memory:" }),
          history,
          ...log,
          ...onFatal,
        });
        running.push(branch);
        return branch;
      }),
    );
    // Only when all have started or failed is it known what there is to close.
    const failed = starting.find((start) => start.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const replicas = starting.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
    const signal = AbortSignal.timeout(REGISTERED_TIMEOUT_MS);
    await Promise.all(replicas.map((replica) => whenConnected(replica, signal)));
    return cluster(bank, replicas, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Resolves once branches follow and call themselves connected: each probe tells the bank how far they are by then. */
async function whenConnected(branches: RunningBranches, signal: AbortSignal): Promise<void> {
  await branches.whenFollowing(signal);
  while (!branches.replica().connected) {
    const probe = branches.replica().readIndex();
    // The link may have been lost again; it is looked for by itself.
    await probe.catch(() => delay(PROBE_RETRY_MS, undefined, { signal }));
    signal.throwIfAborted();
  }
}

function cluster(
  bank: RunningBank,
  replicas: readonly RunningBranches[],
  closeAll: () => Promise<void>,
): RunningCluster {
  const branches = replicas.flatMap((replica) => replica.branches);
  let closing: Promise<void> | undefined;
  return {
    bank,
    bankUrl: bank.url,
    branches,
    replicas,
    branchUrl: (number) => {
      const branch = branches.find((candidate) => candidate.number === number);
      if (branch === undefined) throw new RangeError(`there is no branch ${number} in this cluster`);
      return branch.url;
    },
    close: () => {
      closing ??= closeAll();
      return closing;
    },
  };
}
