import { setTimeout as delay } from "node:timers/promises";
import type { CutKind, Direction, Fault, FaultProxy, RestartableProcess } from "@bank/testkit";

const KINDS: readonly CutKind[] = ["hold", "lose"];
/** Far below what makes a link lost. */
const SLOW_MAX_MS = 120;
const JITTER_MAX_MS = 30;
/** Long enough that something is done of which nobody hears; shorter than what makes a link lost. */
const UNHEARD_MS = [60, 180] as const;
const WAYS: readonly Direction[] = ["toServer", "toClient"];

/** What can happen to a server. */
export function processFaults(name: string, server: RestartableProcess): readonly Fault[] {
  const group = `the process of ${name}`;
  return [
    { name: `kill ${name}`, group, begin: () => server.kill(), end: () => server.restart() },
    { name: `pause ${name}`, group, begin: () => server.pause(), end: () => server.resume() },
  ];
}

/** What can happen between two ends. A cut holds bytes back or loses them. */
export function linkFaults(name: string, link: FaultProxy): readonly Fault[] {
  const end = () => link.uncut();
  return [
    { name: `cut ${name}, both ways`, group: name, begin: (random) => link.cut("both", random.pick(KINDS)), end },
    {
      name: `cut ${name}, one way`,
      group: name,
      begin: (random) => link.cut(random.pick(WAYS), random.pick(KINDS)),
      end,
    },
    {
      name: `reset ${name}`,
      group: name,
      begin: () => {
        link.refuse();
        link.endAll("rst");
      },
      end: () => link.admit(),
    },
    {
      // Where it hurts most: calls arrive and are carried out, and the connection ends before their answers are back.
      name: `break ${name}`,
      group: name,
      begin: async (random) => {
        const [least, most] = UNHEARD_MS;
        link.cut("toClient", "hold");
        await delay(least + random.below(most - least));
        link.refuse();
        link.endAll("rst");
      },
      end: () => {
        link.admit();
        link.uncut();
      },
    },
    {
      name: `slow ${name}`,
      group: name,
      begin: (random) => link.delay("both", 10 + random.below(SLOW_MAX_MS), JITTER_MAX_MS),
      end: () => link.delay("both", 0),
    },
  ];
}
