import { copyStoreTo, silentLog } from "@bank/node";
import { depositOnce, positionOf } from "../bank/ask-bank.ts";
import { buildBankServer, startBankServer, urlOf } from "../bank/bench-bank.ts";
import { ServerUnderLoad } from "../bank/server-under-load.ts";
import type { Bench, Suite } from "../bench.ts";
import { BenchPostgres, POSTGRES } from "../engines/postgres.ts";
import { freePort } from "../harness/free-port.ts";
import { residentBytes } from "../harness/process-cost.ts";
import type { Running } from "../harness/processes.ts";
import type { SuiteReport } from "../report/result.ts";

/** How long the leader writes behind the newest snapshot, before it is killed. */
const LOAD_MS = 6_000;
const LOAD_MS_QUICK = 300;
const MOVEMENTS = { kind: "movements", rows: 8_000, ids: "each", inFlight: 2, distribution: "uniform" } as const;
/** As `npm start` runs it. */
const BUILT = { isBuilt: true };
/** Nothing is in a snapshot that the load writes. */
const NO_SNAPSHOT = ["--snapshot-every", "1000000000"];
const STANDBYS = [
  { name: "warm", flags: [] },
  { name: "cold", flags: ["--cold-standby"] },
] as const;

/** How long it takes from the kill of the leader to the first durable write at the server that waited. */
export const takeOver: Suite = {
  name: "takeover",
  title: `from kill -9 of the leader to the first durable write at the other server, on one ${POSTGRES}; all in milliseconds`,
  run: async (bench, report) => {
    await buildBankServer(bench);
    const postgres = await BenchPostgres.start(bench).catch((error: unknown) => {
      report.miss(error instanceof Error ? error.message : String(error));
    });
    if (postgres === undefined) return;
    const accounts = bench.manyAccounts;
    const { folder } = await bench.preparedBank({ accounts });
    for (let round = 0; round < bench.rounds; round++)
      for (const standby of STANDBYS) {
        const store = await postgres.newStore();
        await copyStoreTo({ from: `sqlite:${folder}`, to: store, keepSourceUsable: true, log: silentLog });
        await measure(bench, report, { store, accounts, ...standby });
        await postgres.forget(store);
      }
    report.note("2,000 ms of each are those for which nobody may take the lease of a leader that says nothing");
    await postgres.stop();
  },
};

interface Measured {
  readonly store: string;
  readonly accounts: number;
  readonly name: string;
  readonly flags: readonly string[];
}

async function measure(bench: Bench, report: SuiteReport, { store, accounts, name, flags }: Measured): Promise<void> {
  const leader = start(bench, store, []);
  const leaderUrl = await urlOf(leader);
  const url = `http://127.0.0.1:${await freePort()}`;
  const other = start(bench, store, flags, url);
  await other.logged(/waiting for its turn/);
  const server = new ServerUnderLoad(bench, leaderUrl, [leader.pid]);
  const durationMs = bench.quick ? LOAD_MS_QUICK : LOAD_MS;
  const { acknowledged } = await server.run({ ...MOVEMENTS, accounts }, { warmUpMs: 0, durationMs });
  await server.closeLoad();
  const position = await positionOf(leaderUrl);
  if (name === "warm") await untilItHas(url, position);
  const waitingBytes = residentBytes(other.pid);
  const killedMs = performance.now();
  await leader.kill();
  await urlOf(other);
  const listensMs = performance.now() - killedMs;
  await depositOnce(url);
  const ms = performance.now() - killedMs;
  const [, recovered] = /recovered to position \d+ in (\d+) ms/.exec(other.said()) ?? [];
  report.add(
    { name: `${name} standby`, unit: "take-overs", durable: true, checked: true, batch: 1, inFlight: 1, accounts },
    {
      operationsPerSecond: 1_000 / ms,
      operations: 1,
      latencies: { calls: 1, p50Ms: ms, p99Ms: ms, p999Ms: ms, maxMs: ms },
      more: {
        "records behind the snapshot": acknowledged,
        "of it recovery, ms": Number(recovered),
        "listens after ms": listensMs,
        ...(waitingBytes === undefined ? {} : { "MB while it waits": waitingBytes / 2 ** 20 }),
      },
    },
  );
  await other.stop();
}

function start(bench: Bench, store: string, flags: readonly string[], url?: string): Running {
  const place = url === undefined ? [] : ["--listen", new URL(url).host];
  return startBankServer(bench, bench.scratch("server"), ["--store", store, ...NO_SNAPSHOT, ...place, ...flags], BUILT);
}

/** Waits until a server that waits for its turn says that it has so much of the journal. */
async function untilItHas(url: string, position: number): Promise<void> {
  const deadlineMs = performance.now() + 120_000;
  for (;;) {
    const problem = await positionOf(url).then(String, (error: unknown) => String(error));
    if (problem.includes(`up to position ${position}`)) return;
    if (performance.now() > deadlineMs) throw new Error(`the standby does not get to position ${position}: ${problem}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
