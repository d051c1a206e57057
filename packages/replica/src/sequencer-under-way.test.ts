import { ANONYMOUS_PRINCIPAL, RefusalError, type Request } from "@bank/core";
import { deposit, numberedId, request, rest, seeds, until, watch, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { type Job, newJob } from "./job.ts";
import { idHash } from "./job-ids.ts";
import { JobQueue } from "./job-queue.ts";
import { appendHeld, type Fixture, short, startWithAccounts, submitOne } from "./sequencer.test-util.ts";

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
  it("is found without a look at all that wait", async () => {
    const fixture = await startHeld();
    let looks = 0;
    const requests = Array.from({ length: 1_000 }, (_, i) => {
      const one = request(10 + i, deposit(1, 1));
      return Object.defineProperty({ ...one }, "id", {
        get: () => {
          looks++;
          return one.id;
        },
      });
    });
    watch(fixture.sequencer.submit(requests));
    looks = 0;
    expect([10, 500, 1_009, 1_010].map((id) => isInProgress(fixture, id))).toEqual([true, true, true, false]);
    expect(looks).toBe(0);
    await letGo(fixture);
    expect([1, 10, 500, 1_009].some((id) => isInProgress(fixture, id))).toBe(false);
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

it.each(seeds(20))("a queue counts what waits and runs as a look at all of it would (seed %d)", async (seed) => {
  await withSeed(seed, "packages/replica/src/sequencer-under-way.test.ts", async (random) => {
    // Also where all ids collide.
    const queue = new JobQueue(seed % 2 === 0 ? idHash(seed) : () => 7);
    let number = 0;
    let aside: Job[] = [];
    let all: Job[] = [];
    /** Where each job's requests in flight begin. */
    let begun = new Map<Job, number>();
    const check = () => {
      const live = new Set<number>();
      for (const job of all)
        for (let i = begun.get(job) ?? job.next; i < job.requests.length; i++)
          if (job.refusals[i] === undefined && (!job.cancelled || i < job.next)) live.add(job.requests[i]!.branch);
      for (let id = 0; id < 6; id++) expect(queue.has("p", numberedId(id))).toBe(live.has(id));
      expect(queue.has("", numberedId(0))).toBe(false);
      expect(queue.waiting).toBe(all.reduce((sum, job) => sum + job.requests.length - job.next, 0));
      expect(queue.jobs.map((job) => job.number)).toEqual(
        [...queue.jobs.map((job) => job.number)].sort((a, b) => a - b),
      );
      expect(new Set([...queue.jobs, ...aside])).toEqual(new Set(all.filter((job) => job.next < job.requests.length)));
    };
    for (let step = 0; step < 200; step++) {
      switch (random.below(6)) {
        case 0:
        case 1: {
          const ids = Array.from({ length: 1 + random.below(3) }, () => random.below(6));
          // The branch tells a reader of the test which id it is.
          const requests = ids.map((id) => ({ ...request(id, deposit(1, 1), id), principal: "p" }));
          const refusals = ids.map(() =>
            random.chance(20) ? new RefusalError("STALE_VERSION", {}).refusal : undefined,
          );
          const tell = () => undefined;
          const job = newJob({ requests, refusals, hashes: [], number: number++, resolve: tell, reject: tell });
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
          if (begun.size > 0) break;
          const count = random.below(queue.jobs.length + 1);
          const taken = queue.jobs.splice(0, count);
          for (const job of taken) {
            const end = job.cancelled
              ? job.requests.length
              : job.next + random.below(job.requests.length - job.next + 1);
            queue.taken(end - job.next);
            if (!job.cancelled && end > job.next) begun.set(job, job.next);
            job.next = end;
            if (end < job.requests.length) aside.push(job);
          }
          break;
        }
        case 4:
          queue.ended(begun);
          begun = new Map();
          break;
        default:
          if (random.chance(10)) {
            expect(new Set(queue.clear(aside))).toEqual(new Set(all.filter((job) => job.next < job.requests.length)));
            queue.ended(begun);
            begun = new Map();
            all = [];
          } else {
            queue.putBack(aside.sort((a, b) => a.number - b.number));
          }
          aside = [];
      }
      all = all.filter((job) => job.next < job.requests.length || begun.has(job));
      check();
    }
  });
});
