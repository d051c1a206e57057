import { ANONYMOUS_PRINCIPAL, idOfWords, RefusalError, type Request, RequestHasher, toHex } from "@bank/core";
import { deposit, numberedId, request, rest, seeds, until, watch, withSeed } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { QUEUED_REQUESTS_MAX } from "./admission.ts";
import type { Job } from "./job.ts";
import { JobIds } from "./job-ids.ts";
import { OrdersJob } from "./job-of-orders.ts";
import { RequestsJob } from "./job-of-requests.ts";
import { JobQueue } from "./job-queue.ts";
import { ordersOf } from "./orders.test-util.ts";
import { appendHeld, balanceOf, type Fixture, short, startWithAccounts, submitOne } from "./sequencer.test-util.ts";

const isInProgress = ({ sequencer }: Fixture, id: number) =>
  sequencer.isInProgress(ANONYMOUS_PRINCIPAL, numberedId(id));
const stale = (id: number): Request => request(id, { ...deposit(1, 1), expectedVersion: 99 } as Request["command"]);

/** One whose first append is held: what comes behind it waits. */
async function startHeld(): Promise<Fixture> {
  const fixture = await startWithAccounts(1);
  fixture.store.holds = true;
  watch(submitOne(fixture.sequencer, request(1, deposit(1, 1))));
  await appendHeld(fixture);
  return fixture;
}

async function letGo({ store, sequencer }: Fixture): Promise<void> {
  store.holds = false;
  for (const held of store.held.splice(0)) held.pass();
  await rest(20);
  await sequencer.read(() => undefined);
}

describe("a request in progress", () => {
  it("is found by one look at all that wait, and none before somebody asks", async () => {
    const fixture = await startHeld();
    const counts = vi.spyOn(JobIds.prototype, "add");
    const looks = vi.spyOn(RequestsJob.prototype, "hasIdBetween");
    watch(fixture.sequencer.submit(Array.from({ length: 1_000 }, (_, i) => request(10 + i, deposit(1, 1)))));
    expect([counts.mock.calls.length, looks.mock.calls.length]).toEqual([0, 0]);
    expect([10, 500, 1_009, 1_010].map((id) => isInProgress(fixture, id))).toEqual([true, true, true, false]);
    // The one that runs, and those that wait.
    expect([counts.mock.calls.length, looks.mock.calls.length]).toEqual([1_001, 2]);
    await letGo(fixture);
    expect([1, 10, 500, 1_009].some((id) => isInProgress(fixture, id))).toBe(false);
  });

  it("is one that stands in columns too, whatever asked before and came since", async () => {
    const fixture = await startHeld();
    const first = watch(
      fixture.sequencer.submitOrders(ordersOf([request(2, deposit(1, 1)), request(3, deposit(1, 1))])),
    );
    expect([1, 2, 3, 4].map((id) => isInProgress(fixture, id))).toEqual([true, true, true, false]);
    const second = watch(
      fixture.sequencer.submitOrders(ordersOf([request(4, deposit(1, 1)), request(3, deposit(1, 1))])),
    );
    expect([1, 2, 3, 4].map((id) => isInProgress(fixture, id))).toEqual([true, true, true, true]);
    await letGo(fixture);
    await until(() => first.state === "fulfilled" && second.state === "fulfilled");
    expect([1, 2, 3, 4].some((id) => isInProgress(fixture, id))).toBe(false);
  });

  it("is so until the last that has its id has ended", async () => {
    const fixture = await startHeld();
    const deadline = new AbortController();
    const gone = watch(fixture.sequencer.submit([request(2, deposit(1, 1)), stale(3)], deadline.signal));
    const other = watch(submitOne(fixture.sequencer, request(2, deposit(1, 1))));
    deadline.abort();
    deadline.abort();
    await until(() => gone.state === "rejected");
    expect([2, 3].map((id) => isInProgress(fixture, id))).toEqual([true, false]);
    await letGo(fixture);
    expect(short(other.value!)).toBe("done");
    expect([2, 3].map((id) => isInProgress(fixture, id))).toEqual([false, false]);
  });

  it("is one that will be refused too, until that is durable", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store } = fixture;
    store.holds = true;
    const told = watch(sequencer.submit([request(2, deposit(1, 1)), stale(3), request(4, deposit(1, 0))]));
    await appendHeld(fixture);
    // The last is malformed: nothing will ever come of it.
    expect([2, 3, 4].map((id) => isInProgress(fixture, id))).toEqual([true, true, false]);
    await letGo(fixture);
    expect(told.value!.map(short)).toEqual(["done", "STALE_VERSION NOT_APPLIED", "INVALID_AMOUNT NOT_APPLIED"]);
    expect([2, 3, 4].some((id) => isInProgress(fixture, id))).toBe(false);
  });

  it("is none any more once its batch was taken back, or the bank was told to stop", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, faulty } = fixture;
    faulty.failNextAppend("refused");
    expect(short(await submitOne(sequencer, request(2, deposit(1, 1))))).toBe("STORE_REFUSED NOT_APPLIED");
    expect(isInProgress(fixture, 2)).toBe(false);
    store.holds = true;
    const inFlight = watch(submitOne(sequencer, request(3, deposit(1, 1))));
    await appendHeld(fixture);
    const waiting = [3, 4].map((id) => watch(submitOne(sequencer, request(id, deposit(1, 1)))));
    sequencer.stopWriting(new RefusalError("NOT_READY", { problem: "a test" }));
    await until(() => waiting.every(({ state }) => state === "rejected"));
    expect([3, 4].map((id) => isInProgress(fixture, id))).toEqual([true, false]);
    await letGo(fixture);
    expect(short(inFlight.value!)).toBe("done");
    expect(isInProgress(fixture, 3)).toBe(false);
  });
});

