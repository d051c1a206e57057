import { connect, type Socket } from "node:net";
import { BranchService } from "@bank/proto";
import type { ReportUnsent } from "@bank/quick-unary";
import { type Client, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { onTestFinished } from "vitest";
import type { ReportIncident } from "./interceptors.ts";
import { type ServeOptions, type Serving, serve } from "./serve.ts";
import { connectToServer } from "./transport.ts";

type Incident = Parameters<ReportIncident>[0];
type Unsent = Parameters<ReportUnsent>[0];

/** A server on a free port, closed at the end of the test. */
export interface TestServer {
  readonly serving: Serving;
  readonly incidents: readonly Incident[];
  readonly unsent: readonly Unsent[];
}

export async function startServer(
  routes: ServeOptions["routes"],
  port = 0,
  options: Partial<ServeOptions> = {},
): Promise<TestServer> {
  const incidents: Incident[] = [];
  const unsent: Unsent[] = [];
  const serving = await serve({
    host: "127.0.0.1",
    port,
    routes,
    reportIncident: (incident) => incidents.push(incident),
    reportUnsent: (each) => unsent.push(each),
    ...options,
  });
  onTestFinished(() => serving.close());
  return { serving, incidents, unsent };
}

/** A transport of the kind that branches and the SDK use, closed before the server is. */
export function grpcTransport(url: string): Transport {
  const connection = connectToServer(url);
  onTestFinished(() => connection.close());
  return connection.transport;
}

export function branchClient(url: string): Client<typeof BranchService> {
  return createClient(BranchService, grpcTransport(url));
}

/** A bare connection, closed at the end of the test. */
export async function connectBare(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => {
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** Everything that the other end says until it hangs up, as text. */
export function untilHungUp(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
    });
    socket.on("error", () => {
      // A reset is a way to hang up too.
    });
    socket.on("close", () => resolve(text));
  });
}

/** The error that a call ends with. Rejects when it ends without one. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("the call was expected to fail");
}
