import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { connectBank } from "@bank/client";
import { migrate } from "@bank/store";
import { describeWithPostgres, describeWithRedis } from "@bank/store/conformance";
import type { ServerProcess } from "@bank/testkit";
import { expect, it, onTestFinished, vi } from "vitest";
import { freePort } from "./promotion.test-util.ts";
import { startProcess, temporaryFolder } from "./servers.test-util.ts";

/** Shorter than where nothing is said, which is two seconds. */
const LEASE_MS = 800;
const CALLERS = 8;
/** For the start of an epoch, and the next try of the clients, on a busy machine. */
const ON_TOP_MS = 6_000;

/** Servers of one store, each with a folder of its own. */
async function serversOn(store: string) {
  const folder = await temporaryFolder();
  return (port: number): ServerProcess => {
    const args = ["--listen", `127.0.0.1:${port}`, "--data", join(folder, String(port)), "--store", store];
    return startProcess({ app: "bank-server", args });
  };
}

/** Kills the first of two while customers write, and says how long it took until the second did. */
async function killTheFirst(store: string): Promise<void> {
  const start = await serversOn(store);
  const [one, other] = [await freePort(), await freePort()];
  const first = start(one);
  const firstUrl = await first.url();
  const second = start(other);
  await second.logged(new RegExp(`waiting for its turn.*${firstUrl}`));
  const client = connectBank({ servers: [firstUrl, `http://127.0.0.1:${other}`], timeoutMs: 15_000 });
  onTestFinished(() => client.close());
  await client.openAccount({});

  const acknowledged: { readonly requestId: string; readonly atMs: number }[] = [];
  let isOver = false;
  const callers = Array.from({ length: CALLERS }, async () => {
    while (!isOver) {
      const requestId = randomUUID();
      await client.deposit("1", { currency: "USD", minor: 1n }, { requestId });
      acknowledged.push({ requestId, atMs: performance.now() });
    }
  });
  await vi.waitUntil(() => acknowledged.length > 200, 10_000);
  const killedMs = performance.now();
  await first.kill();
  await second.url();
  const listensMs = performance.now() - killedMs;
  const before = acknowledged.length;
  await vi.waitUntil(() => acknowledged.length > before + 200, 15_000);
  isOver = true;
  await Promise.all(callers);

  // What the first had answered may have come just after its end.
  const later = acknowledged.filter(({ atMs }) => atMs > killedMs + LEASE_MS / 2);
  const nextMs = Math.min(...later.map(({ atMs }) => atMs)) - killedMs;
  process.stdout.write(
    `\n${new URL(store).protocol} killed: the other bank server listened after ${listensMs.toFixed(0)} ms, and did a write after ${nextMs.toFixed(0)} ms\n`,
  );
  expect(nextMs).toBeLessThan(LEASE_MS + ON_TOP_MS);
  expect(await client.balance("1")).toMatchObject({ posted: { minor: BigInt(acknowledged.length) }, epoch: 2 });
  const around = acknowledged.slice(before - 50, before + 50);
  const outcomes = await Promise.all(around.map(({ requestId }) => client.outcome(requestId)));
  for (const outcome of outcomes) expect(outcome).toMatchObject({ state: "committed" });
  expect((await second.terminate()).code).toBe(0);
}

describeWithRedis("two bank-server processes on one Redis", (redis) => {
  it("lose no acknowledged write, and do none twice, when the first is killed", () =>
    killTheFirst(redis.newUrl(`?lease_ms=${LEASE_MS}`)));

  it("end one that was stopped and replaced, with exit code 6; started again it waits, and stops when it is told to", async () => {
    const start = await serversOn(redis.newUrl(`?lease_ms=500`));
    const [one, other] = [await freePort(), await freePort()];
    const first = start(one);
    await first.url();
    const second = start(other);
    first.pause();
    const secondUrl = await second.url();
    first.resume();
    const ended = await first.ended;
    expect(ended.code).toBe(6);
    expect(ended.stderr).toContain(secondUrl);
    const again = start(one);
    await again.logged(new RegExp(`waiting for its turn.*${secondUrl}`));
    expect(await again.terminate()).toMatchObject({ code: 0, stdout: "" });
    expect((await second.terminate()).code).toBe(0);
  });
});

describeWithPostgres("two bank-server processes on one PostgreSQL", (postgres) => {
  it("lose no acknowledged write, and do none twice, when the first is killed", async () => {
    const url = postgres().url("bank");
    await migrate(url);
    await killTheFirst(`${url}&lease_ms=${LEASE_MS}`);
  });
});
