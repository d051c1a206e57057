import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { BranchService, JournalService } from "@bank/proto";
import { FaultProxy, rest, watch } from "@bank/testkit";
import { Code, type ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { startRawServer } from "./raw-http2.test-util.ts";
import { type ServeOptions, serve } from "./serve.ts";
import { type ConnectOptions, connectToServer } from "./transport.ts";
import { failureOf } from "./wire.test-util.ts";

/** Of pings in these tests: noticed within half a second. */
const HASTY: ConnectOptions = { pingIntervalMs: 200, pingTimeoutMs: 200 };
/** So long that only what is tested can have ended a call; tests end before. */
const NEVER: ConnectOptions = { pingIntervalMs: 60_000, pingTimeoutMs: 60_000 };

interface Following {
  /** Streams that the server has open. */
  readonly open: Set<AbortSignal>;
  /** Sends a message on each of them. */
  readonly send: (bytes?: number) => void;
}

/** A journal that sends what the test says, and branches at once; `slowly` waits for the test. */
function routes(): { readonly route: (router: ConnectRouter) => void; readonly following: Following } {
  const open = new Set<AbortSignal>();
  const waiting = new Set<(bytes: number) => void>();
  const route = (router: ConnectRouter) => {
    router.service(BranchService, {
      listBranches: () => ({ branches: [] }),
      getBranch: () => new Promise(() => undefined),
    });
    router.service(JournalService, {
      async *follow(_request, { signal }) {
        open.add(signal);
        signal.addEventListener("abort", () => open.delete(signal));
        yield { committedPosition: 1n };
        while (!signal.aborted) {
          const next = Promise.withResolvers<number>();
          waiting.add(next.resolve);
          signal.addEventListener("abort", () => next.resolve(0));
          yield { frame: new Uint8Array(await next.promise) };
        }
      },
    });
  };
  const send = (bytes = 1) => {
    for (const resolve of [...waiting]) resolve(bytes);
    waiting.clear();
  };
  return { route, following: { open, send } };
}

interface Setup {
  readonly client?: ConnectOptions;
  readonly watch?: ServeOptions["watch"];
}

/** A server, a proxy before it and a connection through that. */
async function startAll({ client = {}, watch: watchOptions = {} }: Setup = {}) {
  const { route, following } = routes();
  const serving = await serve({
    host: "127.0.0.1",
    port: 0,
    routes: route,
    reportIncident: () => undefined,
    reportUnsent: () => undefined,
    watch: watchOptions,
  });
  onTestFinished(() => serving.close());
  const proxy = await FaultProxy.start({ target: serving.url });
  onTestFinished(() => proxy.close());
  const connection = connectToServer(proxy.url, client);
  onTestFinished(() => connection.close());
  const branches = createClient(BranchService, connection.transport);
  const journal = createClient(JournalService, connection.transport);
  /** Follows until the stream ends; gives its error. */
  const follow = async (seen: () => void = () => undefined) => {
    for await (const _ of journal.follow({})) seen();
  };
  return { serving, proxy, connection, branches, journal, follow, following };
}

function until(condition: () => boolean): Promise<boolean> {
  return vi.waitUntil(condition, { interval: 5, timeout: 10_000 });
}

async function elapsedMs(action: Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await action;
  return performance.now() - beganMs;
}

describe("a half-open connection", () => {
  it.each(["toServer", "toClient", "both"] as const)(
    "cut %s, ends streams and calls by itself as unavailable, and the next call uses another",
    async (direction) => {
      const { proxy, branches, follow, following } = await startAll({ client: HASTY });
      const stream = failureOf(follow());
      await until(() => following.open.size === 1);
      const call = failureOf(branches.getBranch({}));
      proxy.cut(direction, "lose");
      const ms = await elapsedMs(Promise.all([stream, call]));
      // Not before it was pinged and given time to answer.
      expect(ms).toBeGreaterThan(200);
      for (const error of [await stream, await call]) {
        expect([error.code, error.rawMessage]).toEqual([
          Code.Unavailable,
          "the server does not answer a ping any more",
        ]);
      }
      proxy.heal();
      await branches.listBranches({});
      expect(proxy.counts.accepted).toBe(2);
    },
  );

  it("that was idle is found dead before the next call is given to it", async () => {
    const { proxy, branches } = await startAll({ client: { pingIntervalMs: 50, pingTimeoutMs: 150 } });
    proxy.endIdle(20, "silent");
    await branches.listBranches({});
    // Nothing comes over it any more, although both ends think that it lives.
    await new Promise((resolve) => setTimeout(resolve, 80));
    proxy.heal();
    // Two calls ask once, and both are answered over one new connection.
    await Promise.all([branches.listBranches({}), branches.listBranches({})]);
    expect(proxy.counts.accepted).toBe(2);
  });

  it("is not taken for dead while bytes come, be its answer to a ping ever so late", async () => {
    const { proxy, follow, following } = await startAll({ client: { pingIntervalMs: 60, pingTimeoutMs: 60 } });
    let seen = 0;
    const stream = watch(follow(() => seen++));
    await until(() => seen === 1);
    // Pings go nowhere; the server still sends.
    proxy.cut("toServer", "hold");
    await vi.waitUntil(
      () => {
        following.send();
        return seen > 30;
      },
      { interval: 20, timeout: 10_000 },
    );
    expect(stream.state).toBe("pending");
    // Then it does not any more.
    await until(() => stream.state === "rejected");
  });
});

describe("what cuts idle connections", () => {
  it("leaves alone a stream on which nothing happens but pings", async () => {
    const { proxy, follow, following } = await startAll({ client: HASTY });
    proxy.endIdle(600, "rst");
    const stream = watch(follow());
    await until(() => following.open.size === 1);
    const before = proxy.counts.passed.toServer;
    await until(() => proxy.counts.passed.toServer > before + 4 * 17);
    expect([stream.state, proxy.counts.open]).toEqual(["pending", 1]);
  });

  it.each(["fin", "rst"] as const)("by %s is not noticed by later calls", async (ending) => {
    const { proxy, branches } = await startAll();
    proxy.endIdle(20, ending);
    for (let call = 1; call <= 3; call++) {
      await branches.listBranches({});
      await until(() => proxy.counts.open === 0);
      expect(proxy.counts.accepted).toBe(call);
    }
  });

  it.each(["fin", "rst"] as const)("by %s in the middle of a stream ends it as unavailable", async (ending) => {
    const { proxy, follow, following } = await startAll({ client: NEVER });
    let seen = 0;
    const stream = failureOf(follow(() => seen++));
    await until(() => seen === 1);
    proxy.endAfter("toClient", 500_000, ending);
    following.send(1_000_000);
    expect((await stream).code).toBe(Code.Unavailable);
    expect(seen).toBe(1);
  });
});

describe("connecting", () => {
  const limits: ConnectOptions = { connectTimeoutMs: 150 };

  async function isNotConnected(call: Promise<unknown>): Promise<void> {
    const error: ConnectError = await failureOf(call);
    expect([error.code, error.rawMessage]).toEqual([Code.Unavailable, "not connected after 150 ms"]);
    // By this callers know that nothing was sent.
    expect(error.cause).toMatchObject({ syscall: "connect" });
  }

  it("takes at most its time where nobody answers a SYN, without any deadline", async () => {
    const { branches } = connectedTo(await startDeafListener(), limits);
    await isNotConnected(branches.listBranches({}));
  });

  it("takes at most its time where the server never says a word, with several calls", async () => {
    const { proxy, branches, follow } = await startAll({ client: limits });
    proxy.cut("both");
    await Promise.all([isNotConnected(branches.listBranches({})), isNotConnected(follow())]);
    expect(proxy.counts.accepted).toBe(1);
    proxy.heal();
    await branches.listBranches({});
  });

  it("sends nothing before the server has spoken", async () => {
    const server = await startRawServer({ isMute: true });
    const { branches } = connectedTo(server.url, limits);
    await isNotConnected(branches.listBranches({}));
    expect(server.connections.map(({ calls }) => calls)).toEqual([0]);
  });

  it("does not prolong a call's own deadline", async () => {
    const { branches } = connectedTo(await startDeafListener(), { connectTimeoutMs: 60_000 });
    expect((await failureOf(branches.listBranches({}, { timeoutMs: 50 }))).code).toBe(Code.DeadlineExceeded);
  });

  it("by default takes no longer than five seconds", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const server = await startRawServer({ isMute: true });
    const { branches } = connectedTo(server.url);
    const call = watch(branches.listBranches({}));
    await rest();
    vi.advanceTimersByTime(4_990);
    await rest();
    expect(call.state).toBe("pending");
    vi.advanceTimersByTime(10);
    await rest();
    expect(call.state).toBe("rejected");
  });
});

