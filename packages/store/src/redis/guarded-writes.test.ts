import { expect, it } from "vitest";
import { LeaseLostError } from "../errors.ts";
import { GuardedWrites } from "./guarded-writes.ts";
import { HeldLease } from "./held-lease.ts";
import { Keys } from "./keys.ts";
import type { LeaseClock } from "./lease-clock.ts";
import type { Link } from "./link.ts";
import { parseRedisUrl } from "./redis-place.ts";

it("renews the lease from when a write was sent, not from when it was answered", async () => {
  let nowMs = 0;
  const clock: LeaseClock = { nowMs: () => nowMs, after: () => ({ cancel: () => undefined }) };
  // It answers after 700 ms.
  const link = {
    run: async () => {
      nowMs += 700;
      return [Buffer.from("done")];
    },
  };
  const writes = new GuardedWrites({
    link: link as unknown as Link,
    keys: new Keys("bank"),
    place: parseRedisUrl("redis://localhost"),
    clock,
    waitMs: 100,
    token: "a",
    beat: 0,
    epoch: 0,
    lease: () => lease,
  });
  const leaseWrites = { beat: () => writes.beat(), announce: async () => undefined };
  const lease = new HeldLease({ clock, ttlMs: 1_000, name: "a server", writes: leaseWrites, sentMs: -500 });
  await lease.confirm();
  nowMs = 799;
  lease.requireHeld();
  nowMs = 800;
  expect(() => lease.requireHeld()).toThrow(LeaseLostError);
  expect(lease.lost.aborted).toBe(true);
  await expect(lease.confirm()).rejects.toThrow(LeaseLostError);
});
