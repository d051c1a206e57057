import { once } from "node:events";
import { BranchService, JournalService } from "@bank/proto";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ConnectionKeeper } from "./connection-keeper.ts";
import {
  answer,
  answerEnd,
  answerHead,
  FLAG,
  FRAME,
  frame,
  goaway,
  H2,
  headers,
  message,
  type RawBehaviour,
  type RawServer,
  reset,
  settings,
  startRawServer,
} from "./raw-http2.test-util.ts";
import { connectToServer } from "./transport.ts";
import { failureOf } from "./wire.test-util.ts";

/** What nobody catches ends a process. The test runner would tell of it, too, but not at which test. */
function uncaught(): readonly unknown[] {
  const errors: unknown[] = [];
  const note = (error: unknown) => errors.push(error);
  // The runner's own listeners would fail the run.
  const before = (["uncaughtException", "unhandledRejection"] as const).map((event) => {
    const listeners = process.listeners(event as "uncaughtException");
    process.removeAllListeners(event);
    process.on(event, note);
    return { event, listeners };
  });
  onTestFinished(() => {
    for (const { event, listeners } of before) {
      process.removeListener(event, note);
      for (const listener of listeners) process.on(event as "uncaughtException", listener);
    }
  });
  return errors;
}

interface Meeting {
  readonly server: RawServer;
  readonly transport: Transport;
  readonly client: Client<typeof BranchService>;
  readonly errors: readonly unknown[];
}

async function meet(behaviour: RawBehaviour): Promise<Meeting> {
  const errors = uncaught();
  const server = await startRawServer(behaviour);
  const { transport, close } = connectToServer(server.url);
  onTestFinished(() => close());
  return { server, transport, client: createClient(BranchService, transport), errors };
}

/** Whatever a broken connection leaves behind has happened by then. */
async function settled({ connections }: RawServer, count: number): Promise<void> {
  await vi.waitUntil(() => connections.slice(0, count).every(({ socket }) => socket.destroyed), { interval: 2 });
  await new Promise((resolve) => setImmediate(resolve));
}

const bytes = (...parts: readonly Buffer[]) => Buffer.concat(parts);

