import {
  assert,
  type CommandHash,
  hashCommand,
  type Ledger,
  type Refusal,
  type Request,
  type RequestId,
} from "@bank/core";
import { checkRequest } from "./check-request.ts";
import { type AnsweredRows, type AnsweringBatch, Job, type JobCaller } from "./job.ts";
import { type Outcome, recordOfBatch } from "./outcome.ts";

/** Requests of any kinds. */
export class RequestsJob extends Job {
  readonly plainBytes = 0;
  private readonly requests: readonly Request[];
  private readonly outcomes: Outcome[];
  private readonly resolveCaller: (outcomes: Outcome[]) => void;

  constructor(requests: readonly Request[], number: number, { resolve, reject }: JobCaller<Outcome[]>) {
    super({ count: requests.length, number, reject });
    this.requests = requests;
    this.outcomes = new Array(requests.length);
    this.resolveCaller = resolve;
  }

  requestAt(index: number): Request {
    return this.requests[index] as Request;
  }

  hashAt(index: number): CommandHash {
    return hashCommand(this.requestAt(index).command);
  }

  principalAt(index: number): string {
    return this.requestAt(index).principal;
  }

  idAt(index: number): RequestId {
    return this.requestAt(index).id;
  }

  refusalAt(index: number): Refusal | undefined {
    return checkRequest(this.requestAt(index));
  }

  rememberedAt(ledger: Ledger, index: number): number {
    const { principal, id } = this.requestAt(index);
    return ledger.findRequest(principal, id);
  }

  runPlain(): void {
    // Each is decided.
  }

  answer(index: number, outcome: Outcome): void {
    this.outcomes[index] = outcome;
  }

  answerRows({ first, count, position }: AnsweredRows, batch: AnsweringBatch): void {
    for (let i = 0; i < count; i++) {
      const record = recordOfBatch(batch, position + i);
      assert(record !== undefined, "an answer is a record of its batch");
      this.outcomes[first + i] = { ...record, kind: "answered", replayed: false };
    }
  }

  protected resolve(): void {
    this.resolveCaller(this.outcomes);
  }
}
