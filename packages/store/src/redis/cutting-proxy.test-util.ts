import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/**
 * What happens to the next command that has the marker in it.
 * - `cut the command`: the server never gets it.
 * - `cut the reply`: the server carries it out, and its answer is lost.
 * - `hold the command`: the client's connection ends, and the server gets it when it is let go, much later.
 */
export type Cut = "cut the command" | "cut the reply" | "hold the command";

/** Stands between a store and its server, and cuts where a test says. */
export class CuttingProxy {
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut: { readonly how: Cut; readonly marker: string; readonly done: () => void } | undefined;
  #held: (() => void) | undefined;
  #isClosed = false;

  static async start(target: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    onTestFinished(() => proxy.#stop());
    return proxy;
  }

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#join(client));
  }

  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  }

  /** Orders a cut; resolves once it has happened. */
  cutNext(how: Cut, marker: string): Promise<void> {
    return new Promise((done) => {
      this.#cut = { how, marker, done };
    });
  }

  /** The command that was held reaches the server. */
  letGo(): void {
    this.#held?.();
    this.#held = undefined;
  }

  /** Ends every connection, and takes no new one until `goOn`. */
  goAway(): void {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  goOn(): void {
    this.#isClosed = false;
  }

  #join(client: Socket): void {
    if (this.#isClosed) {
      client.destroy();
      return;
    }
    const server = connect(this.#target, "127.0.0.1");
    let losesReply: (() => void) | undefined;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => this.#sockets.delete(socket));
    }
    client.on("data", (chunk) => {
      const cut = this.#cut;
      if (cut === undefined || !chunk.includes(cut.marker)) {
        server.write(chunk);
        return;
      }
      this.#cut = undefined;
      if (cut.how === "cut the reply") {
        losesReply = cut.done;
        server.write(chunk);
        return;
      }
      client.destroy();
      if (cut.how === "cut the command") server.destroy();
      else this.#held = () => server.write(chunk);
      cut.done();
    });
    server.on("data", (chunk) => {
      if (losesReply === undefined) {
        client.write(chunk);
        return;
      }
      client.destroy();
      server.destroy();
      losesReply();
    });
    client.on("close", () => {
      if (this.#held === undefined) server.destroy();
    });
    server.on("close", () => client.destroy());
  }

  #stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
