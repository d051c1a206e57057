import { type RunningCluster, silentLog, startCluster } from "@bank/node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cli, documentOf } from "./cli.test-util.ts";
import { CutProxy } from "./cut-proxy.test-util.ts";

let cluster: RunningCluster;
let proxy: CutProxy;
beforeAll(async () => {
  cluster = await startCluster({ branches: [], log: silentLog });
  proxy = await CutProxy.to(cluster.bankUrl);
});
afterAll(async () => {
  await proxy.close();
  await cluster.close();
});

it.each([["--expires-in 7d"], ["--expires-in=7d"]])(
  "after a lost answer a hold with %s is tried again with the moment that was asked for",
  async (option) => {
    const opened = documentOf(await cli(["account", "open", "--json"], { server: cluster.bankUrl }));
    const { number } = opened["account"] as { number: string };
    await cli(["deposit", number, "50"], { server: cluster.bankUrl });
    const nowMs = Date.now() + 3;
    const words = ["hold", "place", number, "30", ...option.split(" "), "--currency", "USD", "--timeout", "1"];
    proxy.cutting = true;
    const cut = await cli(words, { server: proxy.url, nowMs: () => nowMs });
    proxy.cutting = false;
    expect(cut.exitCode).toBe(3);
    const retry = /\n {8}bank (hold place .*)\n/.exec(cut.stderr)?.[1] as string;
    const moment = new Date(Math.ceil(nowMs / 1_000) * 1_000 + 7 * 86_400_000).toISOString();
    expect(retry).toMatch(
      new RegExp(`--expires-at[ =]${moment} --currency USD --timeout 1 --request-id [0-9a-f-]{36}$`),
    );
    // A minute later, when the length of time would lead to another moment.
    const later = await cli([...retry.split(" "), "--json"], { server: proxy.url, nowMs: () => nowMs + 60_000 });
    expect(documentOf(later)).toMatchObject({ ok: true, replayed: true, hold: { expires_at: moment } });
    const { holds } = documentOf(await cli(["hold", "list", number, "--json"], { server: cluster.bankUrl }));
    expect(holds).toHaveLength(1);
  },
);
