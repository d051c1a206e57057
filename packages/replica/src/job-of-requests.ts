import {
  type AccountIndex,
  assert,
  type CommandHash,
  hashCommand,
  type Ledger,
  type MovementRecord,
  type RecordList,
  type Refusal,
  type Request,
  writeIdWords,
} from "@bank/core";
import { checkRequest } from "./check-request.ts";
import { findId } from "./find-id.ts";
import { type AnsweredRows, type AnsweringBatch, type Execution, Job, type JobCaller, movementBytes } from "./job.ts";
import type { Outcome } from "./outcome.ts";

/** Requests of any kinds. */
export class RequestsJob extends Job {
  readonly plainBytes: number;
  readonly answerCost: number;
  private readonly requests: readonly Request[];
  /** Four words each: whoever looks for an id among very many is not to fetch each request from memory. */
  private readonly ids: Int32Array;
  private readonly outcomes: Outcome[];
  private readonly resolveCaller: (outcomes: Outcome[]) => void;

  constructor(requests: readonly Request[], number: number, { resolve, reject }: JobCaller<Outcome[]>) {
    super({ count: requests.length, number, reject });
    this.plainBytes = movementBytes(longestPrincipal(requests));
    this.answerCost = requests.length;
    this.requests = requests;
    this.ids = new Int32Array(4 * requests.length);
    for (let i = 0; i < requests.length; i++) writeIdWords((requests[i] as Request).id, this.ids, 4 * i);
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

  writeIdAt(index: number, words: Int32Array): void {
    for (let i = 0; i < 4; i++) words[i] = this.ids[4 * index + i] as number;
  }

  hasIdBetween(from: number, to: number, principal: string, words: Int32Array): boolean {
    for (let i = findId(this.ids, from, to, words); i >= 0; i = findId(this.ids, i + 1, to, words))
      if (this.principalAt(i) === principal && this.refusalAt(i) === undefined) return true;
    return false;
  }

  refusalAt(index: number): Refusal | undefined {
    return checkRequest(this.requestAt(index));
  }

  rememberedAt(ledger: Ledger, index: number): number {
    const { principal, id } = this.requestAt(index);
    return ledger.findRequest(principal, id);
  }

  runPlain({ records, plainRequests }: Execution, end: number): void {
    while (this.next < end && plainRequests.execute(this.requestAt(this.next), records)) this.next++;
  }

  answer(index: number, outcome: Outcome): void {
    this.outcomes[index] = outcome;
  }

  answerRows({ first, count, position }: AnsweredRows, { header, records }: AnsweringBatch): void {
    const { timeMs, firstPosition } = header;
    for (let i = 0; i < count; i++) {
      const request = this.requestAt(first + i);
      const record = movementOf(request, records, position + i - firstPosition);
      this.outcomes[first + i] = { record, position: position + i, timeMs, kind: "answered", replayed: false };
    }
  }

  protected resolve(): void {
    this.resolveCaller(this.outcomes);
  }
}

/** The record that carried out a request, made of what the request has already. */
function movementOf({ principal, branch, id, command }: Request, records: RecordList, index: number): MovementRecord {
  assert("amount" in command && command.amount !== undefined, "what was carried out plainly moves an amount");
  const hashLow = records.requestHashes[2 * index] as number;
  const hashHigh = records.requestHashes[2 * index + 1] as number;
  return {
    kind: records.kinds[index] as MovementRecord["kind"],
    principal,
    branch,
    request: { id, hashLow, hashHigh },
    debit: records.debits[index] as AccountIndex,
    credit: records.credits[index] as AccountIndex,
    amount: command.amount.minor,
  };
}

/** Mostly all have the same. */
function longestPrincipal(requests: readonly Request[]): string {
  let longest = "";
  for (const { principal } of requests) if (principal.length > longest.length) longest = principal;
  return longest;
}
