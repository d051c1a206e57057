// The thread that copies the write-ahead log into the journal's file: the entry point of a worker, started by
// `CheckpointThread`.
import { parentPort, workerData } from "node:worker_threads";
import type { CheckpointReply, CheckpointRequest } from "./checkpoint-messages.ts";
import { connect, disconnect, makeDurable } from "./connection.ts";

const WAIT_MS = 30_000;

const path = workerData as string;
const database = connect(path);
// The other connection may be in the middle of a write, and here nobody minds waiting for it.
database.exec(`PRAGMA busy_timeout = ${WAIT_MS}`);
makeDurable(database, path);
const passive = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");

parentPort?.on("message", (request: CheckpointRequest) => {
  if (request === "checkpoint") parentPort?.postMessage(checkpoint());
  else {
    disconnect(database);
    parentPort?.close();
  }
});

function checkpoint(): CheckpointReply {
  try {
    const row = passive.get();
    return { kind: "done", logPages: Number(row?.["log"]) };
  } catch (error) {
    return { kind: "failed", problem: error instanceof Error ? error.message : String(error) };
  }
}
