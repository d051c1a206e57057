import { setTimeout as sleep } from "node:timers/promises";
import { type Asked, askWithin, type FindOptions, type FoundPrimary, type PrimaryOptions } from "./ask-host.ts";
import type { Connection } from "./connection.ts";
import type { PostgresPlace } from "./place.ts";
import { NotSentError } from "./postgres-errors.ts";

/** Of one host of several, where the URL does not say. */
const CONNECT_TIMEOUT_MS = 2_000;
/** So long the others are waited for behind the first that is a primary: one of them may be a newer one. */
const OTHERS_MS = 500;
/** Likewise, where they said nothing the last time either. */
const SILENT_MS = 50;
/** Between two questions to one that is not the primary. */
const AGAIN_MS = 200;

/** `findPrimary`, for who comes for the first time. */
export async function connectToPrimary(place: PostgresPlace, options: PrimaryOptions): Promise<Connection> {
  return (await findPrimary(place, { ...options, timelineMin: 0, silent: new Set() })).connection;
}

/**
 * A connection to the server that takes the writes. Where the place has several hosts they are asked at the same time, so that
 * one that stands still holds up nobody for longer than a moment.
 *
 * Rejects with: `NotSentError`, which says of each host why it is not the one. That of a place with one host may be a standby:
 * its settings tell.
 */
export async function findPrimary(place: PostgresPlace, options: FindOptions): Promise<FoundPrimary> {
  const { openConnection, deadlineMs } = options;
  const [only, ...others] = place.hosts;
  if (only !== undefined && others.length === 0) {
    const connectTimeoutMs = place.connectTimeoutMs ?? deadlineMs;
    return { connection: await openConnection(only, { deadlineMs, connectTimeoutMs }), timeline: 0 };
  }
  const withinMs = Math.min(place.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, deadlineMs);
  const asked: (Asked | undefined)[] = place.hosts.map(() => undefined);
  /** Once all have answered, or one is chosen. */
  const over = new AbortController();
  const waiting = new Set(place.hosts);
  let isChosen = false;
  const answers = place.hosts.map(async (host, i) => {
    for (;;) {
      const answer = await askWithin(host, options, withinMs);
      if (answer.kind === "silent") options.silent.add(host);
      else options.silent.delete(host);
      waiting.delete(host);
      if (waiting.size === 0) over.abort();
      if (isChosen) {
        if (answer.kind === "primary") void answer.connection.end();
        return answer;
      }
      asked[i] = answer;
      if (answer.kind === "primary") return answer;
      // While another one says nothing: this one may be promoted.
      await sleep(AGAIN_MS, undefined, { signal: over.signal }).catch(() => undefined);
      if (over.signal.aborted) return answer;
    }
  });
  const areSilent = () => [...waiting].every((host) => options.silent.has(host));
  await settled(answers, () => (areSilent() ? SILENT_MS : OTHERS_MS));
  for (const host of waiting) options.silent.add(host);
  isChosen = true;
  over.abort();
  const chosen = newestPrimary(asked);
  for (const each of asked) if (each?.kind === "primary" && each !== chosen) void each.connection.end();
  if (chosen !== undefined) return chosen;
  const why = asked.map(
    (each, i) => `${place.hosts[i]?.name}: ${each?.kind === "primary" ? "" : (each?.why ?? "no answer")}`,
  );
  throw new NotSentError(`none of the servers of ${place.name} is the primary: ${why.join("; ")}`);
}

/**
 * Of those that say that they are primaries the one that was promoted last: one that was paused, or whose manager was, while
 * another was promoted, goes on calling itself a primary, and its commits wait in vain for its standbys. Where servers do not
 * count promotions all are as good: the first.
 */
export function newestPrimary(asked: readonly (Asked | undefined)[]): FoundPrimary | undefined {
  let newest: (Asked & { readonly kind: "primary" }) | undefined;
  for (const each of asked) if (each?.kind === "primary" && each.timeline > (newest?.timeline ?? -1)) newest = each;
  return newest;
}

/** Resolves once all have answered, or a moment after the first primary. */
async function settled(answers: readonly Promise<Asked>[], momentMs: () => number): Promise<void> {
  const never = new Promise<never>(() => undefined);
  const aPrimary = Promise.race(answers.map(async (each) => ((await each).kind === "primary" ? undefined : never)));
  const aMoment = new AbortController();
  const behind = aPrimary.then(() => sleep(momentMs(), undefined, { signal: aMoment.signal }));
  // It is not waited for any more where all have answered.
  behind.catch(() => undefined);
  await Promise.race([Promise.all(answers), behind]);
  aMoment.abort();
}
