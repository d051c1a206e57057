import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GrowingBytes, PROMISED_BYTES_MAX } from "./growing-bytes.ts";
import { MessageSplitter } from "./message-splitter.ts";
import { OneMessage } from "./one-message.ts";

describe("the bytes of a message", () => {
  it("take no more memory than twice what has come, whatever was promised", () => {
    const bytes = new GrowingBytes(16 * 1024 * 1024);
    expect(bytes.capacity).toBe(PROMISED_BYTES_MAX);
    for (let come = 0; come < 500_000; come += 1_000) {
      bytes.push(new Uint8Array(1_000));
      expect(bytes.capacity).toBeLessThanOrEqual(Math.max(PROMISED_BYTES_MAX, 2 * (come + 1_000)));
    }
    expect(bytes.whole).toBeUndefined();
    expect(bytes.soFar().length).toBe(500_000);
  });

  it("are whole with the last of them, in a buffer of exactly their size", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, (pieces) => {
        const sent = Buffer.concat(pieces.map((size, i) => Buffer.alloc(size, i + 1)));
        const bytes = new GrowingBytes(sent.length);
        let at = 0;
        for (const size of pieces) {
          expect(bytes.whole === undefined).toBe(at < sent.length);
          bytes.push(sent.subarray(at, at + size));
          at += size;
          expect(bytes.missing).toBe(sent.length - at);
        }
        expect(bytes.whole?.buffer.byteLength).toBe(sent.length);
        expect(sent.equals(bytes.whole as Uint8Array)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe("whoever promises megabytes", () => {
  const LENGTH = 16 * 1024 * 1024;
  const CALLERS = 100;
  const promise = Buffer.from([0, ...new Uint8Array(4)]);
  promise.writeUInt32BE(LENGTH, 1);

  it.each([
    [
      "as the message of a call",
      (stream: ReturnType<ClientHttp2Session["request"]>) => new OneMessage(stream, LENGTH, unexpected),
    ],
    ["as one of many", () => new MessageSplitter(LENGTH, unexpected)],
  ])("%s has no memory set aside for them", async (_, readerOf) => {
    const server = createServer().listen(0);
    await once(server, "listening");
    const session = connect(`http://localhost:${(server.address() as AddressInfo).port}`);
    const stream = session.request();
    stream.on("error", () => {
      // Nobody answers it.
    });
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: CALLERS }, () => readerOf(stream));
    for (const reader of readers) reader.take(promise);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * CALLERS * PROMISED_BYTES_MAX);
    session.destroy();
    server.close();
  });
});

describe("whoever has sent a long message", () => {
  const LENGTH = 1_000_000;

  /** How much is set aside for the message that a splitter is in. What the process takes in all says little: garbage goes meanwhile. */
  const capacityOf = (splitter: MessageSplitter) => splitter["message"]?.capacity;

  it("has the next one as long set aside, and it comes whole", () => {
    const messages: Uint8Array[] = [];
    const splitter = new MessageSplitter(2 * LENGTH, (bytes) => messages.push(bytes));
    const sent = Buffer.alloc(5 + LENGTH, 7);
    sent[0] = 0;
    sent.writeUInt32BE(LENGTH, 1);
    splitter.take(sent);
    splitter.take(sent.subarray(0, 10));
    expect(capacityOf(splitter)).toBe(LENGTH);
    splitter.take(sent.subarray(10));
    expect(messages.map((bytes) => sent.subarray(5).equals(bytes))).toEqual([true, true]);
  });

  it("is believed no more than twice that", () => {
    const splitter = new MessageSplitter(1000 * LENGTH, () => undefined);
    const sent = Buffer.alloc(5 + 200_000);
    sent.writeUInt32BE(200_000, 1);
    splitter.take(sent);
    sent.writeUInt32BE(1000 * LENGTH, 1);
    splitter.take(sent.subarray(0, 5));
    expect(capacityOf(splitter)).toBe(400_000);
  });

  it("is never believed more than four megabytes", () => {
    const most = 4 * 1024 * 1024;
    const splitter = new MessageSplitter(1000 * LENGTH, () => undefined);
    const sent = Buffer.alloc(5 + most);
    sent.writeUInt32BE(most, 1);
    splitter.take(sent);
    sent.writeUInt32BE(1000 * LENGTH, 1);
    splitter.take(sent.subarray(0, 5));
    expect(capacityOf(splitter)).toBe(most);
  });
});

function unexpected(): never {
  throw new Error("nothing is whole, and nothing odd");
}
