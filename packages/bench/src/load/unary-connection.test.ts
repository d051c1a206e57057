import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Stream, type Settings } from "node:http2";
import { type AddressInfo, createServer as createPlainServer, Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeFields } from "./hpack.ts";
import { FrameFlag, FrameType, type FrameWriter, Setting } from "./http2-frames.ts";
import { framed, HEADERS_DONE, RawServer, TRAILERS_DONE } from "./raw-http2.test-util.ts";
import { UnaryConnection, unaryHeaders } from "./unary-connection.ts";
import { envelope } from "./wire.ts";

const PATH = "/a.B/C";
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function opened(url: string) {
  const connection = await UnaryConnection.open(url);
  closing.push(() => connection.close());
  const headers = unaryHeaders(url, PATH, { "bank-session": "s".repeat(150) });
  return {
    connection,
    ask: (message: Uint8Array) =>
      new Promise<Buffer>((resolve, reject) => connection.call(headers, envelope(message), resolve, reject)),
  };
}

describe("unary calls to Node's server", () => {
  async function serve(
    answer: (message: Buffer, stream: ServerHttp2Stream) => void,
    settings: Settings = {},
  ): Promise<{ server: Http2Server; url: string; sessions: number }> {
    const server = createServer({ settings });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const seen = { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sessions: 0 };
    server.on("session", (session) => {
      seen.sessions++;
      closing.push(() => session.destroy());
    });
    server.on("stream", (stream, headers) => {
      const isRight =
        headers[":path"] === PATH && headers["te"] === "trailers" && headers["bank-session"] === "s".repeat(150);
      const chunks: Buffer[] = [];
      stream.on("error", () => undefined);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () =>
        answer(isRight ? Buffer.concat(chunks).subarray(5) : Buffer.from("wrong headers"), stream),
      );
    });
    closing.push(() => server.close());
    return seen;
  }

  function reply(
    stream: ServerHttp2Stream,
    message: Uint8Array,
    trailers: Record<string, string> = { "grpc-status": "0" },
  ) {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end(envelope(message));
  }

  it("each get their own answer, over one connection", async () => {
    const seen = await serve((message, stream) => reply(stream, message));
    const { ask } = await opened(seen.url);
    for (let round = 0; round < 3; round++) {
      const asked = Array.from({ length: 200 }, (_, i) => Buffer.from(`message ${round} ${i}`));
      expect(await Promise.all(asked.map(ask))).toEqual(asked);
    }
    expect(seen.sessions).toBe(1);
  });

  it("are large in both directions, through windows of either side", async () => {
    const answers = (message: Buffer) => (message.length === 1 ? Buffer.alloc(1_000_000, message[0]) : message);
    const seen = await serve((message, stream) => reply(stream, answers(message)), { initialWindowSize: 10_000 });
    const { ask } = await opened(seen.url);
    // Together more than the connection's window of 16 MiB; Node's server has no more than 10 MB under way.
    for (let i = 0; i < 18; i += 6) {
      const large = await Promise.all(Array.from({ length: 6 }, (_, j) => ask(Buffer.from([i + j]))));
      for (const [j, answer] of large.entries()) expect(answer.equals(Buffer.alloc(1_000_000, i + j))).toBe(true);
    }
    const sent = Array.from({ length: 3 }, (_, i) => Buffer.alloc(50_000, i));
    expect((await Promise.all(sent.map(ask))).map((answer, i) => answer.equals(sent[i] as Buffer))).toEqual([
      true,
      true,
      true,
    ]);
  });

  it("fail with the status and the message that came for them", async () => {
    const seen = await serve((message, stream) => {
      const told = { "grpc-status": "9", "grpc-message": "nicht genug Geld: 5 %25 für K%C3%B6nig, und ganz %zz" };
      switch (message.toString()) {
        case "trailers":
          return reply(stream, message, { ...told, "grpc-message": "5 %25 f%C3%BCr" });
        case "badly encoded":
          return reply(stream, message, { ...told, "grpc-message": "%zz" });
        case "only headers":
          return stream.respond(
            { ":status": 200, "grpc-status": "5", "grpc-message": "not there" },
            { endStream: true },
          );
        case "http":
          stream.respond({ ":status": 404 });
          return stream.end("no such thing");
        case "no status":
          stream.respond({ ":status": 200 });
          return stream.end(envelope(message));
        case "reset":
          return stream.close(7);
        default:
          return reply(stream, message);
      }
    });
    const { ask } = await opened(seen.url);
    for (const [message, problem] of [
      ["trailers", "status 9: 5 % für"],
      ["badly encoded", "status 9: %zz"],
      ["only headers", "status 5: not there"],
      ["http", "HTTP 404"],
      ["no status", "without a status"],
      ["reset", "reset its stream: REFUSED_STREAM"],
    ] as const)
      await expect(ask(Buffer.from(message)), message).rejects.toThrow(problem);
    expect(String(await ask(Buffer.from("after all that")))).toBe("after all that");
  });

  it("fail when the server goes away, is gone, or was never there", async () => {
    const seen = await serve((_, stream) => stream.session?.goaway(11, 0, Buffer.from("too much")));
    const { ask } = await opened(seen.url);
    await expect(ask(Buffer.from("x"))).rejects.toThrow("goes away: ENHANCE_YOUR_CALM, too much");
    await expect(ask(Buffer.from("x"))).rejects.toThrow("goes away");
    const gone = await serve((_, stream) => stream.session?.destroy());
    const second = await opened(gone.url);
    await expect(second.ask(Buffer.from("x"))).rejects.toThrow("goes away: NO_ERROR");
    const raw = await RawServer.start();
    const third = await opened(raw.url);
    const cut = third.ask(Buffer.from("x"));
    await raw.has(() => raw.bytesOf(1) === 6);
    raw.stop();
    await expect(cut).rejects.toThrow("the connection is gone");
    await expect(third.ask(Buffer.from("x"))).rejects.toThrow("the connection is gone");
    const http1 = createPlainServer((socket) => socket.resume().end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(
      0,
      "127.0.0.1",
    );
    await once(http1, "listening");
    const { port } = http1.address() as AddressInfo;
    await expect(UnaryConnection.open(`http://127.0.0.1:${port}`)).rejects.toThrow("speaks no HTTP/2");
    http1.close();
    await once(http1, "close");
    await expect(UnaryConnection.open(`http://127.0.0.1:${port}`)).rejects.toThrow("ECONNREFUSED");
  });
});