describe("reset", () => {
  it("ends every call at once, on a half-open connection too, and the next call opens a new one", async () => {
    const { proxy, connection, branches, follow, following } = await startAll({ client: NEVER });
    let seen = 0;
    const stream = failureOf(follow(() => seen++));
    await until(() => seen === 1);
    const calls = [branches.getBranch({}), branches.getBranch({}), branches.getBranch({})].map(failureOf);
    proxy.cut("both");
    // What waits to be sent must not hold it up.
    following.send(2_000_000);
    const ms = await elapsedMs(
      (async () => {
        connection.reset("three heartbeats were missed");
        await Promise.all([stream, ...calls]);
      })(),
    );
    expect(ms).toBeLessThan(100);
    for (const error of [await stream, ...(await Promise.all(calls))]) {
      expect([error.code, error.rawMessage]).toEqual([Code.Unavailable, "three heartbeats were missed"]);
    }
    proxy.heal();
    await branches.listBranches({});
    // The old one is gone at the server too, once it can be told.
    await until(() => following.open.size === 0 && proxy.counts.open === 1);
  });

  it("ends calls that wait for a connection, or for what it answers to a ping", async () => {
    const { proxy, connection, branches } = await startAll({ client: { pingIntervalMs: 20, pingTimeoutMs: 60_000 } });
    proxy.cut("both");
    const connecting = failureOf(branches.listBranches({}));
    await until(() => proxy.counts.accepted === 1);
    connection.reset("the first");
    expect((await connecting).rawMessage).toBe("the first");
    proxy.heal();
    await branches.listBranches({});
    proxy.cut("both");
    await new Promise((resolve) => setTimeout(resolve, 40));
    const questioned = failureOf(branches.listBranches({}));
    await rest();
    connection.reset("the second");
    expect([(await questioned).code, (await questioned).rawMessage]).toEqual([Code.Unavailable, "the second"]);
    proxy.heal();
    await branches.listBranches({});
  });

  it("without a connection does nothing", async () => {
    const { connection, branches } = await startAll();
    connection.reset("nothing is there");
    await branches.listBranches({});
    connection.close();
    connection.reset("nothing is there");
    await branches.listBranches({});
  });
});

