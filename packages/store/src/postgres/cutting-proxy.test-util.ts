import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** When a connection through the proxy is cut. */
export type CutWhen =
  /** Once the client has sent these bytes: the server never gets what they are in. */
  | { readonly sends: string }
  /** As before, but the server gets it; of its answer the client gets nothing. */
  | { readonly isAnsweredFor: string }
  /** As before, but the server gets it late: when `deliver` is called. */
  | { readonly isHeldWith: string };

type Held = { readonly server: Socket; readonly bytes: Buffer };

/** Stands between a store and its server, and cuts, or holds, what goes through it. */
export class CuttingProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #when: CutWhen | undefined;
  #cut: (() => void) | undefined;
  #held: Held | undefined;

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

  /** Lets the server have what was held, and waits for its answer, which nobody else gets. */
  async deliver(): Promise<string> {
    const held = this.#held;
    if (held === undefined) throw new Error("nothing is held");
    const answered = once(held.server, "data");
    held.server.write(held.bytes);
    const [answer] = (await answered) as [Buffer];
    held.server.destroy();
    return answer.toString("latin1");
  }

  /** Cuts all that goes through it now. */
  cutAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cutAll();
    this.#held?.server.destroy();
  }

  #join(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    let answerIsLost = false;
    let isHeld = false;
    const end = () => {
      this.#pairs.delete(pair);
      for (const socket of pair) if (socket !== server || !isHeld) socket.destroy();
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    client.on("data", (bytes) => {
      const when = this.#when;
      const wanted = when && Object.values(when).join();
      if (when !== undefined && wanted !== undefined && bytes.includes(wanted, 0, "latin1")) {
        this.#when = undefined;
        if ("sends" in when) {
          end();
          this.#cut?.();
          return;
        }
        if ("isHeldWith" in when) {
          isHeld = true;
          this.#held = { server, bytes };
          end();
          this.#cut?.();
          return;
        }
        answerIsLost = true;
      }
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (isHeld) return;
      if (!answerIsLost) {
        client.write(bytes);
        return;
      }
      end();
      this.#cut?.();
    });
  }
}
