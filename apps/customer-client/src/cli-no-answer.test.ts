import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { type RunningCluster, silentLog, startCluster } from "@bank/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, documentOf } from "./cli.test-util.ts";
import { Interrupts } from "./cli-io.ts";
import { CutProxy } from "./cut-proxy.test-util.ts";

const ID = "3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11";

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

describe("a bank that is not there", () => {
  it("is exit code 3, after the time that was given, with what to do", async () => {
    const told = await cli(["deposit", "1", "5", "--server", "127.0.0.1:1", "--timeout", "0.1"]);
    expect(told).toMatchObject({ exitCode: 3, stdout: "" });
    // The account is looked up first; the id of the deposit that never was is told all the same.
    const id = /Request id: ([0-9a-f-]{36})/.exec(told.stderr)?.[1];
    expect(told.stderr).toBe(
      [
        "bank: No connection to http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1.",
        "      Nothing was done.",
        "      Is the bank running? `npm start` starts one; --server or BANK_SERVER names another.",
        `      Request id: ${id}`,
        "      The same command with this id finds out, and is done once at the most:",
        `        bank deposit 1 5 --server 127.0.0.1:1 --timeout 0.1 --request-id ${id}`,
        "",
      ].join("\n"),
    );
    const printed = await cli(["balance", "1", "--server", "127.0.0.1:1", "--timeout", "0.1", "--json"]);
    expect(printed).toMatchObject({ exitCode: 3, stderr: "" });
    expect(documentOf(printed)).toMatchObject({
      ok: false,
      code: "UNAVAILABLE",
      reason: "CONNECTION_FAILED",
      metadata: { server: "http://127.0.0.1:1", outcome: "NOT_APPLIED" },
    });
  });

  it("is told to a person who waits, once", async () => {
    const words = ["balance", "1", "--server", "127.0.0.1:1", "--timeout", "0.5"];
    const told = await cli(words, { stderrIsTTY: true });
    const [first, second] = told.stderr.split("\n");
    expect(first).toMatch(/^bank: No connection .* Trying again for up to 0\.5 s …$/);
    expect(second).toMatch(/^bank: No connection/);
    expect((await cli([...words, "--json"], { stderrIsTTY: true })).stderr).toBe("");
  });
});

describe("an answer that is lost", () => {
  it("is exit code 3 with the request id, and the same command with it finds out", async () => {
    const opened = documentOf(await cli(["account", "open", "--json"], { server: proxy.url }));
    const { number } = opened["account"] as { number: string };
    proxy.cutting = true;
    const words = ["deposit", number, "5", "--currency", "USD", "--timeout", "1"];
    const told = await cli(words, { server: proxy.url });
    expect(proxy.cuts).toBeGreaterThan(0);
    expect(told).toMatchObject({ exitCode: 3, stdout: "" });
    const requestId = /Request id: (\S+)\n/.exec(told.stderr)?.[1] as string;
    expect(told.stderr).toContain("      Whether it was done is not known.\n");
    expect(told.stderr).toContain(`\n        bank ${words.join(" ")} --request-id ${requestId}\n`);
    const printed = documentOf(await cli([...words, "--json", "--request-id", requestId], { server: proxy.url }));
    expect(printed).toMatchObject({
      ok: false,
      code: "UNAVAILABLE",
      metadata: { outcome: "OUTCOME_UNKNOWN", request_id: requestId },
    });

    proxy.cutting = false;
    const found = documentOf(await cli([...words, "--json", "--request-id", requestId], { server: proxy.url }));
    expect(found).toMatchObject({ ok: true, replayed: true, request_id: requestId });
    expect((await cli(["balance", number], { server: proxy.url })).stdout).toMatch(/^posted +5\.00 USD\n/);
  });
});

describe("a server that never answers", () => {
  it("is exit code 3 at the deadline, and 130 on Ctrl-C", async () => {
    const sessions = new Set<ServerHttp2Session>();
    const silent = createHttp2Server();
    silent.on("session", (session) => sessions.add(session));
    let requests = 0;
    silent.on("stream", (stream) => {
      requests++;
      // Its client goes away in the middle.
      stream.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const server = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const words = ["withdraw", "1", "5", "--currency", "USD", "--request-id", ID, "--server", server];

    const late = await cli([...words, "--timeout", "0.05", "--json"]);
    expect(late.exitCode).toBe(3);
    expect(documentOf(late)).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      reason: "DEADLINE_EXCEEDED",
      metadata: { outcome: "OUTCOME_UNKNOWN", request_id: ID },
    });

    for (const json of [false, true]) {
      const interrupts = new Interrupts();
      const before = requests;
      const running = cli(json ? [...words, "--json"] : words, { interrupts });
      await expect.poll(() => requests, { timeout: 10_000 }).toBe(before + 1);
      interrupts.raise("SIGINT");
      const interrupted = await running;
      expect(interrupted.exitCode).toBe(130);
      if (json)
        expect(documentOf(interrupted)).toMatchObject({
          ok: false,
          code: "CANCELED",
          reason: "INTERRUPTED",
          metadata: { outcome: "OUTCOME_UNKNOWN", request_id: ID },
        });
      else
        expect(interrupted.stderr).toBe(
          "bank: Interrupted.\n" +
            "      Whether it was done is not known.\n" +
            `      Request id: ${ID}\n` +
            "      The same command with this id finds out, and is done once at the most:\n" +
            `        bank ${words.join(" ")}\n`,
        );
    }
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe("whoever answers but is no bank", () => {
  it("is told at once", async () => {
    const web = createHttp2Server((_, response) => {
      response.statusCode = 404;
      response.end("not here");
    });
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    const server = `127.0.0.1:${(web.address() as AddressInfo).port}`;
    const told = await cli(["balance", "1", "--server", server]);
    expect(told.exitCode).toBe(3);
    expect(told.stderr).toMatch(/^bank: http:\/\/127\.0\.0\.1:[0-9]+ does not answer as a bank of this version: /);
    expect(told.stderr).toContain("      Is this the address of a bank?");
    await new Promise((resolve) => web.close(resolve));
  });
});
