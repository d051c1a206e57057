import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog, startCluster } from "@bank/node";
import { expect, it, onTestFinished, vi } from "vitest";
import { cli, documentOf } from "./cli.test-util.ts";

const WAIT = { timeout: 10_000, interval: 20 };

it("says of every change that branches are missing, also where the currency must be looked up first", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "bank-few-"));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const cluster = await startCluster({ branches: [1], dataDir, log: silentLog });
  onTestFinished(() => cluster.close());
  const bank = (line: string) => cli(line.split(" "), { server: cluster.bankUrl });
  await bank("account open");
  const { transaction } = documentOf(await bank("deposit 1 50 --json")) as { transaction: { position: string } };
  const { hold } = documentOf(await bank("hold place 1 5 --json")) as { hold: { hold: string } };
  // A branch that is not connected yet cannot begin to count.
  await vi.waitFor(
    async () => expect(await bank("durability set --copies 1 --branches 1")).toMatchObject({ exitCode: 0 }),
    WAIT,
  );
  const { session } = documentOf(await bank("balance 1 --json")) as { session: string };
  await cluster.replicas[0]?.close();
  await vi.waitFor(async () => {
    const { branches } = documentOf(await bank("branches --consistency local --json"));
    // Of one that is gone nothing is known.
    expect((branches as { status?: object }[])[1]?.status).toBeUndefined();
  }, WAIT);
  const changes = [
    "deposit 1 5",
    "deposit 1 5 --currency USD",
    `withdraw 1 5 --session ${session}`,
    `hold capture ${hold.hold} 1`,
    `reverse ${transaction.position}`,
    "account update 1 --ceiling 900",
  ];
  // It is tried until the time is over; on a busy machine the last try may have none left to be told.
  for (const change of changes)
    await vi.waitFor(async () => {
      const told = documentOf(await bank(`${change} --timeout 0.3 --json`));
      expect(told, change).toMatchObject({
        reason: "TOO_FEW_BRANCHES",
        metadata: { copies: "1", connected: "0", missing: "1", away: "branch 1", outcome: "NOT_APPLIED" },
      });
    }, WAIT);
});
