import { setTimeout as delay } from "node:timers/promises";
import type { CutKind, Direction, Fault, FaultProxy, Random } from "@bank/testkit";
import type { FaultTimeline, TimedFault } from "./fault-timeline.ts";
import type { SupervisedServer } from "./supervised-server.ts";

const KINDS: readonly CutKind[] = ["hold", "lose"];
/** Long enough for appends to be carried out of which the leader does not hear; far shorter than its lease. */
const UNHEARD_MS = [60, 180] as const;
const WAYS: readonly Direction[] = ["toServer", "toClient", "both"];

/** Something that is done to a bank server, and its end. */
interface Act {
  readonly kind: string;
  readonly countsFrom: TimedFault["countsFrom"];
  readonly begin: (server: SupervisedServer, random: Random) => void | Promise<void>;
  readonly end: (server: SupervisedServer) => void | Promise<void>;
}

const ACTS: readonly Act[] = [
  { kind: "kill leader", countsFrom: "begin", begin: (server) => server.kill(), end: (server) => server.run() },
  { kind: "pause leader", countsFrom: "begin", begin: (server) => server.pause(), end: (server) => server.resume() },
  {
    kind: "cut leader from the database",
    countsFrom: "begin",
    begin: (server, random) => cut(server.storeLinks, random),
    end: (server) => uncut(server.storeLinks),
  },
  {
    // In the middle of commits: what the leader asked for is stored, and its connections end before it hears of it.
    kind: "break leader from the database",
    countsFrom: "begin",
    begin: (server, random) => breakOff(server.storeLinks, random),
    end: ({ storeLinks }) => {
      for (const link of storeLinks) link.admit();
      uncut(storeLinks);
    },
  },
  {
    kind: "cut leader off",
    countsFrom: "begin",
    begin: (server, random) => cut([...server.storeLinks, ...callersOf(server)], random),
    end: (server) => uncut([...server.storeLinks, ...callersOf(server)]),
  },
  {
    // It keeps its lease, so that nobody takes over: writes go on when its callers reach it again.
    kind: "cut leader from its callers",
    countsFrom: "end",
    begin: (server, random) => cut(callersOf(server), random),
    end: (server) => uncut(callersOf(server)),
  },
];

/** Resolves with who leads, once writes go on behind the fault before; with undefined where no more shall happen. */
export type WhenReady = (random: Random) => Promise<SupervisedServer | undefined>;

/** What can happen to whoever leads when a fault begins, one at a time. */
export function leaderFaults(timeline: FaultTimeline, whenReady: WhenReady): readonly Fault[] {
  return ACTS.map(({ kind, countsFrom, begin, end }) => {
    let hit: { readonly server: SupervisedServer; readonly fault: TimedFault } | undefined;
    return {
      name: kind,
      group: "the leader",
      begin: async (random) => {
        hit = undefined;
        const server = await whenReady(random);
        if (server === undefined) return;
        hit = { server, fault: timeline.begin({ kind, whom: server.name, countsFrom }) };
        await begin(server, random);
      },
      end: async () => {
        if (hit === undefined) return;
        await end(hit.server);
        hit.fault.endedMs = performance.now();
      },
    };
  });
}

/** The database's own faults, likewise timed. Writes are expected again from their end on. */
export function timedFaults(
  faults: readonly Fault[],
  { timeline, whenReady }: { readonly timeline: FaultTimeline; readonly whenReady: WhenReady },
): readonly Fault[] {
  return faults.map((fault) => {
    let timed: TimedFault | undefined;
    return {
      ...fault,
      // Not beside one of the leader: what is waited for could not be told apart.
      group: "the leader",
      begin: async (random) => {
        timed = undefined;
        if ((await whenReady(random)) === undefined) return;
        timed = timeline.begin({ kind: fault.name, whom: "the database", countsFrom: "end" });
        await fault.begin(random);
      },
      end: async () => {
        if (timed === undefined) return;
        await fault.end();
        timed.endedMs = performance.now();
      },
    };
  });
}

function callersOf({ door, branchLinks }: SupervisedServer): readonly FaultProxy[] {
  return [door, ...branchLinks];
}

/** All of them in one way. */
function cut(links: readonly FaultProxy[], random: Random): void {
  const [way, kind] = [random.pick(WAYS), random.pick(KINDS)];
  for (const link of links) link.cut(way, kind);
}

/** Nothing comes back for a moment; then all connections are reset, and new ones refused. */
async function breakOff(links: readonly FaultProxy[], random: Random): Promise<void> {
  const [least, most] = UNHEARD_MS;
  for (const link of links) link.cut("toClient", "hold");
  await delay(least + random.below(most - least));
  for (const link of links) {
    link.refuse();
    link.endAll("rst");
  }
}

function uncut(links: readonly FaultProxy[]): void {
  for (const link of links) link.uncut();
}
