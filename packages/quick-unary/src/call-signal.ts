/**
 * The signal of a call. It is made when it is first asked for: with its end it costs as much as a fifth of a call, and most
 * calls are over before anybody asks.
 */
export class CallSignal {
  /** Called when it aborts, before those who listen to the signal; there is room for one. */
  onAbort: ((reason: unknown) => void) | undefined;
  private controller: AbortController | undefined;
  private end: { readonly reason: unknown } | undefined;

  /** The same at every call; aborted already where the call is. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.end !== undefined) this.controller.abort(this.end.reason);
    }
    return this.controller.signal;
  }

  get isAborted(): boolean {
    return this.end !== undefined;
  }

  /** Why it was aborted; a general error where nothing was said. */
  get reason(): unknown {
    return this.end?.reason ?? this.signal.reason;
  }

  /** Idempotent: the first reason counts. */
  abort(reason: unknown): void {
    if (this.end !== undefined) return;
    this.end = { reason };
    const { onAbort } = this;
    this.onAbort = undefined;
    onAbort?.(reason);
    this.controller?.abort(reason);
  }
}
