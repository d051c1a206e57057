import {
  type CommandHash,
  isMovement,
  type Ledger,
  type MovementOrders,
  OrderExecutor,
  OrderHasher,
  type RecordList,
  type Request,
  requestOfOrder,
} from "@bank/core";
import { findId } from "./find-id.ts";
import { type AnsweredRows, type AnsweringBatch, type Execution, Job, type JobCaller, movementBytes } from "./job.ts";
import type { OrdersOutcome } from "./orders-outcome.ts";
import type { Outcome } from "./outcome.ts";

/** So many rows of columns are answered for what an answer to a call of one entry takes. */
const ROWS_PER_ANSWER = 16;

/** Movements in columns, which were checked. Nothing is made for an entry that is carried out plainly. */
export class OrdersJob extends Job {
  readonly plainBytes: number;
  readonly answerCost: number;
  private readonly orders: MovementOrders;
  private readonly positions: Float64Array;
  private readonly timesMs: Float64Array;
  /** What became of the entries that were not plainly done, in no order. */
  private readonly others = new Map<number, Outcome>();
  private position = 0;
  /** For the batch with these records. */
  private executor: OrderExecutor | undefined;
  private records: RecordList | undefined;
  /** Mostly nobody wants a hash from here. */
  private hasher: OrderHasher | undefined;
  private readonly resolveCaller: (outcome: OrdersOutcome) => void;

  constructor(orders: MovementOrders, number: number, { resolve, reject }: JobCaller<OrdersOutcome>) {
    super({ count: orders.count, number, reject });
    this.plainBytes = movementBytes(orders.principal);
    this.answerCost = Math.ceil(orders.count / ROWS_PER_ANSWER);
    this.orders = orders;
    this.positions = new Float64Array(orders.count);
    this.timesMs = new Float64Array(orders.count);
    this.resolveCaller = resolve;
  }

  requestAt(index: number): Request {
    return requestOfOrder(this.orders, index);
  }

  hashAt(index: number): CommandHash {
    this.hasher ??= new OrderHasher(this.orders);
    const { low, high } = this.hasher.hash(index);
    return { low, high };
  }

  principalAt(): string {
    return this.orders.principal;
  }

  writeIdAt(index: number, words: Int32Array): void {
    const { requestIds } = this.orders;
    for (let i = 0; i < 4; i++) words[i] = requestIds[4 * index + i] as number;
  }

  hasIdBetween(from: number, to: number, principal: string, words: Int32Array): boolean {
    return principal === this.orders.principal && findId(this.orders.requestIds, from, to, words) >= 0;
  }

  refusalAt(): undefined {
    // They were checked as a whole.
    return undefined;
  }

  rememberedAt(ledger: Ledger, index: number): number {
    const principal = ledger.principalIndex(this.orders.principal);
    return principal === undefined ? -1 : ledger.requests.findAt(principal, this.orders.requestIds, 4 * index);
  }

  runPlain({ ledger, records }: Execution, end: number): void {
    // What other entries and jobs have done in this batch it notices by itself.
    if (this.executor === undefined || this.records !== records) {
      this.executor = new OrderExecutor(ledger, this.orders, records);
      this.records = records;
    }
    const { executor } = this;
    while (this.next < end && executor.execute(this.next)) this.next++;
  }

  answer(index: number, outcome: Outcome): void {
    const isAnswered = outcome.kind === "answered";
    const isPlain = isAnswered && !outcome.replayed && isMovement(outcome.record);
    this.positions[index] = isAnswered ? outcome.position : 0;
    this.timesMs[index] = isPlain ? outcome.timeMs : 0;
    if (isPlain) this.others.delete(index);
    else this.others.set(index, outcome);
    this.position = Math.max(this.position, outcome.position);
  }

  answerRows({ first, count, position }: AnsweredRows, { header }: AnsweringBatch): void {
    const { positions } = this;
    for (let i = 0; i < count; i++) positions[first + i] = position + i;
    this.timesMs.fill(header.timeMs, first, first + count);
    this.position = Math.max(this.position, position + count - 1);
  }

  override finish(): void {
    this.executor = undefined;
    this.records = undefined;
    this.hasher = undefined;
    super.finish();
  }

  protected resolve(): void {
    const { positions, timesMs, position } = this;
    const others = new Map([...this.others].sort(([a], [b]) => a - b));
    this.resolveCaller({ positions, timesMs, others, position });
  }
}
