import { once } from "node:events";
import type { ClientHttp2Stream } from "node:http2";
import type { AccountChooser, QuickRandom } from "../harness/distribution.ts";
import type { LoadDriver } from "./closed-loop.ts";
import { EnvelopeReader, type GrpcConnection, grpcHeaders } from "./grpc-connection.ts";
import type { LoadPlan } from "./load-plan.ts";
import {
  balanceRequest,
  depositRequest,
  envelope,
  FieldReader,
  type PipelinedOperation,
  pipelinedCall,
  transferRequest,
} from "./wire.ts";

const HEADERS = grpcHeaders("/bank.v1.SessionService/Pipeline");
/** Fields of `PipelineResponse`, `PipelinedReply` and `BatchResult`. */
const REPLIES = 1;
const ID = 1;
const RESULT = 3;
const GET_BALANCE = 6;
const TRANSACTION = 1;

interface Waiting {
  readonly done: (operations: number) => void;
  readonly failed: (error: Error) => void;
}

interface Sources {
  readonly chooser: AccountChooser;
  readonly random: QuickRandom;
  /** For reads; empty for none. */
  readonly session: string;
}

/** Single operations over one stream: what is begun in one turn goes out in one message. */
export class PipelineDriver implements LoadDriver {
  readonly inFlight: number;
  private readonly connection: GrpcConnection;
  private readonly stream: ClientHttp2Stream;
  private readonly method: Extract<LoadPlan, { kind: "pipeline" }>["method"];
  private readonly sources: Sources;
  private readonly waiting = new Map<number, Waiting>();
  private readonly envelopes = new EnvelopeReader();
  private readonly replies = new FieldReader();
  private readonly reply = new FieldReader();
  private readonly result = new FieldReader();
  private outgoing: Buffer[] = [];
  private nextId = 1;
  private isClosing = false;

  private constructor(
    connection: GrpcConnection,
    { inFlight, method }: Extract<LoadPlan, { kind: "pipeline" }>,
    sources: Sources,
  ) {
    this.connection = connection;
    this.inFlight = inFlight;
    this.method = method;
    this.sources = sources;
    this.stream = connection.stream(HEADERS);
  }

  /** Resolves once the server has told how many calls it takes. */
  static async open(
    connection: GrpcConnection,
    plan: Extract<LoadPlan, { kind: "pipeline" }>,
    sources: Sources,
  ): Promise<PipelineDriver> {
    const driver = new PipelineDriver(connection, plan, sources);
    const { stream } = driver;
    let status = "";
    stream.on("trailers", (trailers) => {
      status = `status ${trailers["grpc-status"]}: ${trailers["grpc-message"]}`;
    });
    stream.on("error", (error) => {
      status = error.message;
    });
    stream.on("close", () => driver.broke(new Error(`the stream ended: ${status}`)));
    // A server that does not know the method ends the stream with its headers.
    const [headers] = (await once(stream, "response")) as [Record<string, string>];
    if (headers["grpc-status"] !== undefined && headers["grpc-status"] !== "0")
      throw new Error(`no pipeline: status ${headers["grpc-status"]}: ${headers["grpc-message"]}`);
    stream.on("data", (chunk: Buffer) => {
      driver.envelopes.read(chunk, (bytes, from, to) => driver.onMessage(bytes, from, to));
    });
    return driver;
  }

  begin(done: (operations: number) => void, failed: (error: Error) => void): void {
    const id = this.nextId++;
    this.waiting.set(id, { done, failed });
    if (this.outgoing.length === 0) queueMicrotask(() => this.flush());
    this.outgoing.push(pipelinedCall(id, this.operation()));
  }

  close(): void {
    this.isClosing = true;
    this.connection.close();
  }

  private flush(): void {
    const message = Buffer.concat(this.outgoing);
    this.outgoing = [];
    this.stream.write(envelope(message));
  }

  private operation(): PipelinedOperation {
    const { chooser, random, session } = this.sources;
    const { method } = this;
    if (typeof method === "object")
      return { kind: "balance", request: balanceRequest(chooser.one()), mode: method.balance, session };
    if (method === "deposit") return { kind: method, request: depositRequest(chooser.one(), random) };
    const first = chooser.first();
    return { kind: method, request: transferRequest(first, chooser.other(first), random) };
  }

  private onMessage(bytes: Buffer, from: number, to: number): void {
    const { replies } = this;
    replies.begin(bytes, from, to);
    while (replies.next()) if (replies.field === REPLIES) this.onReply(bytes, replies.from, replies.to);
  }

  private onReply(bytes: Buffer, from: number, to: number): void {
    const { reply, result } = this;
    reply.begin(bytes, from, to);
    let id = 0;
    let isDone = false;
    while (reply.next()) {
      if (reply.field === ID) id = reply.number;
      else if (reply.field === GET_BALANCE) isDone = true;
      else if (reply.field === RESULT)
        isDone = result.begin(bytes, reply.from, reply.to).next() && result.field === TRANSACTION;
    }
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (waiting === undefined) this.broke(new Error(`an answer names call ${id}, which nobody made`));
    else if (isDone) waiting.done(1);
    else waiting.failed(new Error(`a call was not plainly done: ${bytes.toString("latin1", from, to)}`));
  }

  private broke(error: Error): void {
    if (this.isClosing) return;
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const { failed } of waiting) failed(error);
  }
}
