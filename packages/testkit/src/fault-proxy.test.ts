import { connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { FaultProxy, type FaultProxyOptions } from "./fault-proxy.ts";
import { seeds, withSeed } from "./random.ts";

/** One end of a connection, and what came out of it. */
class End {
  readonly socket: Socket;
  /** `open`, then how it ended; `fin` is what the other end said last, not that this end is closed. */
  state: "open" | "fin" | "rst" = "open";
  private readonly chunks: Buffer[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => this.chunks.push(bytes));
    socket.on("end", () => {
      this.state = "fin";
    });
    socket.on("error", () => {
      this.state = "rst";
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.received.toString();
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }
}

/** A server that says nothing by itself. */
async function startServer(): Promise<{ readonly url: string; readonly ends: readonly End[] }> {
  const ends: End[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => ends.push(new End(socket)));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    for (const { socket } of ends) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return { url: `http://127.0.0.1:${address.port}`, ends };
}

async function startProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = await FaultProxy.start(options);
  onTestFinished(() => proxy.close());
  return proxy;
}

async function connectTo(proxy: FaultProxy): Promise<End> {
  const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  onTestFinished(() => {
    socket.destroy();
  });
  const end = new End(socket);
  await vi.waitUntil(() => !socket.connecting, { interval: 1 });
  return end;
}

function until(condition: () => boolean): Promise<boolean> {
  return vi.waitUntil(condition, { interval: 2, timeout: 5_000 });
}

/** A client and a server with a connection through the proxy, over which each has told the other one word. */
async function startPair(options: FaultProxyOptions = {}) {
  const server = await startServer();
  const proxy = await startProxy({ target: server.url, ...options });
  const client = await connectTo(proxy);
  await until(() => server.ends.length === 1);
  const pair = { server, proxy, client, far: server.ends[0]! };
  client.send("a");
  pair.far.send("b");
  await until(() => pair.far.text === "a" && client.text === "b");
  return pair;
}

/** Waits until the server, which does not read, and the systems in between take no more. */
function untilFull(proxy: FaultProxy): Promise<boolean> {
  let before = -1;
  return vi.waitUntil(
    () => {
      const now = proxy.counts.passed.toServer;
      const rests = now === before;
      before = now;
      return rests;
    },
    { interval: 50, timeout: 10_000 },
  );
}

/** What has not come yet would have come by then: each word sent here has gone through a proxy without a fault. */
async function aWhile(): Promise<void> {
  const { client, far } = await startPair();
  for (let i = 0; i < 20; i++) {
    client.send("x");
    await until(() => far.text.length === i + 2);
  }
}

describe("without a fault", () => {
  it("passes bytes and ends both ways, and counts them", async () => {
    const { proxy, client, far } = await startPair();
    const megabytes = Buffer.alloc(3_000_000, "0123456789");
    client.send(megabytes);
    far.send(megabytes);
    await until(() => far.received.length === megabytes.length + 1 && client.received.length === megabytes.length + 1);
    expect(far.received.equals(Buffer.concat([Buffer.from("a"), megabytes]))).toBe(true);
    expect(client.received.equals(Buffer.concat([Buffer.from("b"), megabytes]))).toBe(true);
    client.socket.end("last");
    await until(() => far.state === "fin");
    // Half of it is still open.
    far.socket.end("reply");
    await until(() => client.state === "fin");
    expect(client.text.endsWith("reply")).toBe(true);
    await until(() => proxy.counts.open === 0);
    expect(proxy.counts).toEqual({
      accepted: 1,
      refused: 0,
      open: 0,
      passed: { toServer: 3_000_005, toClient: 3_000_006 },
      lost: { toServer: 0, toClient: 0 },
    });
  });

  it.each(["client", "far"] as const)("tells the other end of a reset by the %s end", async (who) => {
    const { [who]: end, client, far, proxy } = await startPair();
    end.socket.resetAndDestroy();
    const other = who === "client" ? far : client;
    await until(() => other.state === "rst");
    await until(() => proxy.counts.open === 0);
  });

  it("reads no faster than the other end does", async () => {
    const { proxy, client, far } = await startPair();
    far.socket.pause();
    const sent = 32_000_000;
    client.send(Buffer.alloc(sent));
    await untilFull(proxy);
    // What the system takes on both sides is a few megabytes.
    expect(proxy.counts.passed.toServer).toBeLessThan(0.75 * sent);
    // Nor does the proxy itself keep what the other end does not take.
    expect(client.socket.writableLength).toBeGreaterThan(sent / 4);
    far.socket.resume();
    await until(() => far.received.length === sent + 1);
  });

  it("goes to where it is told, and resets connections while that is nowhere", async () => {
    const proxy = await startProxy({});
    const early = await connectTo(proxy);
    await until(() => early.state === "rst");
    const [first, second] = [await startServer(), await startServer()];
    proxy.setTarget(first.url);
    const stays = await connectTo(proxy);
    await until(() => first.ends.length === 1);
    proxy.setTarget(second.url);
    await connectTo(proxy);
    await until(() => second.ends.length === 1);
    stays.send("still");
    await until(() => first.ends[0]?.text === "still");
    expect(proxy.counts).toMatchObject({ accepted: 2, refused: 1, open: 2 });
  });

  it("resets a connection to a server that is not there", async () => {
    const gone = await startProxy({});
    await gone.close();
    const proxy = await startProxy({ target: gone.url });
    const client = await connectTo(proxy);
    await until(() => client.state === "rst");
    await until(() => proxy.counts.open === 0);
  });
});

describe("a cut that holds", () => {
  it.each(["toServer", "toClient"] as const)("of the way %s is one-way, and all bytes come after it", async (way) => {
    const { proxy, client, far } = await startPair();
    const [from, to] = way === "toServer" ? [client, far] : [far, client];
    proxy.cut(way);
    from.send("held");
    to.send("free");
    await until(() => from.text.endsWith("free"));
    await aWhile();
    expect(to.text).not.toContain("held");
    proxy.heal();
    await until(() => to.text.endsWith("held"));
    expect([client.state, far.state]).toEqual(["open", "open"]);
    expect(proxy.counts.lost).toEqual({ toServer: 0, toClient: 0 });
  });

  it("holds back ends and resets too", async () => {
    const { proxy, client, far } = await startPair();
    proxy.cut("both");
    client.socket.end("bye");
    await aWhile();
    expect([far.state, far.text]).toEqual(["open", "a"]);
    proxy.heal();
    await until(() => far.state === "fin");
    expect(far.text).toBe("abye");

    const other = await startPair();
    other.proxy.cut("toServer");
    other.client.socket.resetAndDestroy();
    other.far.send("into nothing");
    await aWhile();
    expect(other.far.state).toBe("open");
    other.proxy.uncut("toServer");
    await until(() => other.far.state === "rst");
  });

  it("leaves no connection behind whose client went away meanwhile, with bytes on both ways", async () => {
    const { proxy, client, far } = await startPair();
    proxy.cut("both");
    far.send(Buffer.alloc(2_000_000));
    client.send("last");
    client.socket.destroy();
    await aWhile();
    expect(proxy.counts.open).toBe(1);
    proxy.heal();
    await until(() => proxy.counts.open === 0);
    expect(far.text).toBe("alast");
  });

  it("holds what is sent at its sender", async () => {
    const { proxy, client, far } = await startPair();
    proxy.cut("both");
    const sent = Buffer.alloc(32_000_000, "z");
    client.send(sent);
    await aWhile();
    expect(client.socket.writableLength).toBeGreaterThan(sent.length / 4);
    proxy.heal();
    await until(() => far.received.length === sent.length + 1);
  });

  it("lets new connections wait until it is over", async () => {
    const { proxy, server } = await startPair();
    proxy.cut("toClient");
    const late = await connectTo(proxy);
    late.send("hello");
    await aWhile();
    expect([late.state, server.ends.length]).toEqual(["open", 1]);
    proxy.uncut();
    await until(() => server.ends[1]?.text === "hello");
  });
});

describe("a cut that loses", () => {
  it.each(["toServer", "toClient"] as const)(
    "bytes %s passes none on after it: the connection is reset",
    async (way) => {
      const { proxy, client, far } = await startPair();
      const [from, to] = way === "toServer" ? [client, far] : [far, client];
      proxy.cut(way, "lose");
      from.send("lost");
      to.send("free");
      await until(() => from.text.endsWith("free") && proxy.counts.lost[way] === 4);
      expect([client.state, far.state]).toEqual(["open", "open"]);
      // The hole is there even if the cut goes on in another manner.
      proxy.cut(way, "hold");
      from.send("after the hole");
      proxy.heal();
      await until(() => client.state === "rst" && far.state === "rst");
      expect(to.text).toMatch(/^[ab]free$|^[ab]$/);
      await until(() => proxy.counts.open === 0);
    },
  );

  it("takes what is sent even if the other end did not read before", async () => {
    const { proxy, client, far } = await startPair();
    far.socket.pause();
    const sent = 32_000_000;
    client.send(Buffer.alloc(sent));
    await untilFull(proxy);
    proxy.cut("toServer", "lose");
    await until(() => client.socket.writableLength === 0);
    await until(() => proxy.counts.passed.toServer + proxy.counts.lost.toServer === sent + 1);
  });

  it("loses ends too", async () => {
    const { proxy, client, far } = await startPair();
    proxy.cut("both", "lose");
    client.socket.end();
    await aWhile();
    expect(far.state).toBe("open");
    proxy.uncut("toServer");
    await until(() => far.state === "rst");
  });

  it("takes any amount, as a network does, and leaves alone what lost nothing", async () => {
    const { proxy, client, far, server } = await startPair();
    const quiet = await connectTo(proxy);
    await until(() => server.ends.length === 2);
    proxy.cut("both", "lose");
    client.send(Buffer.alloc(32_000_000));
    await until(() => client.socket.writableLength === 0 && proxy.counts.lost.toServer === 32_000_000);
    proxy.heal();
    await until(() => client.state === "rst" && far.state === "rst");
    quiet.send("as ever");
    await until(() => server.ends[1]?.text === "as ever");
  });
});

describe("a delay", () => {
  it("is what each byte takes at least, one way", async () => {
    const { proxy, client, far } = await startPair();
    proxy.delay("toServer", 60);
    const beganMs = performance.now();
    client.send("slow");
    far.send("fast");
    await until(() => client.text === "bfast");
    expect(far.text).toBe("a");
    await until(() => far.text === "aslow");
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(60);
    proxy.delay("toServer", 0);
    client.send("!");
    await until(() => far.text === "aslow!");
  });

  it("keeps the order of bytes and ends, and takes only so many at once", async () => {
    const { proxy, client, far } = await startPair();
    proxy.delay("both", 20);
    const sent = Buffer.alloc(2_000_000, "abcdefg");
    client.socket.end(sent);
    await until(() => far.state === "fin");
    expect(far.received.equals(Buffer.concat([Buffer.from("a"), sent]))).toBe(true);
  });

  it("of random length keeps the order too", async () => {
    for (const seed of seeds(1)) {
      await withSeed(seed, "packages/testkit/src/fault-proxy.test.ts", async () => {
        const { proxy, client, far } = await startPair({ seed });
        proxy.delay("toServer", 0, 20);
        const words = Array.from({ length: 30 }, (_, i) => `${i},`);
        for (const word of words) {
          client.send(word);
          await new Promise((resolve) => setImmediate(resolve));
        }
        client.socket.end();
        await until(() => far.state === "fin");
        expect(far.text).toBe(`a${words.join("")}`);
      });
    }
  });
});

describe("connections", () => {
  it.each(["fin", "rst"] as const)("that are there end by %s, and new ones are made", async (ending) => {
    const { proxy, client, far, server } = await startPair();
    // What nobody reads must not turn one ending into the other.
    far.send("unread");
    client.send("unread");
    proxy.endAll(ending);
    await until(() => client.state === ending && far.state === ending);
    client.socket.end();
    far.socket.end();
    await until(() => proxy.counts.open === 0);
    const next = await connectTo(proxy);
    next.send("again");
    await until(() => server.ends[1]?.text === "again");
  });

  it("that are just ending may be reset", async () => {
    const { proxy, client, far } = await startPair();
    proxy.endAll("fin");
    proxy.endAll("rst");
    await until(() => proxy.counts.open === 0);
    await until(() => client.state !== "open" && far.state !== "open");
  });

  it("are refused while it refuses; those that are there stay", async () => {
    const { proxy, client, far, server } = await startPair();
    proxy.refuse();
    const refused = await connectTo(proxy);
    await until(() => refused.state === "rst");
    client.send("c");
    await until(() => far.text === "ac");
    proxy.admit();
    await connectTo(proxy);
    await until(() => server.ends.length === 2);
    expect(proxy.counts).toMatchObject({ accepted: 2, refused: 1 });
  });

  it.each(["fin", "rst"] as const)("end by %s after so many bytes, one of them, once", async (ending) => {
    const { proxy, client, far, server } = await startPair();
    proxy.endAfter("toServer", 5, ending);
    client.send("123");
    await until(() => far.text === "a123");
    client.send("456789");
    await until(() => far.state === ending && client.state === ending);
    expect(far.text).toBe("a12345");
    const next = await connectTo(proxy);
    next.send("1234567890");
    await until(() => server.ends[1]?.text === "1234567890");
  });

  it.each(["fin", "rst"] as const)("that are idle end by %s, and only those", async (ending) => {
    const { proxy, server } = await startPair();
    proxy.endIdle(150, ending);
    const [idle, busy] = [await connectTo(proxy), await connectTo(proxy)];
    let words = 0;
    await vi.waitUntil(
      () => {
        busy.send("x");
        words++;
        return idle.state === ending;
      },
      { interval: 20, timeout: 5_000 },
    );
    await until(() => server.ends.some(({ text }) => text === "x".repeat(words)));
    expect(busy.state).toBe("open");
    proxy.heal();
  });

  it("that are idle may be forgotten without a word", async () => {
    const { proxy, server } = await startPair();
    proxy.endIdle(20, "silent");
    const client = await connectTo(proxy);
    await until(() => server.ends.length === 2);
    await vi.waitUntil(
      () => {
        client.send("?");
        return proxy.counts.lost.toServer > 0;
      },
      { interval: 40, timeout: 5_000 },
    );
    server.ends[1]?.send("!");
    await until(() => proxy.counts.lost.toClient > 0);
    expect([client.state, server.ends[1]?.state, client.text]).toEqual(["open", "open", ""]);
  });
});

it("frees its port and leaves no connection", async () => {
  const { proxy, client, far } = await startPair();
  proxy.cut("both");
  const waiting = await connectTo(proxy);
  await proxy.close();
  await until(() => [client, far, waiting].every(({ state }) => state === "rst"));
  const late = new End(connect(proxy.port, "127.0.0.1"));
  await until(() => late.state === "rst");
});
