import type { Replay } from "@bank/journal";
import type { Platform } from "./platform.ts";
import { confirm, offeredSnapshot, pagesOf, type SeedCosts, type SeedFrom, type SeedSource } from "./seed.ts";

export interface FetchOptions {
  readonly platform: Platform;
  readonly costs: SeedCosts;
  readonly signal: AbortSignal;
}

/** Whether a server has a snapshot from which it costs less to begin than to replay what is missing. Rejects as `fetchState`. */
export async function offersSnapshot(source: SeedSource, from: SeedFrom, options: FetchOptions): Promise<boolean> {
  return (await withParts(source, from, options, async () => true)) ?? false;
}

/**
 * Builds a state in memory from the snapshot of a server, and from what is committed of its journal behind that, up to where the
 * journal names the snapshot's root: everything is proven as in `seed`, and nothing is stored. Gives undefined where it costs less to
 * replay what is missing.
 * Rejects with: `FalseSnapshotError`; what the source and the loading of a snapshot reject with.
 */
export function fetchState(source: SeedSource, from: SeedFrom, options: FetchOptions): Promise<Replay | undefined> {
  return withParts(source, from, options, async ({ loader }, parts) => {
    for await (const page of pagesOf(parts)) loader.add(page);
    const replay = loader.finish("elsewhere");
    await confirm(replay, loader.root, source, from, options);
    return replay;
  });
}

type Offered = NonNullable<Awaited<ReturnType<typeof offeredSnapshot>>>;

async function withParts<T>(
  source: SeedSource,
  from: SeedFrom,
  options: FetchOptions,
  work: (offered: Offered, parts: ReturnType<SeedSource["fetchSnapshot"]>) => Promise<T>,
): Promise<T | undefined> {
  if (from.target - from.position < options.costs.recordsMin) return undefined;
  const stopped = new AbortController();
  const signal = AbortSignal.any([options.signal, stopped.signal]);
  const parts = source.fetchSnapshot(from.bankId, from.position, signal);
  try {
    const offered = await offeredSnapshot(parts, from, options);
    return offered === undefined ? undefined : await work(offered, parts);
  } finally {
    stopped.abort(new Error("the snapshot is there, or is not wanted"));
    await parts.return(undefined);
  }
}