describe("a server's clients", () => {
  const hasty = { pingIntervalMs: 150, pingTimeoutMs: 150 };

  it.each(["hold", "lose"] as const)("that vanish lose their streams, and what waits for them (%s)", async (kind) => {
    const { serving, proxy, follow, following } = await startAll({ client: NEVER, watch: hasty });
    let seen = 0;
    const stream = failureOf(follow(() => seen++));
    await until(() => seen === 1);
    proxy.cut("both", kind);
    // More than the system takes: it waits at the server for a client that reads no more.
    following.send(30_000_000);
    const ms = await elapsedMs(until(() => following.open.size === 0));
    expect(ms).toBeGreaterThan(140);
    // Its connection is gone, not only its stream: closing would wait for it.
    expect(await elapsedMs(serving.close())).toBeLessThan(2_000);
    proxy.heal();
    expect((await stream).code).toBe(Code.Unavailable);
  });

  it("that vanish do so with all that waits for them, however much their windows let through", async () => {
    const { serving, proxy, following } = await startAll({ watch: hasty });
    const session = connectHttp2(proxy.url, { settings: { initialWindowSize: 100_000_000 } });
    onTestFinished(() => session.destroy());
    session.on("error", () => {
      // The proxy resets it in the end.
    });
    await once(session, "connect");
    session.setLocalWindowSize(100_000_000);
    const stream = session.request({
      ":method": "POST",
      ":path": "/bank.journal.v1.JournalService/Follow",
      "content-type": "application/grpc",
    });
    stream.on("error", () => {
      // Likewise.
    });
    // A message of no bytes.
    stream.end(Buffer.alloc(5));
    await once(stream, "data");
    proxy.cut("both");
    following.send(30_000_000);
    await until(() => following.open.size === 0);
    expect(await elapsedMs(serving.close())).toBeLessThan(2_000);
  });

  it("that only answer pings keep their streams", async () => {
    const { proxy, follow, following } = await startAll({ client: NEVER, watch: hasty });
    const stream = watch(follow());
    await until(() => following.open.size === 1);
    const { toClient, toServer } = proxy.counts.passed;
    // A ping or its answer is 17 bytes.
    await until(
      () => proxy.counts.passed.toClient >= toClient + 3 * 17 && proxy.counts.passed.toServer >= toServer + 3 * 17,
    );
    expect([stream.state, following.open.size]).toEqual(["pending", 1]);
  });

  it("that send keep their streams, be their answers to pings ever so late", async () => {
    const { proxy, branches, follow, following } = await startAll({ client: NEVER, watch: hasty });
    const stream = failureOf(follow());
    await until(() => following.open.size === 1);
    // Pings go nowhere; calls still come.
    proxy.cut("toClient", "hold");
    const calls: Promise<unknown>[] = [];
    const beganMs = performance.now();
    await vi.waitUntil(
      () => {
        calls.push(branches.listBranches({}).catch(() => undefined));
        return performance.now() - beganMs > 800;
      },
      { interval: 20, timeout: 10_000 },
    );
    expect(following.open.size).toBe(1);
    // Then none comes any more.
    await until(() => following.open.size === 0);
    proxy.heal();
    await Promise.all([stream, ...calls]);
  });

  it("that are idle are not pinged, and are closed after long without a word of error", async () => {
    const watchOptions = { pingIntervalMs: 20, pingTimeoutMs: 20, idleMaxMs: 300 };
    const { proxy, branches } = await startAll({ client: NEVER, watch: watchOptions });
    await branches.listBranches({});
    await rest();
    const { toClient } = proxy.counts.passed;
    await until(() => proxy.counts.open === 0);
    // A GOAWAY, which is as long as a ping: 17 bytes, and no more than one.
    expect(proxy.counts.passed.toClient - toClient).toBeLessThanOrEqual(2 * 17);
    await branches.listBranches({});
    expect(proxy.counts.accepted).toBe(2);
  });

  it.runIf(process.platform === "linux")(
    "over any protocol are asked by the system too whether they are there",
    async () => {
      const { serving } = await startAll();
      const client = connect(serving.port, "127.0.0.1");
      onTestFinished(() => {
        client.destroy();
      });
      await once(client, "connect");
      await vi.waitUntil(async () => {
        const [, timer] = (await serversEnd(serving.port, client)) ?? [];
        // The timer of keep-alives.
        return timer?.startsWith("02:");
      });
    },
  );
});

