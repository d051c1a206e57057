import { processorTimeOf } from "../harness/process-cost.ts";
import { LatencyLog } from "../harness/quantile.ts";
import type { RunOptions, RunResult } from "./load-plan.ts";

/**
 * A load to which nothing was answered for so long has failed: it is found out after no more than twice that, and whoever
 * measures does not wait for ever.
 */
export const SILENCE_MS_MAX = 30_000;

/** One kind of call, begun again and again. */
export interface LoadDriver {
  /** How many are under way at a time. */
  readonly inFlight: number;
  /**
   * Begins one call, and calls one of the two once, later. A callback and no promise: the load shares the machine with
   * what it measures.
   *
   * @param done is told how many operations were acknowledged.
   */
  begin(done: (operations: number) => void, failed: (error: Error) => void): void;
  close(): void | Promise<void>;
}

/** A load that broke off, and how much was acknowledged to it before. */
export class LoadFailedError extends Error {
  override readonly name = "LoadFailedError";
  readonly acknowledged: number;

  constructor(cause: Error, acknowledged: number) {
    super(cause.message, { cause });
    this.acknowledged = acknowledged;
  }
}

/** Runs a load for a while that does not count, and on for the time that does. */
export async function runLoad(driver: LoadDriver, options: RunOptions): Promise<RunResult> {
  let serverTime: RunResult["serverTime"];
  let loadUs = 0;
  const timed = await closedLoop(driver, options, () => {
    const serverBefore = processorTimeOf(options.serverPids);
    const ownBefore = process.cpuUsage();
    return () => {
      const own = process.cpuUsage(ownBefore);
      const serverAfter = processorTimeOf(options.serverPids);
      loadUs = own.user + own.system;
      if (serverBefore !== undefined && serverAfter !== undefined)
        serverTime = {
          allUs: serverAfter.allUs - serverBefore.allUs,
          mainUs: serverAfter.mainUs - serverBefore.mainUs,
        };
    };
  });
  return { ...timed, serverTime, loadUs };
}

type Phase =
  /** Nothing counts yet. Left for "measured" once all calls have been begun and the warm-up is over. */
  | "warming up"
  /** Left for "ending" with the first answer after the measured time. */
  | "measured"
  /** No call begins any more, and the last ones are waited for. */
  | "ending";

/**
 * Keeps the driver's number of calls under way for the warm-up and the measured time, without a break between them, and
 * then waits for the last ones. The calls are begun one in each turn: a crowd that begins together may well stay together,
 * and be measured instead of what comes of single callers. Rejects with `LoadFailedError`, for the first failure, once
 * nothing is under way any more, or once nothing was answered for `SILENCE_MS_MAX`.
 *
 * The measured time begins and ends with an answer, or at once where there is no warm-up. Operations are those that were
 * answered in it; latencies are also of the calls that were under way at its end, so that the longest are not left out.
 *
 * @param onMeasured called when the measured time begins; what it returns, when that ends.
 */
export function closedLoop(
  driver: LoadDriver,
  { warmUpMs, durationMs }: Pick<RunOptions, "warmUpMs" | "durationMs">,
  onMeasured: () => () => void = () => () => undefined,
): Promise<Pick<RunResult, "operations" | "elapsedMs" | "latencies" | "acknowledged">> {
  const log = new LatencyLog();
  let phase: Phase = "warming up";
  let warmUntilMs = Number.POSITIVE_INFINITY;
  let measuredFromMs = 0;
  let elapsedMs = 0;
  let onEnd: () => void = () => undefined;
  let isBeginning = true;
  let begun = 0;
  let underWay = 0;
  let operations = 0;
  let acknowledged = 0;
  let failure: Error | undefined;
  let isHeard = false;
  return new Promise((resolve, reject) => {
    const listening = setInterval(() => {
      if (isHeard) {
        isHeard = false;
        return;
      }
      clearInterval(listening);
      failure ??= new Error(`nothing was answered for ${SILENCE_MS_MAX / 1_000} s, with ${underWay} call(s) under way`);
      reject(new LoadFailedError(failure, acknowledged));
    }, SILENCE_MS_MAX);
    const measureFrom = (nowMs: number) => {
      phase = "measured";
      measuredFromMs = nowMs;
      onEnd = onMeasured();
    };
    const count = (begunMs: number, answered: number) => {
      const nowMs = performance.now();
      acknowledged += answered;
      if (phase === "warming up") {
        if (nowMs >= warmUntilMs) measureFrom(nowMs);
        return;
      }
      log.add(nowMs - begunMs);
      if (phase === "ending") return;
      operations += answered;
      elapsedMs = nowMs - measuredFromMs;
      if (elapsedMs < durationMs) return;
      phase = "ending";
      onEnd();
    };
    const isEnding = () => failure !== undefined || phase === "ending";
    const endIfOver = () => {
      if (underWay > 0 || isBeginning) return;
      clearInterval(listening);
      if (failure !== undefined) reject(new LoadFailedError(failure, acknowledged));
      else resolve({ operations, elapsedMs, latencies: log.take(), acknowledged });
    };
    const begin = () => {
      const begunMs = performance.now();
      underWay++;
      driver.begin(
        (answered) => {
          underWay--;
          isHeard = true;
          count(begunMs, answered);
          if (isEnding()) endIfOver();
          else begin();
        },
        (error) => {
          underWay--;
          failure ??= error;
          endIfOver();
        },
      );
    };
    const beginOne = () => {
      if (!isEnding()) begin();
      if (++begun < driver.inFlight && !isEnding()) {
        setImmediate(beginOne);
        return;
      }
      isBeginning = false;
      warmUntilMs = performance.now() + warmUpMs;
      endIfOver();
    };
    if (warmUpMs <= 0) measureFrom(performance.now());
    beginOne();
  });
}
