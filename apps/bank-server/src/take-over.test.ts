import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBank } from "@bank/client";
import { describeWithRedis } from "@bank/store/conformance";
import { ServerProcess } from "@bank/testkit";
import { expect, it, onTestFinished, vi } from "vitest";

const LEASE_MS = 2_000;
const CALLERS = 8;
/** For the start of an epoch, and the next try of the clients, on a busy machine. */
const ON_TOP_MS = 6_000;

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  return Promise.all(
    servers.map(async (server) => {
      await once(server, "listening");
      const address = server.address();
      server.close();
      await once(server, "close");
      return typeof address === "object" ? (address?.port ?? 0) : 0;
    }),
  );
}

/** Servers of one store, each with a folder of its own. */
async function serversOn(store: string) {
  const folder = await mkdtemp(join(tmpdir(), "bank-take-over-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return (port: number): ServerProcess => {
    const args = ["--listen", `127.0.0.1:${port}`, "--data", join(folder, String(port)), "--store", store];
    const server = new ServerProcess({ app: "bank-server", args });
    onTestFinished(async () => {
      await server.kill();
    });
    return server;
  };
}

describeWithRedis("two bank-server processes on one store", (redis) => {
  it("lose no acknowledged write, and do none twice, when the first is killed", async () => {
    const start = await serversOn(redis.newUrl(`?lease_ms=${LEASE_MS}`));
    const [one = 0, other = 0] = await freePorts(2);
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
      `\nkilled: the other bank server listened after ${listensMs.toFixed(0)} ms, and did a write after ${nextMs.toFixed(0)} ms\n`,
    );
    expect(nextMs).toBeLessThan(LEASE_MS + ON_TOP_MS);
    expect(await client.balance("1")).toMatchObject({ posted: { minor: BigInt(acknowledged.length) }, epoch: 2 });
    const around = acknowledged.slice(before - 50, before + 50);
    const outcomes = await Promise.all(around.map(({ requestId }) => client.outcome(requestId)));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ state: "committed" });
    expect((await second.terminate()).code).toBe(0);
  });

  it("end one that was stopped and replaced, with exit code 6; started again it waits, and stops when it is told to", async () => {
    const start = await serversOn(redis.newUrl(`?lease_ms=500`));
    const [one = 0, other = 0] = await freePorts(2);
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
