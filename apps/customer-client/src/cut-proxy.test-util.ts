import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A proxy before a bank, which can cut connections as soon as the bank answers. */
export class CutProxy {
  /** Whether answers are lost. */
  cutting = false;
  /** Answers that were lost. */
  cuts = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((client) => this.forward(client));
  private readonly target: URL;

  private constructor(target: string) {
    this.target = new URL(target);
  }

  static async to(target: string): Promise<CutProxy> {
    const proxy = new CutProxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private forward(client: Socket): void {
    const bank = connect(Number(this.target.port), this.target.hostname);
    for (const [socket, other] of [
      [client, bank],
      [bank, client],
    ] as const) {
      this.sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    client.pipe(bank);
    bank.on("data", (bytes) => {
      // An HTTP/2 server first says its settings and acknowledges the client's; only frames with headers are answers.
      if (this.cutting && hasHeadersFrame(bytes)) {
        this.cuts++;
        client.destroy();
      } else {
        client.write(bytes);
      }
    });
  }
}

const FRAME_HEADER_BYTES = 9;
const HEADERS_FRAME = 1;

/** Whether a piece of an HTTP/2 stream, which begins with a frame, has a HEADERS frame. */
function hasHeadersFrame(bytes: Buffer): boolean {
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length; at += FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3))
    if (bytes[at + 3] === HEADERS_FRAME) return true;
  return false;
}
