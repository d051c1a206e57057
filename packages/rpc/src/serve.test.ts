import { once } from "node:events";
import { connect as connectHttp2, constants } from "node:http2";
import { createServer, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { AccountService, BranchService, JournalService } from "@bank/proto";
import { turn } from "@bank/testkit";
import { Code, type ConnectRouter, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { REQUEST_BYTES_MAX } from "./serve.ts";
import { branchClient, connectBare, failureOf, grpcTransport, startServer, untilHungUp } from "./wire.test-util.ts";

const BRANCHES = [
  { number: 0, name: "head office" },
  { number: 2, name: "Zürich" },
];

function listBranches(router: ConnectRouter): void {
  router.service(BranchService, { listBranches: () => ({ branches: BRANCHES }) });
}

async function namesBy(transport: Transport): Promise<string[]> {
  const { branches } = await createClient(BranchService, transport).listBranches({});
  return branches.map(({ name }) => name);
}

const NAMES = BRANCHES.map(({ name }) => name);

describe("one port", () => {
  const transports: Record<string, (baseUrl: string) => Transport> = {
    "gRPC, as our own transport speaks it": grpcTransport,
    gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
    "gRPC-Web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    "gRPC-Web over HTTP/2": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
    "Connect over HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
    "Connect over HTTP/1.1 with JSON": (baseUrl) =>
      createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
    "Connect over HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
    "Connect by GET": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true }),
  };

  it.each(Object.keys(transports))("serves %s", async (name) => {
    const { serving } = await startServer(listBranches);
    expect(await namesBy((transports[name] as (url: string) => Transport)(serving.url))).toEqual(NAMES);
  });

  it("serves all of them at the same time", async () => {
    const { serving } = await startServer(listBranches);
    const calls = Object.values(transports).flatMap((make) => [namesBy(make(serving.url)), namesBy(make(serving.url))]);
    for (const names of await Promise.all(calls)) expect(names).toEqual(NAMES);
  });

  it("answers plain JSON, as curl sends it", async () => {
    const { serving } = await startServer(listBranches);
    const response = await fetch(`${serving.url}/bank.v1.BranchService/ListBranches`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ branches: [{ name: "head office" }, { number: 2, name: "Zürich" }] });
  });

  it("tells HTTP/2 by its first bytes when they come one at a time", async () => {
    const { serving } = await startServer(listBranches);
    expect(await namesBy(grpcTransport(await byteByByte(serving.port, 40)))).toEqual(NAMES);
  });

  it("tells HTTP/1.1 by its first bytes when they come one at a time", async () => {
    const { serving } = await startServer(listBranches);
    const baseUrl = await byteByByte(serving.port, 40);
    expect(await namesBy(createConnectTransport({ baseUrl, httpVersion: "1.1" }))).toEqual(NAMES);
  });

  it("takes a method of HTTP/1.1 that begins as HTTP/2 does for what it is", async () => {
    const { serving } = await startServer(listBranches);
    const socket = await connectBare(serving.port);
    const said = untilHungUp(socket);
    socket.write("PROPFIND / HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n\r\n");
    expect(await said).toMatch(/^HTTP\/1\.1 404 /);
  });

  it("says 404 to what it does not serve", async () => {
    const { serving } = await startServer(listBranches);
    expect((await fetch(`${serving.url}/favicon.ico`)).status).toBe(404);
    expect((await failureOf(createClient(AccountService, grpcTransport(serving.url)).listAccounts({}))).code).toBe(
      Code.Unimplemented,
    );
  });
});

