import type { Suite } from "../bench.ts";
import { batch } from "./batch.ts";
import { branches } from "./branches.ts";
import { engines } from "./engines.ts";
import { ledger } from "./ledger.ts";
import { peers } from "./peers.ts";
import { pipeline } from "./pipeline.ts";
import { raw } from "./raw.ts";
import { reads } from "./reads.ts";
import { sdk } from "./sdk.ts";
import { snapshots } from "./snapshots.ts";
import { startup } from "./startup.ts";
import { takeOver } from "./take-over.ts";
import { unary } from "./unary.ts";

/** In the order of the report. */
export const SUITES: readonly Suite[] = [
  raw,
  ledger,
  batch,
  sdk,
  pipeline,
  unary,
  peers,
  engines,
  branches,
  reads,
  snapshots,
  startup,
  takeOver,
];
