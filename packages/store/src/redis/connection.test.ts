import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { StoreError } from "../errors.ts";
import { connectStore } from "./stores.test-util.ts";

it.each(["redis://HOST/bank", "redis://teller:pw@HOST/bank", "redis://HOST/7/bank"])(
  "gives up a server that takes connections and answers nothing (%s)",
  async (url) => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on("error", () => undefined).resume())).listen(
      0,
      "127.0.0.1",
    );
    await once(server, "listening");
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const address = server.address();
    const port = address === null || typeof address === "string" ? 0 : address.port;
    const store = connectStore({ url: url.replace("HOST", `127.0.0.1:${port}`), timeoutMs: 150 });
    const error: unknown = await store.open().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreError);
    expect(String(error)).toMatch(/has not answered for 150 ms/);
    await expect.poll(() => sockets.every(({ destroyed }) => destroyed)).toBe(true);
  },
);