describe("GOAWAY", () => {
  const goaways: Record<string, (stream: number) => Buffer> = {
    "without an error": (stream) => goaway(stream, H2.noError),
    "with an error": (stream) => goaway(stream, H2.internal),
    "of an older stream": () => goaway(0, H2.noError),
    "of streams to come": () => goaway(0x7fff_ffff, H2.noError),
    "twice, first of streams to come": (stream) => bytes(goaway(0x7fff_ffff, H2.noError), goaway(stream, H2.noError)),
  };

  describe.each(Object.keys(goaways))("%s", (name) => {
    const told = goaways[name]!;

    it("on an idle connection makes the next call use a new one", async () => {
      const { server, client, errors } = await meet({
        onCall: ({ socket }, stream) => socket.write(bytes(answer(stream), told(stream))),
      });
      for (let call = 1; call <= 3; call++) {
        await client.listBranches({});
        // The client closes it by itself.
        await settled(server, call);
      }
      expect(server.connections.map(({ calls }) => calls)).toEqual([1, 1, 1]);
      expect(errors).toEqual([]);
    });

    it("on an idle connection may come while the next call is made", async () => {
      const { server, client, errors } = await meet({
        onCall: ({ socket }, stream) => socket.write(answer(stream), () => socket.write(told(stream))),
      });
      for (let call = 0; call < 50; call++) {
        // Such a call may be lost, and only such a call.
        const error = await client.listBranches({}).then(
          () => undefined,
          (reason: unknown) => reason as ConnectError,
        );
        if (error !== undefined) expect(error.code).toBe(Code.Unavailable);
      }
      await vi.waitUntil(() => server.connections.filter(({ socket }) => !socket.destroyed).length <= 1);
      expect(errors).toEqual([]);
    });
  });

  it("as a connection's first word is no reason to try for ever", async () => {
    const { server, client, errors } = await meet({
      onConnect: ({ socket }) => socket.write(bytes(settings(), goaway(0, H2.noError))),
    });
    expect((await failureOf(client.listBranches({}))).code).toBe(Code.Unavailable);
    expect(server.connections.length).toBeLessThanOrEqual(3);
    await settled(server, server.connections.length);
    expect(errors).toEqual([]);
  });

  it("lets open streams go on to their end, while calls use a new connection", async () => {
    let first = 0;
    const { server, client, errors } = await meet({
      onCall: ({ socket, number, calls }, stream) => {
        if (number > 0) socket.write(answer(stream));
        else if (calls === 1) {
          first = stream;
          socket.write(goaway(stream, H2.noError));
        }
      },
    });
    const early = client.listBranches({});
    await vi.waitUntil(() => server.connections[0]?.calls === 1);
    await vi.waitUntil(async () => {
      await client.listBranches({}, { timeoutMs: 50 }).catch(() => undefined);
      return server.connections.length === 2;
    });
    server.connections[0]?.socket.write(answer(first));
    await early;
    await settled(server, 1);
    expect(errors).toEqual([]);
  });

  it.each([H2.noError, H2.internal])("with code %i below open streams ends those as unavailable", async (code) => {
    const { server, client, errors } = await meet({
      onCall: ({ socket, number, calls }, stream) => {
        if (number > 0) socket.write(answer(stream));
        else if (calls === 2) socket.write(goaway(0, code));
      },
    });
    const calls = [failureOf(client.listBranches({})), failureOf(client.listBranches({}))];
    for (const error of await Promise.all(calls)) expect(error.code).toBe(Code.Unavailable);
    await client.listBranches({});
    await settled(server, 1);
    expect(server.connections).toHaveLength(2);
    expect(errors).toEqual([]);
  });

  it("because of too many pings makes them rarer", async () => {
    const server = await startRawServer({
      onCall: ({ socket, number }) => {
        if (number === 0) socket.write(goaway(1, H2.calm, "too_many_pings"));
      },
    });
    const { transport, close } = connectToServer(server.url, { pingIntervalMs: 80, pingTimeoutMs: 5_000 });
    onTestFinished(() => close());
    const client = createClient(BranchService, transport);
    expect((await failureOf(client.listBranches({}))).code).toBe(Code.Unavailable);
    const beganMs = performance.now();
    client.listBranches({}).catch(() => undefined);
    await vi.waitUntil(() => server.connections[1]?.pingsMs.length === 1, { interval: 5, timeout: 5_000 });
    expect((server.connections[1]?.pingsMs[0] ?? 0) - beganMs).toBeGreaterThanOrEqual(160);
  });

  describe("at the moment of the next call", () => {
    type Manager = Pick<ConnectionKeeper, "request">;

    /** Makes a call as soon as the client has heard that the idle connection ends. Gives what nobody caught. */
    async function callAtGoaway(makeManager: (url: string) => Manager): Promise<readonly unknown[]> {
      const errors = uncaught();
      const server = await startRawServer({});
      const manager = makeManager(server.url);
      const call = async () => {
        const stream = await manager.request("POST", "/x", {}, {});
        stream.end();
        stream.resume();
        return stream;
      };
      const first = await call();
      const { session } = first;
      await once(first, "close");
      const next = Promise.withResolvers<void>();
      session?.once("goaway", () => {
        next.resolve(call().then(async (stream) => void (await once(stream, "close"))));
      });
      server.connections[0]?.socket.write(goaway(1, H2.noError));
      await next.promise;
      await settled(server, 1);
      expect(server.connections).toHaveLength(2);
      return errors;
    }

    it("does no harm", async () => {
      const limits = { pingIntervalMs: 10_000, pingTimeoutMs: 5_000, connectTimeoutMs: 5_000 };
      const errors = await callAtGoaway((url) => {
        const keeper = new ConnectionKeeper(url, limits);
        onTestFinished(() => keeper.drop(new ConnectError("the test is over", Code.Canceled)));
        return keeper;
      });
      expect(errors).toEqual([]);
    });

    it("ends the process with Connect's own session manager: why there is another", async () => {
      const errors = await callAtGoaway((url) => {
        const manager = new Http2SessionManager(url);
        onTestFinished(() => manager.abort());
        return manager;
      });
      // Once this fails, Connect has mended it: https://github.com/connectrpc/connect-es/issues/1768.
      expect(errors.map(String)).toEqual([expect.stringContaining("received GOAWAY without any open streams")]);
    });
  });
});

