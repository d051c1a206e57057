// Branches in a process of their own, each with its own copy, that note when they show each batch. Run by `fleet.ts`.
import type { Position } from "@bank/core";
import { type RunningBranches, silentLog, startBranch } from "@bank/node";
import { type BranchPlan, serveAsks } from "./child.ts";
import { MomentLog } from "./moments.ts";

const FOLLOWING_TIMEOUT_MS = 60_000;

const stopped = new AbortController();
const branches: { readonly running: RunningBranches; readonly log: MomentLog }[] = [];

serveAsks(async (ask) => {
  switch (ask.ask) {
    case "start branches": {
      const urls: string[] = [];
      for (const plan of ask.branches) urls.push(await start(plan));
      return { answer: "started", urls };
    }
    case "show":
      await Promise.all(branches.map(({ running }) => whenApplied(running, ask.position)));
      return { answer: "done" };
    case "moments":
      return { answer: "moments", moments: branches.map(({ log }) => log.take()) };
    case "stop":
      stopped.abort();
      // Followers of a branch here leave before it.
      for (const { running } of branches.toReversed()) await running.close();
      setImmediate(() => process.exit(0));
      return { answer: "done" };
    default:
      throw new Error(`branches do not know ${ask.ask}`);
  }
});

async function start({ number, upstream, dataDir }: BranchPlan): Promise<string> {
  const running = await startBranch({
    branches: [{ number, port: 0 }],
    bankUrl: upstream,
    dataDir,
    history: "lazy",
    log: silentLog,
  });
  await running.whenFollowing(AbortSignal.timeout(FOLLOWING_TIMEOUT_MS));
  const log = new MomentLog();
  branches.push({ running, log });
  void noteAll(running, log);
  const [branch] = running.branches;
  if (branch === undefined) throw new Error("a branch that runs listens");
  return branch.url;
}

async function noteAll(running: RunningBranches, log: MomentLog): Promise<void> {
  for (let position: Position = running.replica().appliedPosition; !stopped.signal.aborted; ) {
    await whenApplied(running, position + 1);
    if (stopped.signal.aborted) return;
    position = running.replica().appliedPosition;
    log.note(position);
  }
}

/** Resolves once a branch shows a position, or the benchmark is over. One that fell far behind may begin anew meanwhile. */
async function whenApplied(running: RunningBranches, position: Position): Promise<void> {
  while (!stopped.signal.aborted) {
    const replica = running.replica();
    try {
      await replica.whenApplied(position, stopped.signal);
      return;
    } catch (error) {
      while (running.replica() === replica && !stopped.signal.aborted) await nextTurn();
      if (!stopped.signal.aborted) console.error(`a branch began anew: ${String(error)}`);
    }
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
