import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What this process holds once what is no longer needed is gone: array buffers, and the heap. */
export function usedBytes(): number {
  const { arrayBuffers, heapUsed } = collected();
  return arrayBuffers + heapUsed;
}

/** Likewise, in array buffers alone. */
export function arrayBufferBytes(): number {
  return collected().arrayBuffers;
}

function collected(): NodeJS.MemoryUsage {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  // What the first one finds is given back behind it, by another thread, and the second one waits for that.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage();
}
