import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { connect, createServer, type Socket } from "node:net";
import { expect, it, onTestFinished, vi } from "vitest";
import { KeepAlive } from "./keep-alive.ts";

/** Two ends of one connection. */
async function startPair(): Promise<readonly [near: Socket, far: Socket]> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const near = connect(address.port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  onTestFinished(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  near.resume();
  return [near, far];
}

/** A session of which no ping is ever answered. */
function mute(): ClientHttp2Session {
  return { destroyed: false, ping: () => true } as unknown as ClientHttp2Session;
}

it("does not take the other end for dead because this process stood still", async () => {
  const [socket, far] = await startPair();
  let isGone = false;
  const keepAlive = new KeepAlive({ session: mute(), socket }, { pingIntervalMs: 1_000, pingTimeoutMs: 20 }, () => {
    isGone = true;
  });
  const asked = keepAlive.isThere();
  // In the system's buffer at once, but read only after the timer, which is due by then.
  far.write("x");
  const untilMs = performance.now() + 60;
  while (performance.now() < untilMs);
  expect(await asked).toBe(true);
  expect(isGone).toBe(false);
  // Nothing has come since.
  expect(await keepAlive.isThere()).toBe(false);
  expect(isGone).toBe(true);
});

it("leaves a ping the time that what was sent before it may take, and not for ever", async () => {
  const [socket] = await startPair();
  const sent = vi.spyOn(socket, "bytesWritten", "get").mockReturnValue(0);
  const options = { pingIntervalMs: 1_000, pingTimeoutMs: 20 };
  const keepAlive = new KeepAlive({ session: mute(), socket }, options, () => undefined);
  keepAlive.silentMs();
  sent.mockReturnValue(300_000);
  const begunMs = performance.now();
  expect(await keepAlive.isThere()).toBe(false);
  // A megabyte in a second.
  expect(performance.now() - begunMs).toBeGreaterThan(300);
  expect(performance.now() - begunMs).toBeLessThan(4_000);
});

it("asks once for all who want to know, and tells them when the connection ends", async () => {
  const [socket] = await startPair();
  const session = mute();
  const ping = vi.spyOn(session, "ping");
  const options = { pingIntervalMs: 1_000, pingTimeoutMs: 60_000 };
  const keepAlive = new KeepAlive({ session, socket }, options, () => undefined);
  const answers = [keepAlive.isThere(), keepAlive.isThere()];
  keepAlive.end();
  expect(await Promise.all(answers)).toEqual([false, false]);
  expect(ping).toHaveBeenCalledTimes(1);
});
