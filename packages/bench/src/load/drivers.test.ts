import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBank } from "@bank/client";
import { silentLog, startBank } from "@bank/node";
import { expect, it, onTestFinished, vi } from "vitest";
import { closedLoop } from "./closed-loop.ts";
import { OPEN_MS_MAX, openDriver } from "./drivers.ts";
import type { LoadWork } from "./load-plan.ts";

it("calls of every kind are acknowledged by a bank, and refused as it refuses them", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "bench-drivers-"));
  const bank = await startBank({ dataDir, store: "memory:", log: silentLog });
  const client = connectBank({ server: new URL(bank.url).host });
  try {
    for (let i = 0; i < 3; i++) await client.openAccount({ owner: "somebody", currency: "USD" });
    const common = { accounts: 3, distribution: "uniform", inFlight: 4 } as const;
    const unary = { ...common, kind: "unary", connections: 2 } as const;
    const run = async (work: LoadWork) => {
      const driver = await openDriver({ ...work, url: bank.url });
      try {
        return await closedLoop(driver, { warmUpMs: 0, durationMs: 5 });
      } finally {
        await driver.close();
      }
    };
    let acknowledged = 0;
    for (const method of ["deposit", "empty", { balance: "session" }] as const) {
      const result = await run({ ...unary, method });
      expect(result.operations).toBeGreaterThan(0);
      if (method === "deposit") acknowledged += result.acknowledged;
    }
    acknowledged += (await run({ ...common, kind: "pipeline", method: "deposit" })).acknowledged;
    const balances = await Promise.all(["1", "2", "3"].map((account) => client.balance(account)));
    expect(balances.reduce((sum, { posted }) => sum + posted.minor, 0n)).toBe(BigInt(acknowledged));
    await expect(run({ ...unary, method: "deposit", accounts: 100 })).rejects.toThrow(/status 5: .*account/i);
    await expect(run({ ...unary, method: "peer deposit" })).rejects.toThrow("HTTP 404");
  } finally {
    client.close();
    await bank.close();
    await rm(dataDir, { recursive: true });
  }
});

it.each(["unary", "pipeline"] as const)("%s calls to a server that never says a word are given up", async (kind) => {
  const heard = Promise.withResolvers<Socket>();
  const server = createServer((socket) =>
    socket.once("data", () => heard.resolve(socket)).on("error", () => undefined),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    vi.useRealTimers();
    (await heard.promise).destroy();
    server.close();
  });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const common = { url, accounts: 3, distribution: "uniform", inFlight: 4, method: "deposit", connections: 1 } as const;
  const failed = expect(openDriver({ ...common, kind })).rejects.toThrow("was not ready for calls in 60 s");
  await heard.promise;
  await vi.advanceTimersByTimeAsync(OPEN_MS_MAX);
  await failed;
});