const OK_HEAD = encodeFields([
  [":status", "200"],
  ["content-type", "application/grpc"],
]);
const OK_TRAILERS = encodeFields([["grpc-status", "0"]]);

function answer(writer: FrameWriter, stream: number, message: string): void {
  writer.frame(FrameType.HEADERS, HEADERS_DONE, stream, OK_HEAD);
  writer.frame(FrameType.DATA, 0, stream, envelope(Buffer.from(message)));
  writer.frame(FrameType.HEADERS, TRAILERS_DONE, stream, OK_TRAILERS);
}

describe("unary calls to a server that says what it likes", () => {
  async function serve(settings: readonly (readonly [number, number])[] = []) {
    const server = await RawServer.start(settings);
    closing.push(() => server.stop());
    return { server, ...(await opened(server.url)) };
  }
  const streams = (server: RawServer) =>
    server.received.filter(({ type }) => type === FrameType.HEADERS).map(({ stream }) => stream);
  const M = Buffer.from("m");

  it("leave in one write what begins in one turn", async () => {
    const { server, ask } = await serve();
    // Its answer to the server's SETTINGS has left by then.
    await server.has(() => server.isSettled);
    const write = vi.spyOn(Socket.prototype, "write");
    const all = Promise.all([ask(M), ask(M), ask(M)]);
    await server.has(() => server.bytesOf(5) === 6);
    expect(write).toHaveBeenCalledTimes(1);
    write.mockRestore();
    server.say((writer) => {
      for (const stream of [5, 1, 3]) answer(writer, stream, `answer ${stream}`);
    });
    expect((await all).map(String)).toEqual(["answer 1", "answer 3", "answer 5"]);
  });

  it("are answered by frames that are cut anywhere", async () => {
    const { server, ask } = await serve();
    const whole = framed((writer) => answer(writer, 1, "cut"));
    for (let at = 0; at <= whole.length; at++) {
      const stream = 2 * at + 1;
      const asked = ask(M);
      await server.has(() => streams(server).includes(stream));
      await server.sayCut(
        framed((writer) => answer(writer, stream, "cut")),
        at,
      );
      expect(String(await asked)).toBe("cut");
    }
  });

  it("are answered in parts, with padding, priorities, continuations, and what nobody knows", async () => {
    const { server, ask } = await serve();
    const asked = ask(M);
    await server.has(() => streams(server).length === 1);
    const padded = (payload: Buffer) => Buffer.concat([Buffer.from([3]), payload, Buffer.alloc(3, 0xff)]);
    const message = envelope(Buffer.from("in parts"));
    server.say((writer) => {
      writer.frame(FrameType.HEADERS, FrameFlag.END_HEADERS, 1, encodeFields([[":status", "103"]]));
      writer.frame(99, 0xff, 1, Buffer.from("unknown"));
      const { PADDED, PRIORITY } = FrameFlag;
      const priority = Buffer.from([3, 0, 0, 0, 0, 16]);
      const part = Buffer.concat([priority, OK_HEAD.subarray(0, 7), Buffer.alloc(3)]);
      writer.frame(FrameType.HEADERS, PADDED | PRIORITY, 1, part);
      writer.frame(FrameType.CONTINUATION, 0, 1, OK_HEAD.subarray(7, 9));
      writer.frame(FrameType.CONTINUATION, FrameFlag.END_HEADERS, 1, OK_HEAD.subarray(9));
      writer.frame(FrameType.DATA, PADDED, 1, padded(message.subarray(0, 3)));
      writer.frame(FrameType.DATA, 0, 1, message.subarray(3, 3));
      writer.frame(FrameType.DATA, 0, 1, message.subarray(3, 8));
      writer.frame(FrameType.DATA, PADDED, 1, padded(message.subarray(8)));
      writer.frame(FrameType.PRIORITY, 0, 1, Buffer.alloc(5));
      writer.frame(FrameType.HEADERS, FrameFlag.END_STREAM, 1, OK_TRAILERS.subarray(0, 4));
      writer.frame(FrameType.CONTINUATION, FrameFlag.END_HEADERS, 1, OK_TRAILERS.subarray(4));
    });
    expect(String(await asked)).toBe("in parts");
  });

  it("are as many at a time as the server allows", async () => {
    const { server, ask } = await serve([[Setting.MAX_CONCURRENT_STREAMS, 2]]);
    const all = Promise.all([ask(M), ask(M), ask(M), ask(M), ask(M)]);
    await server.has(() => server.bytesOf(3) === 6);
    expect(streams(server)).toEqual([1, 3]);
    server.say((writer) => answer(writer, 3, "b"));
    await server.has(() => server.bytesOf(5) === 6);
    expect(streams(server)).toEqual([1, 3, 5]);
    server.say((writer) => writer.settings([[Setting.MAX_CONCURRENT_STREAMS, 4]]));
    await server.has(() => server.bytesOf(9) === 6);
    server.say((writer) => {
      for (const stream of [1, 5, 7, 9]) answer(writer, stream, `a${stream}`);
    });
    expect((await all).map(String)).toEqual(["a1", "b", "a5", "a7", "a9"]);
  });

  it("send no more than a stream's window, the connection's, and a frame hold", async () => {
    const { server, ask } = await serve([[Setting.INITIAL_WINDOW_SIZE, 10]]);
    const asked = ask(Buffer.alloc(95));
    await server.has(() => server.bytesOf(1) === 10);
    server.say((writer) => writer.number(FrameType.WINDOW_UPDATE, 1, 5));
    await server.has(() => server.bytesOf(1) === 15);
    server.say((writer) => writer.settings([[Setting.INITIAL_WINDOW_SIZE, 1_000_000]]));
    await server.has(() => server.bytesOf(1) === 100);
    // One that leaves at once counts as those do that wait.
    const big = [ask(Buffer.alloc(9_995)), ask(Buffer.alloc(55_395)), ask(Buffer.alloc(95))];
    await server.has(() => server.bytesOf(7) === 35);
    expect(Math.max(...server.received.map(({ payload }) => payload.length))).toBe(16_384);
    server.say((writer) => {
      writer.settings([[Setting.MAX_FRAME_SIZE, 20_000]]);
      writer.number(FrameType.WINDOW_UPDATE, 0, 1_000_000);
    });
    await server.has(() => server.bytesOf(7) === 100);
    const last = ask(Buffer.alloc(20_095));
    await server.has(() => server.bytesOf(9) === 20_100);
    expect(Math.max(...server.received.map(({ payload }) => payload.length))).toBe(20_000);
    server.say((writer) => {
      for (const stream of [1, 3, 5, 7, 9]) answer(writer, stream, "");
    });
    expect((await Promise.all([asked, ...big, last])).map(String)).toEqual(["", "", "", "", ""]);
  });

  it("end before all was sent, if the server will have it so", async () => {
    const { server, ask } = await serve([[Setting.INITIAL_WINDOW_SIZE, 10]]);
    const asked = ask(Buffer.alloc(95));
    await server.has(() => server.bytesOf(1) === 10);
    const refusal = encodeFields([
      [":status", "200"],
      ["grpc-status", "8"],
    ]);
    server.say((writer) => writer.frame(FrameType.HEADERS, TRAILERS_DONE, 1, refusal));
    await expect(asked).rejects.toThrow("status 8");
    await server.has((received) => received.some(({ type }) => type === FrameType.RST_STREAM));
  });

  it("go on behind a GOAWAY where the server still answers them", async () => {
    const { server, ask } = await serve([[Setting.MAX_CONCURRENT_STREAMS, 2]]);
    const all = Promise.allSettled([ask(M), ask(M), ask(M)]);
    await server.has(() => server.bytesOf(3) === 6);
    server.say((writer) => {
      writer.frame(FrameType.GOAWAY, 0, 0, Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]));
      answer(writer, 1, "still");
    });
    const [first, second, third] = await all;
    expect(first).toMatchObject({ status: "fulfilled" });
    for (const failed of [second, third])
      expect(failed).toMatchObject({ reason: { message: "the server goes away: NO_ERROR" } });
  });

  it.each<[string, string, (writer: FrameWriter) => void]>([
    ["a frame that is too long", "16385 bytes", (writer) => writer.frame(FrameType.DATA, 0, 1, Buffer.alloc(16_385))],
    ["a ping of 7 bytes", "type 6 with 7", (writer) => writer.frame(FrameType.PING, 0, 0, Buffer.alloc(7))],
    ["a promise", "pushes", (writer) => writer.frame(FrameType.PUSH_PROMISE, 4, 1, Buffer.alloc(4))],
    ["only padding", "all padding", (writer) => writer.frame(FrameType.DATA, FrameFlag.PADDED, 1, Buffer.from([9]))],
    ["a continuation of nothing", "had not begun", (writer) => writer.frame(FrameType.CONTINUATION, 4, 1, OK_HEAD)],
    [
      "a field of a table",
      "refers to field 62",
      (writer) => writer.frame(FrameType.HEADERS, 4, 1, Buffer.from([0xbe])),
    ],
    [
      "headers three times",
      "headers twice",
      (writer) => {
        for (let i = 0; i < 2; i++) writer.frame(FrameType.HEADERS, HEADERS_DONE, 1, OK_HEAD);
      },
    ],
    [
      "something inside headers",
      "between the parts",
      (writer) => {
        writer.frame(FrameType.HEADERS, 0, 1, OK_HEAD);
        writer.frame(FrameType.PING, 0, 0, Buffer.alloc(8));
      },
    ],
    [
      "no message",
      "without a plain message",
      (writer) => {
        writer.frame(FrameType.HEADERS, HEADERS_DONE, 1, OK_HEAD);
        writer.frame(FrameType.HEADERS, TRAILERS_DONE, 1, OK_TRAILERS);
      },
    ],
    [
      "two messages",
      "not one message",
      (writer) => {
        writer.frame(FrameType.HEADERS, HEADERS_DONE, 1, OK_HEAD);
        for (let i = 0; i < 2; i++) writer.frame(FrameType.DATA, 0, 1, envelope(M));
        writer.frame(FrameType.HEADERS, TRAILERS_DONE, 1, OK_TRAILERS);
      },
    ],
  ])("fail loudly for %s", async (_, problem, say) => {
    const { server, ask } = await serve();
    const asked = ask(M);
    await server.has(() => server.bytesOf(1) === 6);
    server.say(say);
    await expect(asked).rejects.toThrow(problem);
  });
});