describe("on the same port, without harm,", () => {
  const garbage: Record<string, string | Buffer> = {
    "bytes of no protocol": Buffer.from([0, 255, 13, 10, 13, 10, 1, 2, 3]),
    "a TLS handshake": Buffer.from("16030100a5010000a10303", "hex"),
    "HTTP/1.1 with a broken header": "GET / HTTP/1.1\r\nho st\r\n\r\n",
    "half a preface of HTTP/2, then something else": "PRI * HTTP/2.0\r\n\r\nnothing of the kind, and long enough",
    "a preface of HTTP/2, then something else": `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"x".repeat(200)}`,
    "an HTTP/2 frame of an absurd length": Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Buffer.from("ffffff040000000000", "hex"),
      Buffer.alloc(64),
    ]),
  };

  it.each(Object.keys(garbage))("hangs up on %s", async (name) => {
    const { serving, incidents } = await startServer(listBranches);
    const socket = await connectBare(serving.port);
    const hungUp = untilHungUp(socket);
    socket.write(garbage[name] as string | Buffer);
    await hungUp;
    expect(await namesBy(grpcTransport(serving.url))).toEqual(NAMES);
    expect(incidents).toEqual([]);
  });

  it.each(["", "P", "PRI * HTTP/2.0\r\n\r\n", "GET / HT"])("sees a caller off that hangs up after %j", async (text) => {
    const { serving } = await startServer(listBranches);
    const socket = await connectBare(serving.port);
    if (text !== "") await new Promise((resolve) => socket.write(text, resolve));
    const hungUp = untilHungUp(socket);
    // Only its own half: the server must not keep the other half open.
    socket.end();
    await hungUp;
    expect(await namesBy(grpcTransport(serving.url))).toEqual(NAMES);
  });
});

describe("a request", () => {
  const long = "1".repeat(REQUEST_BYTES_MAX);

  it("above REQUEST_BYTES_MAX is refused before any handler sees it", async () => {
    let seen = 0;
    const { serving } = await startServer((router) => {
      router.service(AccountService, {
        getAccount: () => {
          seen++;
          return {};
        },
      });
    });
    const transports = [
      grpcTransport(serving.url),
      createConnectTransport({ baseUrl: serving.url, httpVersion: "1.1" }),
    ];
    for (const transport of transports) {
      const error = await failureOf(createClient(AccountService, transport).getAccount({ account: long }));
      expect(error.code).toBe(Code.ResourceExhausted);
    }
    expect(seen).toBe(0);
    const fits = await failureOf(
      createClient(AccountService, grpcTransport(serving.url)).getAccount({ account: long.slice(100) }),
    );
    expect(fits.code).toBe(Code.InvalidArgument);
  });

  it("that is small only while it is compressed is refused too", async () => {
    const { serving } = await startServer((router) => router.service(AccountService, {}));
    const response = await fetch(`${serving.url}/bank.v1.AccountService/GetAccount`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": "gzip" },
      body: gzipSync(JSON.stringify({ account: long.repeat(4) })),
    });
    expect(await response.json()).toMatchObject({ code: "resource_exhausted" });
  });

  it("may ask for a long deadline, but not for longer than five minutes", async () => {
    const { serving } = await startServer((router) => {
      router.service(BranchService, {
        listBranches: (_request, context) => ({ branches: [{ name: String(context.timeoutMs()) }] }),
      });
    });
    const client = branchClient(serving.url);
    expect((await client.listBranches({}, { timeoutMs: 299_000 })).branches).toHaveLength(1);
    const error = await failureOf(client.listBranches({}, { timeoutMs: 301_000 }));
    expect(error.code).toBe(Code.InvalidArgument);
  });
});

