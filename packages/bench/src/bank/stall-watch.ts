// Imported into a server before it begins: says how long its main thread has answered nobody. Asked by SIGUSR2.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

/** How exactly: the timer behind it costs half a percent of a core. */
const RESOLUTION_MS = 1;

// The threads that it starts inherit the flag.
if (isMainThread) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  let asked = 0;
  process.on("SIGUSR2", () => {
    console.log(`stalls ${++asked}: ${Math.max(0, histogram.max / 1e6 - RESOLUTION_MS)} ms`);
    histogram.reset();
  });
}
