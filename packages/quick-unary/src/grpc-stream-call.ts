import type { ServerHttp2Stream } from "node:http2";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { envelopeCompress } from "@connectrpc/connect/protocol";
import { GrpcCall } from "./grpc-call.ts";
import { envelopeOf } from "./one-message.ts";
import { fieldsOf } from "./quick-headers.ts";
import { copyHeaders, SERVER_STREAMING } from "./quick-method.ts";
import type { StreamCodec } from "./stream-codec.ts";
import { type CallParts, OVER } from "./unary-call.ts";

type AnyMessage = MessageShape<DescMessage>;

/**
 * More than this does not wait in memory for a caller who reads slowly: the next message is asked for when it has all been
 * sent. Enough for some of the largest, so that there is always something to send.
 */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** Small messages take more memory than their bytes. */
const UNSENT_MESSAGES_MAX = 256;

/** A call as gRPC speaks it that is answered with any number of messages, for as long as it is open. */
export class GrpcStreamCall extends GrpcCall {
  protected override readonly kind: string = SERVER_STREAMING;
  private readonly codec: StreamCodec | undefined;
  /** Since everything had been sent. */
  private unsentMessages = 0;
  /** Resolves when there is room, or nobody is there any more. */
  private roomy: PromiseWithResolvers<void> | undefined;

  constructor(stream: ServerHttp2Stream, parts: CallParts, codec: StreamCodec | undefined) {
    super(stream, parts);
    this.codec = codec;
  }

  override begin(): void {
    super.begin();
    this.stream.on("drain", () => this.resume());
  }

  protected override async workOn(message: AnyMessage): Promise<void> {
    await this.answerWith(() => message);
  }

  /** What is wrong with the request is told to interceptors, as Connect does, where they read it. */
  protected override async workOnFailure(failure: unknown): Promise<void> {
    if (this.stream.isPaused()) this.stream.resume();
    await this.answerWith(() => {
      throw failure;
    });
  }

  protected override respond(...[headers]: Parameters<GrpcCall["respond"]>): boolean {
    if (this.stream.headersSent) return this.phase !== "over" && !this.stream.destroyed && !this.stream.closed;
    return super.respond(headers);
  }

  /** @internal for the listeners of streams. */
  override onClose(): void {
    // Whoever reads a stream leaves when it likes: what was not sent then is nobody's loss.
    if (this.phase === "answering") this.phase = "working";
    super.onClose();
    this.resume();
  }

  /** Never rejects. */
  private async answerWith(message: () => AnyMessage): Promise<void> {
    if (this.phase !== "reading") return;
    this.phase = "working";
    try {
      try {
        await this.sendAll(message);
      } catch (error) {
        await this.fail(error);
        return;
      }
      if (this.respond(fieldsOf(this.context.responseHeader))) this.stream.end();
      this.release(OVER);
    } catch (error) {
      this.giveUp(error);
    }
  }

  private async sendAll(message: () => AnyMessage): Promise<void> {
    const response = await this.method.invokeStream(this.context, message);
    const messages = response.message[Symbol.asyncIterator]();
    let isEnded = false;
    try {
      while (this.isAwaited()) {
        const next = await messages.next();
        isEnded = next.done === true;
        if (next.done === true) break;
        this.put(this.compression.response === null ? this.plain(next.value) : await this.compressed(next.value));
        if (this.unsentMessages > 0) await this.room();
      }
    } finally {
      // One that has thrown has ended, and takes this for nothing.
      if (!isEnded) messages.return?.().catch(ignore);
    }
    copyHeaders(response.trailer, this.context.responseTrailer);
  }

  private plain(message: AnyMessage): readonly Uint8Array[] {
    const { codec, method } = this;
    const whole = create(method.route.spec.method.output, message);
    return codec === undefined ? envelopeOf(0, method.output.serialize(whole)) : codec.write(whole);
  }

  private async compressed(message: AnyMessage): Promise<readonly Uint8Array[]> {
    const { output, options, route } = this.method;
    const bytes = output.serialize(create(route.spec.method.output, message));
    const { compression } = this;
    const { flags, data } = await envelopeCompress(
      { flags: 0, data: bytes },
      compression.response,
      options.compressMinBytes,
    );
    return envelopeOf(flags, data);
  }

  private put(pieces: readonly Uint8Array[]): void {
    if (!this.respond(fieldsOf(this.context.responseHeader))) return;
    const { stream } = this;
    let hasRoom = true;
    if (pieces.length > 1) stream.cork();
    for (const piece of pieces) hasRoom = stream.write(piece);
    if (pieces.length > 1) stream.uncork();
    this.unsentMessages = hasRoom ? 0 : this.unsentMessages + 1;
  }

  /** Resolves when another message may be asked for. */
  private async room(): Promise<void> {
    const { stream } = this;
    if (!stream.writableNeedDrain || !this.isAwaited()) return;
    if (stream.writableLength <= UNSENT_BYTES_MAX && this.unsentMessages <= UNSENT_MESSAGES_MAX) return;
    this.roomy ??= Promise.withResolvers();
    await this.roomy.promise;
  }

  private resume(): void {
    this.unsentMessages = 0;
    this.roomy?.resolve();
    this.roomy = undefined;
  }

  private isAwaited(): boolean {
    return this.phase !== "over" && !this.stream.destroyed;
  }
}

function ignore(): void {
  // The call is over: what its implementation says to that is of no interest.
}
