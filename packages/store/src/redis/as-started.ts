import type { Connection } from "./connection.ts";
import { parseInfo } from "./info.ts";

/**
 * Commands that can have had a server begin an append-only file while it ran, or counters forget that: settings, and a change of
 * its part beside other servers, since one that copied another's data begins its file anew behind that.
 */
const CHANGING = /^(config\|(set|resetstat)|replicaof|slaveof|failover|cluster|debug|module\|load(ex)?)$/;

/**
 * Whether nobody has changed since its start how the server keeps its data: then the append-only file that it has was there from the
 * start on. It counts all commands by name, and shows that; where it does not show its own `INFO` it is not believed.
 * Rejects with what the connection rejects with.
 */
export async function isAsStarted(connection: Connection): Promise<boolean> {
  const counted = [...parseInfo(await connection.call(["INFO", "commandstats"])).keys()];
  const commands = counted.filter((key) => key.startsWith("cmdstat_")).map((key) => key.slice("cmdstat_".length));
  return commands.includes("info") && !commands.some(isChanging);
}

function isChanging(command: string): boolean {
  return CHANGING.test(command) || CHANGING.test(command.split("|")[0] ?? "");
}
