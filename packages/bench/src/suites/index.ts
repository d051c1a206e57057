import type { Suite } from "../bench.ts";
import { batch } from "./batch.ts";
import { pipeline } from "./pipeline.ts";
import { raw } from "./raw.ts";
import { sdk } from "./sdk.ts";
import { unary } from "./unary.ts";

/** In the order of the report. */
export const SUITES: readonly Suite[] = [raw, unary, pipeline, sdk, batch];
