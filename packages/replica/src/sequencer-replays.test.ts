import type { RefusalError, Request } from "@bank/core";
import { CorruptStoreError, StoreError } from "@bank/store";
import { deposit, request, rest, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { REPLAYED_REQUESTS_MAX } from "./admission.ts";
import type { Outcome } from "./outcome.ts";
import {
  appendHeld,
  balanceOf,
  type Fixture,
  short,
  startSequencer,
  startWithAccounts,
  submitOne,
} from "./sequencer.test-util.ts";

interface Answers extends Fixture {
  readonly requests: readonly Request[];
  /** What a retry of them is told. */
  readonly expected: readonly Outcome[];
}

/** Requests that were answered, each in a batch of its own; from here on every read of the store is counted. */
async function startWithAnswers(count: number): Promise<Answers> {
  const fixture = await startWithAccounts(2);
  const requests = Array.from({ length: count }, (_, i) => request(500_000 + i, deposit(1, i + 1)));
  const expected: Outcome[] = [];
  for (const one of requests) {
    const outcome = await submitOne(fixture.sequencer, one);
    expected.push({ ...outcome, replayed: true } as Outcome);
  }
  fixture.store.calls.batchAt = 0;
  return { ...fixture, requests, expected };
}

/** Lets reads of stored batches wait; gives what lets them go on. */
function holdReads({ store }: Fixture): () => void {
  const reading = Promise.withResolvers<void>();
  store.before.batchAt = () => reading.promise;
  return reading.resolve;
}

describe("old requests that come again", () => {
  it("hold up nobody else, and get their answers in their order, whatever is between them", async () => {
    const fixture = await startWithAnswers(300);
    const { sequencer, requests, expected, store, committed } = fixture;
    committed.length = 0;
    const goOn = holdReads(fixture);
    const mixed = [
      ...requests.slice(0, 150),
      request(1, deposit(2, 5)),
      ...requests.slice(150),
      request(2, withdraw(2, 9)),
    ];
    const retry = watch(sequencer.submit(mixed));
    await until(() => store.calls.batchAt === 1);
    expect(short(await submitOne(sequencer, request(3, deposit(2, 1))))).toBe("done");
    expect(retry.state).toBe("pending");
    goOn();
    await until(() => retry.state === "fulfilled");
    const told = retry.value!;
    expect([...told.slice(0, 150), ...told.slice(151, -1)]).toEqual(expected);
    expect([told[150]!, told.at(-1)!].map(short)).toEqual(["done", "INSUFFICIENT_FUNDS"]);
    expect(store.calls.batchAt).toBe(300);
  });

  it("are not told before what else is in their call is durable", async () => {
    const fixture = await startWithAnswers(1);
    const { sequencer, requests, store } = fixture;
    store.holds = true;
    const retry = watch(sequencer.submit([...requests, request(1, deposit(1, 5))]));
    await appendHeld(fixture);
    await rest();
    expect(retry.state).toBe("pending");
    store.holds = false;
    store.passNext();
    await until(() => retry.state === "fulfilled");
    expect(retry.value!.map(short)).toEqual(["done, replayed", "done"]);
  });

  it("take turns: one that comes later is not behind thousands", async () => {
    const { sequencer, requests, expected, store } = await startWithAnswers(2_000);
    const many = watch(sequencer.submit(requests.slice(0, -1)));
    await until(() => store.calls.batchAt >= 10);
    const begun = store.calls.batchAt;
    expect(await submitOne(sequencer, requests.at(-1)!)).toEqual(expected.at(-1));
    expect(store.calls.batchAt - begun).toBeLessThanOrEqual(10);
    expect(many.state).toBe("pending");
    await until(() => many.state === "fulfilled");
    expect(many.value).toEqual(expected.slice(0, -1));
    expect(store.calls.batchAt).toBe(2_000);
  });

  it("leave everybody else a turn between two stored batches", async () => {
    const { sequencer, requests, store, platform } = await startWithAnswers(20);
    platform.holdsDeferred = true;
    const retry = watch(sequencer.submit(requests));
    while (retry.state === "pending") {
      const before = store.calls.batchAt;
      platform.runDeferred();
      await rest();
      expect(store.calls.batchAt - before).toBeLessThanOrEqual(1);
    }
    expect(store.calls.batchAt).toBe(20);
  });

  it("are read once for all who ask meanwhile", async () => {
    const fixture = await startWithAnswers(50);
    const { sequencer, requests, expected, store } = fixture;
    const goOn = holdReads(fixture);
    const calls = Array.from({ length: 10 }, () => watch(sequencer.submit(requests)));
    await until(() => store.calls.batchAt === 1);
    await rest();
    goOn();
    await until(() => calls.every(({ state }) => state === "fulfilled"));
    for (const { value } of calls) expect(value).toEqual(expected);
    expect(store.calls.batchAt).toBe(50);
  });

  it("are not read any more once their caller gave up", async () => {
    const { sequencer, requests, expected, store } = await startWithAnswers(500);
    const deadline = new AbortController();
    const gone = watch(sequencer.submit(requests, deadline.signal));
    const other = watch(sequencer.submit([requests[0]!, requests[499]!]));
    await until(() => store.calls.batchAt >= 5);
    deadline.abort();
    await until(() => gone.state === "rejected");
    expect((gone.reason as RefusalError).refusal.outcome).toBe("OUTCOME_UNKNOWN");
    await until(() => other.state === "fulfilled");
    expect(other.value).toEqual([expected[0], expected[499]]);
    await sequencer.drain();
    expect(store.calls.batchAt).toBeLessThan(20);
  });

  it("are answered by a bank that drains", async () => {
    const fixture = await startWithAnswers(30);
    const { sequencer, requests, expected, store } = fixture;
    const goOn = holdReads(fixture);
    const retry = watch(sequencer.submit(requests));
    await until(() => store.calls.batchAt === 1);
    const drained = watch(sequencer.drain());
    await rest();
    expect(drained.state).toBe("pending");
    goOn();
    await until(() => drained.state === "fulfilled");
    expect(retry.value).toEqual(expected);
  });

  it("end the bank where one of them cannot be read, and nobody is left without an answer", async () => {
    const { sequencer, requests, store, fatal } = await startWithAnswers(20);
    store.before.batchAt = async () => {
      if (store.calls.batchAt > 3) throw new StoreError("the disk does not answer");
    };
    const calls = [requests, requests.slice(10)].map((some) => watch(sequencer.submit(some)));
    await until(() => calls.every(({ state }) => state === "rejected"));
    for (const { reason } of calls)
      expect((reason as RefusalError).refusal).toMatchObject({ reason: "NOT_READY", outcome: "OUTCOME_UNKNOWN" });
    expect(fatal).toEqual([new StoreError("the disk does not answer")]);
    await sequencer.drain();
    expect(store.calls.batchAt).toBe(4);
  });

  it("are refused where they are damaged, those alone, and the bank goes on", async () => {
    const { sequencer, requests, expected, store, fatal, platform } = await startWithAnswers(20);
    store.before.batchAt = async () => {
      if (store.calls.batchAt === 2) throw new CorruptStoreError("the batch is damaged");
    };
    const [told, again] = [watch(sequencer.submit(requests)), watch(sequencer.submit(requests))] as const;
    await until(() => told.state === "fulfilled" && again.state === "fulfilled");
    const refused = told.value!.flatMap((outcome, i) => (outcome.kind === "refused" ? [i] : []));
    expect(refused).toHaveLength(1);
    for (const { value } of [told, again]) {
      expect(value!.filter((_, i) => !refused.includes(i))).toEqual(expected.filter((_, i) => !refused.includes(i)));
      // What is damaged was answered once: nobody may take it for not done.
      expect(value![refused[0]!]).toMatchObject({
        error: { refusal: { reason: "RECORD_DAMAGED", outcome: "OUTCOME_UNKNOWN" } },
        position: expected[refused[0]!]!.position,
      });
    }
    expect(platform.log.about("ARE DAMAGED")).toMatchObject([{ level: "error" }]);
    expect(short((await sequencer.submit([request(999, deposit(1, 1))]))[0]!)).toBe("done");
    expect(fatal).toEqual([]);
    // Once it is mended.
    expect(await sequencer.submit(requests)).toEqual(expected);
  });

  it("wait while the store is opened anew, also those that were being read", async () => {
    const fixture = await startWithAnswers(10);
    const { sequencer, requests, expected, store, faulty, platform, fatal } = fixture;
    const reading = Promise.withResolvers<void>();
    let isOpen = true;
    store.before.batchAt = async () => {
      if (store.calls.batchAt === 3) await reading.promise;
      if (!isOpen) throw new StoreError("the store has to be recovered");
    };
    let failures = 3;
    store.before.recover = async () => {
      isOpen = false;
      if (failures-- > 0) throw new StoreError("the disk does not answer");
      isOpen = true;
    };
    const retry = watch(sequencer.submit(requests));
    await until(() => store.calls.batchAt === 3);
    faulty.failNextAppend("unknown-lost");
    const write = watch(submitOne(sequencer, request(1, deposit(2, 1))));
    await until(() => store.calls.recover === 1, { platform });
    reading.resolve();
    await rest();
    expect([retry.state, store.calls.batchAt]).toEqual(["pending", 3]);
    await until(() => write.state === "fulfilled" && retry.state === "fulfilled", { platform });
    expect(retry.value).toEqual(expected);
    expect(fatal).toEqual([]);
  });

  it("are so many and no more, while new requests are taken", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, ledger } = fixture;
    const some = Array.from({ length: REPLAYED_REQUESTS_MAX / 10 }, (_, i) => request(10 + i, deposit(1, 1)));
    await sequencer.submit(some);
    const goOn = holdReads(fixture);
    store.calls.batchAt = 0;
    const retries = Array.from({ length: 10 }, () => watch(sequencer.submit(some)));
    await until(() => store.calls.batchAt === 1);
    await rest(30);
    await expect(submitOne(sequencer, some[0]!)).rejects.toMatchObject({
      refusal: {
        reason: "OVERLOADED",
        outcome: "OUTCOME_UNKNOWN",
        metadata: { waiting: String(REPLAYED_REQUESTS_MAX) },
      },
    });
    expect(short(await submitOne(sequencer, request(1, deposit(1, 1))))).toBe("done");
    goOn();
    await until(() => retries.every(({ state }) => state === "fulfilled"));
    expect(short(await submitOne(sequencer, some[0]!))).toBe("done, replayed");
    expect(balanceOf(ledger, 1)).toBe(BigInt(some.length + 1));
  });

  it("of an earlier process are answered likewise", async () => {
    const { disk, requests, expected } = await startWithAnswers(5);
    const { sequencer } = await startSequencer({ disk });
    expect(await sequencer.submit([...requests].reverse())).toEqual([...expected].reverse());
  });
});
