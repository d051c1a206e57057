import type { PipelinedCall } from "@bank/proto";
import { CONSISTENCY_HEADER, PROPAGATION_HEADER, SESSION_HEADER } from "@bank/rpc";
import type { HandlerContext } from "@connectrpc/connect";

/** How long a call may take that says nothing about it: as long as one by itself. */
const TIMEOUT_DEFAULT_MS = 30_000;
/** What the signal of a call says that is over. */
const OVER = new Error("the call is over");

/**
 * What calls that ask alike have in common, as the services take it from the context of a call by itself.
 *
 * Clock and caller are watched only once somebody reads `signal`: most calls are over before.
 */
export class PipelineContext implements HandlerContext {
  readonly service: HandlerContext["service"];
  readonly method: HandlerContext["method"];
  readonly protocolName: string;
  readonly requestMethod: string;
  readonly url: string;
  readonly values: HandlerContext["values"];
  private readonly like: PipelinedCall;
  private readonly gone: AbortSignal | undefined;
  private readonly onTimeUp: () => void;
  private readonly deadlineMs: number;
  private headers: Headers | undefined;
  private controller: AbortController | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isOver = false;

  constructor(options: {
    /** One of the calls. */
    readonly like: PipelinedCall;
    /** That they came over. */
    readonly stream: HandlerContext;
    /** That each by itself would have used. */
    readonly method: HandlerContext["method"];
    /** Ends them before their time. */
    readonly gone: AbortSignal | undefined;
    /** Called when their time is up before they are over. */
    readonly onTimeUp: () => void;
  }) {
    const { like, stream, method, gone, onTimeUp } = options;
    this.service = method.parent;
    this.method = method;
    this.protocolName = stream.protocolName;
    this.requestMethod = stream.requestMethod;
    this.url = stream.url;
    this.values = stream.values;
    this.like = like;
    this.gone = gone;
    this.onTimeUp = onTimeUp;
    this.deadlineMs = performance.now() + (like.timeoutMs === 0 ? TIMEOUT_DEFAULT_MS : like.timeoutMs);
  }

  get requestHeader(): Headers {
    this.headers ??= headersOf(this.like);
    return this.headers;
  }

  get responseHeader(): Headers {
    return new Headers();
  }

  get responseTrailer(): Headers {
    return new Headers();
  }

  readonly timeoutMs = (): number => this.deadlineMs - performance.now();

  get signal(): AbortSignal {
    this.controller ??= this.watch();
    return this.controller.signal;
  }

  /** They are answered. Idempotent. */
  over(): void {
    this.isOver = true;
    if (this.controller === undefined) return;
    clearTimeout(this.timer);
    this.gone?.removeEventListener("abort", this.onGone);
    this.controller.abort(OVER);
  }

  private watch(): AbortController {
    const controller = new AbortController();
    if (this.isOver) {
      controller.abort(OVER);
      return controller;
    }
    this.timer = setTimeout(
      () => {
        this.onTimeUp();
        controller.abort(new DOMException("the call's time is over", "TimeoutError"));
      },
      Math.max(1, this.timeoutMs()),
    );
    if (this.gone?.aborted === true) controller.abort(this.gone.reason);
    else this.gone?.addEventListener("abort", this.onGone);
    return controller;
  }

  private readonly onGone = () => this.controller?.abort(this.gone?.reason);
}

/** Those of calls that say nothing. Nobody writes into the headers of a request. */
const NO_HEADERS = new Headers();

function headersOf({ consistency, session, propagation }: PipelinedCall): Headers {
  if (consistency === "" && session === "" && propagation === "") return NO_HEADERS;
  const headers = new Headers();
  if (consistency !== "") headers.set(CONSISTENCY_HEADER, consistency);
  if (session !== "") headers.set(SESSION_HEADER, session);
  if (propagation !== "") headers.set(PROPAGATION_HEADER, propagation);
  return headers;
}
