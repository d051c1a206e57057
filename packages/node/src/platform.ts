import { createHash, hash, randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Sha256 } from "@bank/journal";
import type { Log, Platform } from "@bank/replica";

/** The real clock, randomness and timers. */
export function nodePlatform(log: Log): Platform {
  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    random: () => Math.random(),
    defer: (run) => {
      setImmediate(run);
    },
    delay: async (ms, signal) => {
      await delay(ms, undefined, { signal });
    },
    timeout: (ms) => AbortSignal.timeout(ms),
    sha256,
    log,
  };
}

/** SHA-256 by Node's own OpenSSL. */
export const sha256: Sha256 = (...parts) => {
  if (parts.length === 1) return new Uint8Array(hash("sha256", parts[0] as Uint8Array, "buffer"));
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part);
  return new Uint8Array(digest.digest());
};