describe("a further try of a request that waits by another", () => {
  const refused = (at: { readonly reason: unknown }) => (at.reason as RefusalError).refusal;

  it.each([
    ["one by one", false],
    ["in columns", true],
  ])("is OUTCOME_UNKNOWN when it is given up: the money still moves (%s)", async (_, isOrders) => {
    const fixture = await startHeld();
    const { sequencer } = fixture;
    const submit = (requests: Request[], signal?: AbortSignal) =>
      watch<unknown>(
        isOrders ? sequencer.submitOrders(ordersOf(requests), signal) : sequencer.submit(requests, signal),
      );
    const first = submit([request(2, deposit(1, 5))]);
    const deadline = new AbortController();
    const again = submit([request(3, deposit(1, 1)), request(2, deposit(1, 5))], deadline.signal);
    const other = submit([request(4, deposit(1, 1))], deadline.signal);
    const aborted = AbortSignal.abort();
    const late = submit([request(2, deposit(1, 5))], aborted);
    const lateOther = submit([request(4, deposit(1, 1))], aborted);
    deadline.abort();
    await until(() => [again, other, late, lateOther].every(({ state }) => state === "rejected"));
    const unknown = { reason: "DEADLINE_EXCEEDED", outcome: "OUTCOME_UNKNOWN" };
    const nothing = { reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" };
    expect(refused(again)).toMatchObject(unknown);
    expect(refused(late)).toMatchObject(unknown);
    // Of this both tries were given up: nothing ever comes of it. The second still had the first before it.
    expect(refused(other)).toMatchObject(nothing);
    expect(refused(lateOther)).toMatchObject(unknown);
    const last = submit([request(4, deposit(1, 1))], aborted);
    await until(() => last.state === "rejected");
    expect(refused(last)).toMatchObject(nothing);
    await letGo(fixture);
    await until(() => first.state === "fulfilled");
    expect(balanceOf(fixture.ledger, 1)).toBe(6n);
  });

  it("is OUTCOME_UNKNOWN when the bank takes no more", async () => {
    const fixture = await startHeld();
    const { sequencer } = fixture;
    const first = watch(submitOne(sequencer, request(2, deposit(1, 5))));
    const many = (from: number) =>
      Array.from({ length: QUEUED_REQUESTS_MAX }, (_, i) => request(from + i, deposit(1, 1)));
    for (const [from, outcome] of [
      [2, "OUTCOME_UNKNOWN"],
      [3, "NOT_APPLIED"],
    ] as const) {
      const overload = watch(sequencer.submitOrders(ordersOf(many(from))));
      await until(() => overload.state === "rejected");
      expect(refused(overload)).toMatchObject({ reason: "OVERLOADED", outcome });
    }
    await letGo(fixture);
    expect(short(first.value!)).toBe("done");
  });
});

it.each(seeds(20))("a queue knows what waits and runs as a look at all of it would (seed %d)", async (seed) => {
  await withSeed(seed, "packages/replica/src/sequencer-under-way.test.ts", async (random) => {
    let number = 0;
    let aside: Job[] = [];
    let all: Job[] = [];
    let begun: Job[] = [];
    // Also where all ids collide.
    const hasher = seed % 2 === 0 ? new RequestHasher(seed) : { hash: () => 7 };
    // Also where they are counted one by one, and soon forgotten again.
    const limits = seed % 3 === 0 ? {} : { countedPerQuestion: seed % 3, countedMax: 20 * (seed % 4) };
    const queue = new JobQueue({ hasher, aside: () => aside, ...limits });
    const idAt = (job: Job, index: number) => {
      const words = new Int32Array(4);
      job.writeIdAt(index, words);
      return toHex(idOfWords(words, 0));
    };
    const waits = (job: Job) => job.next < job.count;
    const check = () => {
      const live = new Set<string>();
      for (const job of all)
        for (let i = job.begunAt < 0 ? job.next : job.begunAt; i < job.count; i++)
          if (job.refusalAt(i) === undefined && (!job.cancelled || i < job.next)) live.add(idAt(job, i));
      // Mostly nobody asks.
      const asked = random.chance(30) ? 6 : 0;
      for (let id = 0; id < asked; id++) expect(queue.has("p", numberedId(id))).toBe(live.has(toHex(numberedId(id))));
      if (asked > 0) expect(queue.has("", numberedId(0))).toBe(false);
      expect(queue.waiting).toBe(all.reduce((sum, job) => sum + job.count - job.next, 0));
      const numbers = queue.jobs.map((job) => job.number);
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      expect(new Set([...queue.jobs, ...aside])).toEqual(new Set(all.filter(waits)));
    };
    const end = () => {
      queue.ended();
      begun = [];
    };
    for (let step = 0; step < 200; step++) {
      switch (random.below(6)) {
        case 0:
        case 1: {
          const ids = Array.from({ length: 1 + random.below(3) }, () => random.below(6));
          const caller = { resolve: () => undefined, reject: () => undefined };
          const isOrders = random.chance(50);
          // Nothing to deposit is malformed.
          const made = ids.map((id) => request(id, deposit(1, !isOrders && random.chance(20) ? 0 : 1)));
          const requests = made.map((one) => ({ ...one, principal: "p" }));
          const job = isOrders
            ? new OrdersJob(ordersOf(requests), number++, caller)
            : new RequestsJob(requests, number++, caller);
          all.push(job);
          queue.push(job);
          break;
        }
        case 2: {
          const job = all[random.below(all.length + 1)];
          if (job?.next === 0 && !job.cancelled) queue.cancel(job);
          break;
        }
        case 3: {
          // As a batch does: from the front, some set aside, some half done.
          if (begun.length > 0) break;
          const taken = queue.jobs.splice(0, random.below(queue.jobs.length + 1));
          let count = 0;
          for (const job of taken) {
            const executed = job.cancelled ? job.count - job.next : random.below(job.count - job.next + 1);
            count += executed;
            if (!job.cancelled && executed > 0) {
              job.begunAt = job.next;
              begun.push(job);
            }
            job.next += executed;
            if (waits(job)) aside.push(job);
          }
          queue.taken(count, begun);
          break;
        }
        case 4:
          end();
          break;
        default:
          if (random.chance(10)) {
            expect(new Set(queue.clear(aside))).toEqual(new Set(all.filter(waits)));
            aside = [];
            end();
            all = [];
          } else {
            queue.putBack(aside.sort((a, b) => a.number - b.number));
            aside = [];
          }
      }
      all = all.filter((job) => waits(job) || begun.includes(job));
      check();
    }
  });
});
