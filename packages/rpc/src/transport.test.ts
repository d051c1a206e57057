import { BranchService } from "@bank/proto";
import { turn } from "@bank/testkit";
import { Code, createClient } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { connectToServer, serverUrl } from "./transport.ts";
import { branchClient, failureOf, startServer } from "./wire.test-util.ts";

describe("a server's URL", () => {
  it.each([
    ["127.0.0.1:50051", "http://127.0.0.1:50051"],
    ["bank.example:1", "http://bank.example:1"],
    ["[::1]:50051", "http://[::1]:50051"],
    ["http://127.0.0.1:50051", "http://127.0.0.1:50051"],
    ["http://127.0.0.1:50051/", "http://127.0.0.1:50051"],
    ["https://bank.example", "https://bank.example"],
  ])("%s means %s", (text, url) => {
    expect(serverUrl(text)).toBe(url);
  });

  it.each([
    "",
    ":50051",
    "host:port",
    "http://",
    "http://host/path",
    "host:1?x",
    "host:1#x",
    "host:99999",
    "ftp://host",
  ])("is not %j", (text) => {
    expect(() => serverUrl(text)).toThrow(TypeError);
  });
});

describe("a connection", () => {
  it("can be closed with calls under way, and leaves no timer that would end the process", async () => {
    // The pings' timers, which are the only ones that a connection has, run when the test says so.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    let entered = 0;
    const { serving } = await startServer((router) => {
      router.service(BranchService, {
        getBranch: () => ({}),
        listBranches: () => {
          entered++;
          return new Promise(() => undefined);
        },
      });
    });
    const { transport, close } = connectToServer(serving.url);
    const client = createClient(BranchService, transport);
    await client.getBranch({});
    const calls = [1, 2, 3].map(() => failureOf(client.listBranches({})));
    while (entered < calls.length) await turn();
    close();
    for (const { code } of await Promise.all(calls)) expect(code).toBe(Code.Canceled);
    for (let i = 0; i < 10; i++) await turn();
    vi.advanceTimersByTime(60_000);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
  });

  it("is made anew after the server was away", async () => {
    const routes = (name: string) => (router: Parameters<Parameters<typeof startServer>[0]>[0]) => {
      router.service(BranchService, { listBranches: () => ({ branches: [{ name }] }) });
    };
    const first = await startServer(routes("first"));
    const client = branchClient(first.serving.url);
    expect((await client.listBranches({})).branches[0]?.name).toBe("first");
    await first.serving.close();
    expect((await failureOf(client.listBranches({}))).code).toBe(Code.Unavailable);
    await startServer(routes("second"), first.serving.port);
    expect((await client.listBranches({})).branches[0]?.name).toBe("second");
  });
});
