import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** When a connection through the proxy is cut. */
export type CutWhen =
  /** Once the client has sent these bytes: the server never gets what they are in. */
  | { readonly sends: string }
  /** As before, but the server gets it; of its answer the client gets nothing. */
  | { readonly isAnsweredFor: string };

/** Stands between a store and its server, and cuts, or holds, what goes through it. */
export class CuttingProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #when: CutWhen | undefined;
  #cut: (() => void) | undefined;

  private constructor(server: Server, port: number, target: number) {
    this.#server = server;
    this.port = port;
    server.on("connection", (client) => this.#join(client, connect(target, "127.0.0.1")));
  }

  /** In front of this port; closed after the test. */
  static async before(target: number): Promise<CuttingProxy> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const proxy = new CuttingProxy(server, address.port, target);
    onTestFinished(() => proxy.close());
    return proxy;
  }

  /** Orders one cut. Resolves when it is done; for an answer, once the server has given it. */
  cut(when: CutWhen): Promise<void> {
    this.#when = when;
    return new Promise((resolve) => {
      this.#cut = resolve;
    });
  }

  /** Cuts all that goes through it now. */
  cutAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cutAll();
  }

  #join(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    let answerIsLost = false;
    const end = () => {
      this.#pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    client.on("data", (bytes) => {
      const when = this.#when;
      const wanted = when === undefined ? undefined : "sends" in when ? when.sends : when.isAnsweredFor;
      if (when !== undefined && wanted !== undefined && bytes.includes(wanted, 0, "latin1")) {
        this.#when = undefined;
        if ("sends" in when) {
          end();
          this.#cut?.();
          return;
        }
        answerIsLost = true;
      }
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (!answerIsLost) {
        client.write(bytes);
        return;
      }
      end();
      this.#cut?.();
    });
  }
}