/** The local address and the timer of the server's end of a connection, as the system lists them. */
async function serversEnd(port: number, client: Socket): Promise<readonly [string, string] | undefined> {
  const hex = (number: number) => number.toString(16).toUpperCase().padStart(4, "0");
  const text = await readFile("/proc/self/net/tcp", "utf8");
  for (const line of text.split("\n")) {
    const [, local, remote, , , timer] = line.trim().split(/\s+/);
    if (local?.endsWith(`:${hex(port)}`) && remote?.endsWith(`:${hex(client.localPort ?? 0)}`) && timer !== undefined)
      return [local, timer];
  }
  return undefined;
}

function connectedTo(url: string, options: ConnectOptions = {}) {
  const connection = connectToServer(url, options);
  onTestFinished(() => connection.close());
  return { connection, branches: createClient(BranchService, connection.transport) };
}

/** Listens, but takes no connection: once its queue is full, nobody answers a SYN. Gives its URL. */
async function startDeafListener(): Promise<string> {
  const program = `
    const server = require("node:net").createServer().listen(0, "127.0.0.1", 1, () => {
      console.log(server.address().port);
      process.kill(process.pid, "SIGSTOP");
    });`;
  const listener = spawn(process.execPath, ["--eval", program], { stdio: ["ignore", "pipe", "ignore"] });
  onTestFinished(() => {
    listener.kill("SIGKILL");
  });
  const [line] = await once(listener.stdout, "data");
  const port = Number(String(line));
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => {
      socket.destroy();
    });
    const isTaken = await Promise.race([
      once(socket, "connect").then(() => true),
      new Promise<false>((resolve) => setTimeout(() => resolve(false), 100)),
    ]);
    if (!isTaken) return `http://127.0.0.1:${port}`;
  }
}