/** What each does to its first call; later connections and calls are served as they should be. */
const BREAKS: Record<string, (connection: Parameters<NonNullable<RawBehaviour["onCall"]>>[0], stream: number) => void> =
  {
    "hangs up before the answer": ({ socket }) => socket.end(),
    "resets the connection before the answer": ({ socket }) => socket.resetAndDestroy(),
    "hangs up in the middle of headers": ({ socket }, stream) => socket.end(answerHead(stream).subarray(0, 20)),
    "hangs up in the middle of a message": ({ socket }, stream) =>
      socket.end(bytes(answerHead(stream), message(stream, Buffer.alloc(100)).subarray(0, 50))),
    "resets the connection in the middle of a message": ({ socket }, stream) =>
      socket.write(bytes(answerHead(stream), message(stream, Buffer.alloc(100)).subarray(0, 50)), () =>
        socket.resetAndDestroy(),
      ),
    "hangs up before the status": ({ socket }, stream) => socket.end(bytes(answerHead(stream), message(stream))),
    "ends the stream in the middle of a message": ({ socket }, stream) =>
      socket.write(bytes(answerHead(stream), frame(FRAME.data, FLAG.end, stream, Buffer.of(0, 0, 0, 0, 100, 1, 2)))),
    "ends the stream without a status": ({ socket }, stream) =>
      socket.write(bytes(answerHead(stream), message(stream), frame(FRAME.data, FLAG.end, stream))),
    "says something that is no frame": ({ socket }) => socket.write(Buffer.alloc(100, 0xee)),
    "breaks the compression of headers": ({ socket }, stream) =>
      socket.write(frame(FRAME.headers, FLAG.endHeaders, stream, Buffer.alloc(10, 0xff))),
    "answers a call that was never made": ({ socket }, stream) => socket.write(answer(stream + 100)),
    "floods it with SETTINGS": ({ socket }) => socket.write(bytes(...Array<Buffer>(5_000).fill(settings()))),
    "floods it with pings": ({ socket }) =>
      socket.write(bytes(...Array<Buffer>(5_000).fill(frame(FRAME.ping, 0, 0, Buffer.alloc(8)))), () => socket.end()),
    ...Object.fromEntries(
      [0, 1, 2, 3, 5, 7, 8].flatMap((code): [string, (typeof BREAKS)[string]][] => [
        [`resets the stream with code ${code}`, ({ socket }, stream) => socket.write(reset(stream, code))],
        [
          `resets the stream with code ${code} in the middle of its answer`,
          ({ socket }, stream) => socket.write(bytes(answerHead(stream), reset(stream, code))),
        ],
      ]),
    ),
    "resets the stream very often": ({ socket }, stream) =>
      socket.write(bytes(...Array<Buffer>(500).fill(reset(stream, H2.cancel)))),
  };

