import { EventEmitter } from "node:events";
import type { Http2Stream } from "node:http2";
import { expect, it } from "vitest";
import { ByteQueue } from "./byte-queue.ts";

/** What a queue knows of a stream. */
class FakeStream extends EventEmitter {
  private paused = false;
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  isPaused(): boolean {
    return this.paused;
  }
}

function queueOf(): { readonly stream: FakeStream; readonly queue: ByteQueue } {
  const stream = new FakeStream();
  return { stream, queue: new ByteQueue(stream as unknown as Http2Stream) };
}

const piece = (bytes: number) => new Uint8Array(bytes);

it("gives the pieces as they came, whether they were waited for or not", async () => {
  const { queue } = queueOf();
  const waited = queue.next();
  queue.push(piece(1));
  queue.push(piece(2));
  expect(await waited).toEqual({ done: false, value: piece(1) });
  expect(await queue.next()).toEqual({ done: false, value: piece(2) });
  const end = queue.next();
  queue.end();
  expect(await end).toEqual({ done: true, value: undefined });
  expect(await queue.next()).toEqual({ done: true, value: undefined });
});

it("gives what came before the end", async () => {
  const { queue } = queueOf();
  queue.push(piece(3));
  queue.end();
  const sizes: number[] = [];
  for await (const { length } of queue) sizes.push(length);
  expect(sizes).toEqual([3]);
});

it("has the sender wait while too much is not read, and go on when it is", async () => {
  const { stream, queue } = queueOf();
  for (let i = 0; i < 16; i++) queue.push(piece(16 * 1024));
  expect(stream.isPaused()).toBe(false);
  queue.push(piece(1));
  expect(stream.isPaused()).toBe(true);
  await queue.next();
  expect(stream.isPaused()).toBe(false);
});
