import { mkdir } from "node:fs/promises";
import { urlOf } from "../bank/bench-bank.ts";
import { ServerUnderLoad } from "../bank/server-under-load.ts";
import type { Bench } from "../bench.ts";
import { freePort } from "../harness/free-port.ts";
import type { Running } from "../harness/processes.ts";
import type { SuiteReport } from "../report/result.ts";
import { PEERS, Python } from "./python.ts";

/** A peer that serves deposits. */
export interface Peer {
  /** As its rows name it. */
  readonly name: string;
  readonly server: ServerUnderLoad;
  stop(): Promise<void>;
}

/** As rows and targets name them. */
export const PYTHON_MEMORY = "Python, in memory";
export const PYTHON_REDIS = "Python + Redis";
export const GRPC_JS = "grpc-js, in memory";

/** Every peer that is installed; what is not is told loudly. They have the accounts from 1 on. */
export async function startPeers(bench: Bench, report: SuiteReport, accounts: number): Promise<Peer[]> {
  const starts = [startGrpcJs, startPythonMemory, startPythonRedis];
  const started = await Promise.allSettled(starts.map((start) => start(bench, accounts)));
  return started.flatMap((peer) => {
    if (peer.status === "fulfilled") return [peer.value];
    report.miss(peer.reason instanceof Error ? peer.reason.message : String(peer.reason));
    return [];
  });
}

export async function stopPeers(peers: readonly Peer[]): Promise<void> {
  for (const peer of peers) {
    await peer.server.closeLoad();
    await peer.stop();
  }
}

async function startGrpcJs(bench: Bench, accounts: number): Promise<Peer> {
  const process = bench.processes.startNode("grpc-js", `${PEERS}/grpc-js/server.mjs`, [String(accounts)]);
  return peerOf(bench, GRPC_JS, [process]);
}

export async function startPythonMemory(bench: Bench, accounts: number): Promise<Peer> {
  const python = await Python.find(bench, []);
  if (python === undefined) throw new Error(`${PYTHON_MEMORY}: no python3 with grpc and grpc_tools is installed`);
  return peerOf(bench, PYTHON_MEMORY, [python.start("Python", "python-memory/server.py", [String(accounts)])]);
}

export async function startPythonRedis(bench: Bench, accounts: number): Promise<Peer> {
  const python = await Python.find(bench, ["redis"]);
  if (python === undefined) throw new Error(`${PYTHON_REDIS}: no python3 with grpc, grpc_tools and redis is installed`);
  const folder = bench.scratch("redis");
  await mkdir(folder);
  const port = await freePort();
  // As it comes: snapshots now and then, and no append-only file. Nothing is on the disk when a call is answered.
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--loglevel", "notice"];
  const redis = bench.processes.start({ name: "redis-server", command: "redis-server", args });
  try {
    await redis.printed(/Ready to accept connections/);
  } catch (error) {
    throw new Error(`${PYTHON_REDIS}: redis-server does not start: ${error instanceof Error ? error.message : error}`);
  }
  const service = python.start("Python", "python-redis/server.py", [String(accounts), String(port)]);
  return peerOf(bench, PYTHON_REDIS, [service, redis]);
}

/** @param processes the first of them serves. */
async function peerOf(bench: Bench, name: string, processes: readonly [Running, ...Running[]]): Promise<Peer> {
  const url = await urlOf(processes[0]);
  const pids = processes.map(({ pid }) => pid);
  return {
    name,
    server: new ServerUnderLoad(bench, url, pids),
    stop: async () => {
      for (const each of processes) await each.kill();
    },
  };
}
