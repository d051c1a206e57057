import type { Suite } from "../bench.ts";
import { batch } from "./batch.ts";
import { ledger } from "./ledger.ts";
import { peers } from "./peers.ts";
import { pipeline } from "./pipeline.ts";
import { raw } from "./raw.ts";
import { sdk } from "./sdk.ts";
import { unary } from "./unary.ts";

/** In the order of the report. */
export const SUITES: readonly Suite[] = [raw, ledger, unary, pipeline, sdk, batch, peers];