describe("a server that", () => {
  describe.each(Object.keys(BREAKS))("%s", (name) => {
    /** Serves what comes after the first `broken` calls. */
    const broken = (count: number): RawBehaviour => {
      let calls = 0;
      return {
        onCall: (connection, stream) => {
          calls++;
          if (calls <= count) BREAKS[name]?.(connection, stream);
          else connection.socket.write(answer(stream));
        },
      };
    };

    it("ends a call as unavailable, and the next one is answered", async () => {
      const { client, errors } = await meet(broken(2));
      for (let call = 0; call < 2; call++) {
        const error = await failureOf(client.listBranches({}));
        expect([error.code, error.message]).toEqual([Code.Unavailable, expect.any(String)]);
        // It was sent, so nobody may say that it was not.
        expect(error.cause).not.toMatchObject({ syscall: "connect" });
      }
      await client.listBranches({});
      await new Promise((resolve) => setImmediate(resolve));
      expect(errors).toEqual([]);
    });

    it("ends a stream of answers as unavailable", async () => {
      const { transport, errors } = await meet(broken(1));
      const journal = createClient(JournalService, transport);
      const read = async () => {
        for await (const _ of journal.follow({}));
      };
      expect((await failureOf(read())).code).toBe(Code.Unavailable);
      await new Promise((resolve) => setImmediate(resolve));
      expect(errors).toEqual([]);
    });
  });

  it("hangs up is said to have done so, whatever the call was waiting for", async () => {
    const breaks = ["hangs up before the answer", "hangs up in the middle of headers", "hangs up before the status"];
    for (const name of breaks) {
      const { client } = await meet({ onCall: BREAKS[name] as NonNullable<RawBehaviour["onCall"]> });
      expect((await failureOf(client.listBranches({}))).rawMessage).toBe("the server closed the connection");
    }
  });

  it("does not speak HTTP/2 is told apart: no retry helps", async () => {
    for (const words of [Buffer.alloc(100, 0xee), "HTTP/1.1 400 Bad Request\r\n\r\n"]) {
      const { client, errors } = await meet({ onConnect: ({ socket }) => socket.end(words) });
      expect(await failureOf(client.listBranches({}))).toMatchObject({
        code: Code.Internal,
        cause: expect.objectContaining({ code: "ERR_HTTP2_ERROR" }),
      });
      expect(errors).toEqual([]);
    }
  });

  it("hangs up at once was never asked", async () => {
    for (const end of ["end", "resetAndDestroy"] as const) {
      const { client, errors } = await meet({ onConnect: ({ socket }) => socket[end]() });
      const error = await failureOf(client.listBranches({}));
      expect([error.code, error.cause]).toEqual([Code.Unavailable, expect.objectContaining({ syscall: "connect" })]);
      expect(errors).toEqual([]);
    }
  });

  it("answers another status or header than expected ends only the call", async () => {
    const odd: readonly [Code, (stream: number) => Buffer][] = [
      [Code.Unavailable, (stream) => headers(stream, { ":status": "503", "content-type": "text/html" }, FLAG.end)],
      [Code.Unknown, (stream) => headers(stream, { ":status": "200", "content-type": "text/html" }, FLAG.end)],
      [
        Code.Internal,
        (stream) => bytes(answerHead(stream), message(stream), answerEnd(stream, { "grpc-status": "x" })),
      ],
      [Code.Internal, (stream) => bytes(answerHead(stream), message(stream, Buffer.alloc(9, 255)), answerEnd(stream))],
      [
        Code.InvalidArgument,
        (stream) =>
          headers(stream, { ":status": "200", "content-type": "application/grpc", "grpc-status": "3" }, FLAG.end),
      ],
    ];
    for (const [code, said] of odd) {
      let calls = 0;
      const { server, client, errors } = await meet({
        onCall: ({ socket }, stream) => socket.write(calls++ === 0 ? said(stream) : answer(stream)),
      });
      expect((await failureOf(client.listBranches({}))).code).toBe(code);
      await client.listBranches({});
      expect(server.connections).toHaveLength(1);
      expect(errors).toEqual([]);
    }
  });

  it("sends headers of any bytes, hints and pushes does no harm", async () => {
    const euro = Buffer.from("€ \u00e9\u00ff");
    const { server, client, errors } = await meet({
      onCall: ({ socket }, stream) =>
        socket.write(
          bytes(
            headers(stream, { ":status": "103", link: "x" }),
            headers(stream, { ":status": "200", "content-type": "application/grpc", "x-euro": euro }),
            message(stream),
            answerEnd(stream, { "x-euro": euro, "grpc-message": euro }),
          ),
        ),
    });
    await client.listBranches({});
    expect(server.connections).toHaveLength(1);
    expect(errors).toEqual([]);
  });
});
