import { aboutHistory, type History, type Operation, RecordTranslator } from "@bank/checker";
import { connectBank } from "@bank/client";
import { followJournal, ServerClient } from "@bank/testkit";
import type { FaultCluster, Place } from "./fault-cluster.ts";
import type { Scenario } from "./scenarios.ts";

/** What customers saw, and the bank's journal beside it; without it, and with one trouble more, where it cannot be had. */
export async function readHistory(
  cluster: FaultCluster,
  options: {
    readonly operations: readonly Operation[];
    readonly seed: number;
    readonly scenario: Scenario;
    readonly timeoutMs: number;
    readonly troubles: Set<string>;
  },
): Promise<History> {
  const { operations, scenario, timeoutMs, troubles } = options;
  const server = new ServerClient(cluster.bank.url);
  const about = { description: `customers at all servers: ${scenario.about}`, seed: String(options.seed) };
  try {
    const { position } = await server.journal.getPosition({}, { timeoutMs });
    const journal = await followJournal(server, Number(position));
    const translator = new RecordTranslator();
    const records = journal.records.map((each) => translator.translate(each.position, each.timeMs, each.record));
    return { about: aboutHistory(about), accounts: [], records, operations };
  } catch (error) {
    troubles.add(`the bank's journal cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return { about: aboutHistory({ ...about, hasJournal: false }), accounts: [], records: [], operations };
  } finally {
    server.close();
  }
}

/** The branches that, once they show what the bank has committed, show another state. */
export async function differingServers(
  cluster: Pick<FaultCluster, "bank" | "branches">,
  timeoutMs: number,
): Promise<string[]> {
  try {
    const here = await stateOf(cluster.bank, timeoutMs);
    const differing = await Promise.all(
      cluster.branches.map(async (place) => {
        const there = await stateOf(place, timeoutMs);
        return there === here ? [] : [`${place.name} shows another state than the bank: ${there}, not ${here}`];
      }),
    );
    return differing.flat();
  } catch (error) {
    return [`not every state can be compared: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** Where a server is, and the digest of its state there. */
async function stateOf({ url, branch }: Place, timeoutMs: number): Promise<string> {
  const client = connectBank({ server: url, timeoutMs });
  try {
    const { branches } = await client.branches();
    const status = branches.find(({ number }) => number === branch)?.status;
    return `position ${status?.appliedPosition}, digest ${status?.digest}`;
  } finally {
    client.close();
  }
}