describe("closing", () => {
  it("waits for the call that is under way, and takes no other", async () => {
    const entered: AbortSignal[] = [];
    const answer = Promise.withResolvers<void>();
    const { serving } = await startServer((router) => {
      router.service(BranchService, {
        listBranches: async (_request, context) => {
          entered.push(context.signal);
          await answer.promise;
          return { branches: BRANCHES };
        },
      });
    });
    const transports = [
      grpcTransport(serving.url),
      createConnectTransport({ baseUrl: serving.url, httpVersion: "1.1" }),
    ];
    const calls = transports.map(namesBy);
    await vi.waitUntil(() => entered.length === calls.length);
    const closing = serving.close();
    expect(serving.close()).toBe(closing);
    for (const { aborted } of entered) expect(aborted).toBe(false);
    await expect(connectBare(serving.port)).rejects.toThrow("ECONNREFUSED");
    answer.resolve();
    for (const names of await Promise.all(calls)) expect(names).toEqual(NAMES);
    const answeredMs = performance.now();
    await closing;
    // With the last answer it is over: nobody waits until a connection that could be used again is given up.
    expect(performance.now() - answeredMs).toBeLessThan(2_500);
    await serving.close();
    await startServer(listBranches, serving.port);
  });

  it("ends streams by the signal that its routes were given", async () => {
    const { serving } = await startServer((router, ending) => {
      router.service(JournalService, {
        async *follow() {
          yield { committedPosition: 1n };
          if (!ending.aborted) await once(ending, "abort");
        },
      });
    });
    const stream = createClient(JournalService, grpcTransport(serving.url)).follow({})[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ committedPosition: 1n });
    await serving.close();
    expect(await stream.next()).toMatchObject({ done: true });
  });

  it("does not wait for connections on which nothing happens", async () => {
    const { serving } = await startServer(listBranches);
    // Kept alive by both HTTP/1.1 and HTTP/2, and one that has never said a word, and one that has said half of one.
    await fetch(`${serving.url}/bank.v1.BranchService/ListBranches`);
    await namesBy(grpcTransport(serving.url));
    const silent = [await connectBare(serving.port), await connectBare(serving.port)];
    silent[1]?.write("PR");
    const hungUp = silent.map(untilHungUp);
    // Were one waited for, only the grace would end that, and its timer does not run here.
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    await serving.close();
    await Promise.all(hungUp);
  });

  it("does not wait for ever for a call that does not end", async () => {
    const entered = Promise.withResolvers<void>();
    const { serving } = await startServer((router) => {
      router.service(BranchService, {
        listBranches: () => {
          entered.resolve();
          return new Promise(() => undefined);
        },
      });
    });
    const call = failureOf(branchClient(serving.url).listBranches({}));
    await entered.promise;
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const closing = serving.close();
    vi.advanceTimersByTime(5_000);
    await closing;
    expect([Code.Unavailable, Code.Canceled, Code.Aborted]).toContain((await call).code);
  });
});

it("rejects where the port is taken", async () => {
  const { serving } = await startServer(listBranches);
  await expect(startServer(listBranches, serving.port)).rejects.toMatchObject({ code: "EADDRINUSE" });
});

/** A relay to the port that passes the first bytes of each connection on one at a time. Gives its URL. */
async function byteByByte(port: number, count: number): Promise<string> {
  const sockets = new Set<Socket>();
  const relay = createServer(async (incoming) => {
    incoming.setNoDelay(true);
    const outgoing = await connectBare(port);
    outgoing.setNoDelay(true);
    sockets.add(incoming).add(outgoing);
    outgoing.pipe(incoming);
    let left = count;
    let written = Promise.resolve();
    incoming.on("data", (bytes: Buffer) => {
      const single = bytes.subarray(0, left);
      const together = bytes.subarray(left);
      left -= single.length;
      written = written.then(async () => {
        for (const byte of single) {
          await new Promise((resolve) => outgoing.write(Buffer.of(byte), resolve));
          // Both ends are in this process: a turn later the other end has read it.
          await turn();
          await turn();
        }
        outgoing.write(together);
      });
    });
  });
  await new Promise<void>((resolve) => {
    relay.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    relay.close();
  });
  const address = relay.address();
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  return `http://127.0.0.1:${address.port}`;
}

describe("a caller that breaks off in the middle of a large answer", () => {
  it.each(["HTTP/1.1", "HTTP/2"])("is told of in the server's own words alone, over %s", async (version) => {
    const console = vi.spyOn(globalThis.console, "error");
    onTestFinished(() => console.mockRestore());
    const name = "x".repeat(16_000_000);
    const { serving, incidents, unsent } = await startServer((router) =>
      router.service(BranchService, { listBranches: () => ({ branches: [{ number: 1, name }] }) }),
    );
    await (version === "HTTP/2" ? breakOffHttp2 : breakOffHttp1)(serving.port);
    await vi.waitUntil(() => unsent.length > 0);
    expect(unsent).toEqual([{ method: "bank.v1.BranchService/ListBranches", error: expect.any(Error) }]);
    expect(incidents).toEqual([]);
    expect(console).not.toHaveBeenCalled();
  });
});

async function breakOffHttp1(port: number): Promise<void> {
  const socket = await connectBare(port);
  const head = "POST /bank.v1.BranchService/ListBranches HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
  socket.write(`${head}content-length: 2\r\n\r\n{}`);
  await once(socket, "readable");
  socket.resetAndDestroy();
}

async function breakOffHttp2(port: number): Promise<void> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/bank.v1.BranchService/ListBranches",
    "content-type": "application/json",
  });
  stream.end("{}");
  await once(stream, "readable");
  stream.close(constants.NGHTTP2_CANCEL);
}
