import type { Operation, ReadOperation, ReadOutcome, WriteOperation, WriteOutcome } from "../history.ts";

type Untimed<T> = T extends unknown ? Omit<T, "invokeMs" | "returnMs" | "outcome"> : never;

/** What a client asks, before it is sent. */
export type WriteCall = Untimed<WriteOperation>;
export type ReadCall = Untimed<ReadOperation>;

/** Takes what became of a call; once. */
export type EndWrite = (outcome: WriteOutcome) => void;
export type EndRead = (outcome: ReadOutcome) => void;

/**
 * Records calls around their sending: `const end = recorder.write(…)` right before a call is sent, `end(outcome)` as
 * soon as its answer is there. All calls of one history are timed by one monotonic clock of one machine, because
 * only such times can be compared; processes of that machine may share it where it counts from the machine's start.
 */
export class HistoryRecorder {
  private readonly sink: (operation: Operation) => void;
  private readonly nowMs: () => number;
  private readonly open = new Set<() => void>();

  /**
   * @param sink takes each operation when it is over, as `(operation) => writer.operation(operation)`.
   * @param nowMs monotonic, in milliseconds with any fraction.
   */
  constructor(sink: (operation: Operation) => void, nowMs: () => number) {
    this.sink = sink;
    this.nowMs = nowMs;
  }

  /** A change is about to be sent. */
  write(call: WriteCall): EndWrite {
    return this.begin<WriteOutcome>((times, outcome) => this.sink({ ...call, ...times, outcome }));
  }

  /** A read is about to be sent. */
  read(call: ReadCall): EndRead {
    return this.begin<ReadOutcome>((times, outcome) => this.sink({ ...call, ...times, outcome }));
  }

  /** What has no answer yet will get none: its outcome is unknown. */
  close(): void {
    for (const giveUp of [...this.open]) giveUp();
  }

  private begin<Outcome>(
    write: (
      times: { readonly invokeMs: number; readonly returnMs: number | undefined },
      outcome: Outcome | { readonly status: "unknown" },
    ) => void,
  ): (outcome: Outcome) => void {
    const giveUp = () => {
      this.open.delete(giveUp);
      write({ invokeMs, returnMs: undefined }, { status: "unknown" });
    };
    this.open.add(giveUp);
    const invokeMs = this.nowMs();
    return (outcome) => {
      const returnMs = this.nowMs();
      if (!this.open.delete(giveUp)) throw new Error("this call has its outcome already");
      write({ invokeMs, returnMs }, outcome);
    };
  }
}
