import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBank } from "@bank/client";
import { silentLog, startBank } from "@bank/node";
import { expect, it } from "vitest";
import { closedLoop } from "./closed-loop.ts";
import { openDriver } from "./drivers.ts";
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
