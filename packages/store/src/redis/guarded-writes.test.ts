import { expect, it } from "vitest";
import { AppendUnknownError, LeaseLostError } from "../errors.ts";
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

it.each([
  { query: "wait_aof=2", replies: { WAITAOF: [1, 2] }, asked: ["WAITAOF 1 2 100"] },
  { query: "wait_aof=2&wait_replicas=2", replies: { WAITAOF: [1, 3] }, asked: ["WAITAOF 1 2 100"] },
  {
    query: "wait_aof=1&wait_replicas=2",
    replies: { WAITAOF: [1, 1], WAIT: 2 },
    asked: ["WAITAOF 1 1 100", "WAIT 2 100"],
  },
  {
    query: "wait_aof=2",
    replies: { WAITAOF: [1, 1] },
    asked: ["WAITAOF 1 2 100"],
    fails: /on the disks of 1 of 2 replicas/,
  },
  {
    query: "wait_aof=1",
    replies: { WAITAOF: [0, 1] },
    asked: ["WAITAOF 1 1 100"],
    fails: /on the disks of 0 of 1 replicas/,
  },
  { query: "wait_replicas=1", replies: { WAIT: 0 }, asked: ["WAIT 1 100"], fails: /but on 0 of 1 replicas/ },
])("asks with $query on how many replicas a write is ($replies)", async ({ query, replies, asked, fails }) => {
  const commands: string[] = [];
  const link = {
    call: async (args: readonly string[]) => {
      commands.push(args.join(" "));
      return (replies as Readonly<Record<string, unknown>>)[args[0] ?? ""];
    },
  };
  const writes = new GuardedWrites({
    link: link as unknown as Link,
    keys: new Keys("bank"),
    place: parseRedisUrl(`redis://localhost?${query}`),
    clock: { nowMs: () => 0, after: () => ({ cancel: () => undefined }) },
    waitMs: 100,
    token: "a",
    beat: 0,
    epoch: 0,
    lease: () => {
      throw new Error("nothing is written");
    },
  });
  const told = await writes.replicated("append").then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(commands).toEqual(asked);
  if (fails === undefined) expect(told).toBeUndefined();
  else {
    expect(told).toBeInstanceOf(AppendUnknownError);
    expect(String(told)).toMatch(fails);
    expect(writes.doubt).toBe(told);
  }
});
