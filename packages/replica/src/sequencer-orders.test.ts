import {
  ANONYMOUS_PRINCIPAL,
  BATCH_RECORDS_MAX,
  FRAME_BYTES_MAX,
  RefusalError,
  type Request,
  TEXT_LENGTH_MAX,
} from "@bank/core";
import { decodeFrame } from "@bank/journal";
import { deposit, numberedId, request, rest, transfer, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { QUEUED_REQUESTS_MAX } from "./admission.ts";
import { cancelRequest, freeze } from "./commands.test-util.ts";
import { ordersOf, outcomesOf } from "./orders.test-util.ts";
import type { OrdersOutcome } from "./orders-outcome.ts";
import {
  appendHeld,
  balanceOf,
  digestOf,
  type Fixture,
  reopened,
  short,
  startWithAccounts,
  submitOne,
} from "./sequencer.test-util.ts";

const said = (outcome: OrdersOutcome): string[] =>
  outcomesOf(outcome).map((one) => ("kind" in one ? short(one) : "done"));
const deposits = (count: number, firstId: number): Request[] =>
  Array.from({ length: count }, (_, i) => request(firstId + i, deposit(1, 1)));
const submit = ({ sequencer }: Fixture, requests: readonly Request[], signal?: AbortSignal) =>
  sequencer.submitOrders(ordersOf(requests), signal);

/** Two accounts with 100 each: the principal, the cash and all that a movement needs is there. */
async function startFunded(): Promise<Fixture> {
  const fixture = await startWithAccounts(2);
  await fixture.sequencer.submit([request(900_100, deposit(1, 100)), request(900_101, deposit(2, 100))]);
  fixture.committed.length = 0;
  return fixture;
}

/** One whose first append is held: what comes behind it waits. */
async function startHeld(): Promise<Fixture> {
  const fixture = await startFunded();
  fixture.store.holds = true;
  watch(submitOne(fixture.sequencer, request(1, deposit(1, 1))));
  await appendHeld(fixture);
  return fixture;
}

function letGo({ store }: Fixture): void {
  store.holds = false;
  for (const held of store.held.splice(0)) held.pass();
}

describe("movements in columns", () => {
  it("tell positions and times in columns, and what was not plainly done beside them", async () => {
    const fixture = await startFunded();
    const { ledger, platform } = fixture;
    const before = ledger.position;
    platform.advance(7);
    const requests = [
      request(1, deposit(1, 5)),
      request(2, withdraw(1, 500)),
      request(3, transfer(1, 2, 5)),
      request(1, deposit(1, 5)),
      request(3, transfer(1, 2, 6)),
      request(900_100, deposit(1, 100)),
      request(4, withdraw(2, 1)),
    ];
    const outcome = await submit(fixture, requests);
    expect(said(outcome)).toEqual([
      "done",
      "INSUFFICIENT_FUNDS",
      "done",
      "done, replayed",
      "REQUEST_ID_REUSED NOT_APPLIED",
      "done, replayed",
      "done",
    ]);
    const first = before + 1;
    const funded = before - 1;
    expect([...outcome.positions]).toEqual([first, first + 1, first + 2, first, 0, funded, first + 3]);
    const { timeMs } = ledger;
    expect([...outcome.timesMs]).toEqual([timeMs, 0, timeMs, 0, 0, 0, timeMs]);
    // The answer out of the store came last.
    expect([...outcome.others.keys()]).toEqual([1, 3, 4, 5]);
    expect(outcome.position).toBe(ledger.position);
    const again = await submit(fixture, requests.slice(0, 1));
    expect([[...again.positions], [...again.timesMs], again.position]).toEqual([[first], [0], first]);
  });

  it("whose ids were cancelled are never carried out", async () => {
    const fixture = await startFunded();
    await submitOne(fixture.sequencer, request(1, cancelRequest));
    expect(said(await submit(fixture, deposits(2, 1)))).toEqual(["REQUEST_CANCELLED, replayed", "done"]);
  });

  it("are none too", async () => {
    const fixture = await startFunded();
    const outcome = await submit(fixture, []);
    expect([outcome.positions.length, outcome.others.size, outcome.position]).toEqual([0, 0, 0]);
    expect(fixture.committed).toEqual([]);
  });

  it("span as many batches as they must, in order, and none is too large", async () => {
    const fixture = await startFunded();
    const { committed, ledger, platform, store, disk } = fixture;
    const before = ledger.position;
    store.holds = true;
    const told = watch(submit(fixture, deposits(2 * BATCH_RECORDS_MAX, 10)));
    const lone = watch(submitOne(fixture.sequencer, request(1, deposit(1, 1))));
    while (told.state === "pending") {
      await until(() => store.held.length > 0 || told.state !== "pending");
      platform.advance(10);
      store.held.shift()?.pass();
    }
    letGo(fixture);
    await until(() => lone.state === "fulfilled");
    const { positions, timesMs, others, position } = told.value!;
    expect([others.size, position]).toEqual([0, positions.at(-1)]);
    expect(positions).toEqual(positions.map((_, i) => before + 1 + i));
    const batches = committed.map(({ frame }) => decodeFrame(frame));
    expect(batches.length).toBeGreaterThan(2);
    for (const { header } of batches.slice(0, -1)) {
      expect(header.count).toBeLessThanOrEqual(BATCH_RECORDS_MAX);
      const row = header.firstPosition - before - 1;
      expect([timesMs[row], timesMs[row + header.count - 1]]).toEqual([header.timeMs, header.timeMs].slice(0, 2));
    }
    expect(new Set(batches.map(({ header }) => header.timeMs)).size).toBe(batches.length);
    expect(balanceOf(ledger, 1)).toBe(101n + BigInt(2 * BATCH_RECORDS_MAX));
    expect(digestOf((await reopened(disk)).replay.ledger)).toBe(digestOf(ledger));
  });

  it("make batches that are closed at their bytes, whoever asks", async () => {
    const fixture = await startFunded();
    const principals = Array.from({ length: 5_400 }, (_, i) => `${i}${"\u20ac".repeat(TEXT_LENGTH_MAX - 8)}`);
    const requests = (firstId: number) =>
      principals.map((principal, i) => ({ ...request(firstId + i, deposit(1, 1)), principal }));
    const { sequencer, committed } = fixture;
    const ways = [
      // Each is decided, for nobody knows who that is.
      () => sequencer.submit(requests(10_000)),
      () => Promise.all(requests(20_000).map((one) => submit(fixture, [one]))),
      () => sequencer.submit(requests(30_000)),
    ];
    for (const way of ways) {
      committed.length = 0;
      await way();
      expect(Math.max(...committed.map(({ frame }) => frame.length))).toBeLessThanOrEqual(FRAME_BYTES_MAX);
      expect(committed.length).toBeGreaterThan(1);
    }
  });

  it("that are malformed are refused as a whole, and nothing of them is begun", async () => {
    const fixture = await startFunded();
    const orders = ordersOf([...deposits(3, 1), request(4, deposit(1, 0))]);
    await expect(fixture.sequencer.submitOrders(orders)).rejects.toMatchObject({
      refusal: {
        reason: "INVALID_REQUEST",
        outcome: "NOT_APPLIED",
        violations: [{ field: "amounts_minor[3]" }],
      },
    });
    for (const wrong of [{ principal: "\ud800" }, { branch: -1 }, { branch: 65_536 }])
      await expect(fixture.sequencer.submitOrders({ ...ordersOf(deposits(1, 1)), ...wrong })).rejects.toMatchObject({
        refusal: { reason: "INVALID_REQUEST" },
      });
    await rest();
    expect(fixture.committed).toEqual([]);
    expect(fixture.sequencer.isInProgress(ANONYMOUS_PRINCIPAL, numberedId(1))).toBe(false);
  });

  it("see what requests did before them in the same batch, and the other way round", async () => {
    const fixture = await startFunded();
    const { sequencer, committed } = fixture;
    const [first, frozen, second, last] = await Promise.all([
      submit(fixture, [request(1, transfer(1, 2, 1))]),
      submitOne(sequencer, request(2, freeze(1))),
      submit(fixture, [request(3, transfer(1, 2, 1)), request(4, withdraw(2, 201)), request(5, withdraw(2, 101))]),
      submitOne(sequencer, request(6, withdraw(2, 1))),
    ]);
    expect([said(first), short(frozen), said(second), short(last)]).toEqual([
      ["done"],
      "done",
      ["ACCOUNT_FROZEN", "INSUFFICIENT_FUNDS", "done"],
      "INSUFFICIENT_FUNDS",
    ]);
    expect(committed).toHaveLength(1);
  });
});

describe("movements in columns that wait", () => {
  it("are counted one by one, until there are too many", async () => {
    const fixture = await startHeld();
    const full = Array.from({ length: 10 }, (_, i) =>
      watch(submit(fixture, deposits(QUEUED_REQUESTS_MAX / 10 - (i === 0 ? 1 : 0), 1_000 + i * QUEUED_REQUESTS_MAX))),
    );
    const refused = (waiting: number) => ({
      refusal: { reason: "OVERLOADED", outcome: "NOT_APPLIED", metadata: { waiting: String(waiting) } },
    });
    await expect(submit(fixture, deposits(2, 2))).rejects.toMatchObject(refused(QUEUED_REQUESTS_MAX - 1));
    full.push(watch(submit(fixture, [request(4, deposit(1, 1))])));
    await expect(submit(fixture, [request(2, deposit(1, 1))])).rejects.toMatchObject(refused(QUEUED_REQUESTS_MAX));
    // This one is in flight: it may be applied, and nobody says otherwise.
    await expect(submit(fixture, deposits(2, 0))).rejects.toMatchObject({
      refusal: { reason: "OVERLOADED", outcome: "OUTCOME_UNKNOWN" },
    });
    letGo(fixture);
    await until(() => full.every(({ state }) => state === "fulfilled"));
    expect(said(await submit(fixture, [request(2, deposit(1, 1))]))).toEqual(["done"]);
  });

  it("are not begun once the caller has given up", async () => {
    const fixture = await startHeld();
    const deadline = new AbortController();
    const gone = watch(submit(fixture, deposits(3, 10), deadline.signal));
    deadline.abort();
    await until(() => gone.state === "rejected");
    expect(gone.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" } });
    expect(fixture.sequencer.isInProgress(ANONYMOUS_PRINCIPAL, numberedId(10))).toBe(false);
    letGo(fixture);
    expect(said(await submit(fixture, deposits(1, 20)))).toEqual(["done"]);
    expect(balanceOf(fixture.ledger, 1)).toBe(102n);
    await expect(submit(fixture, deposits(1, 30), deadline.signal)).rejects.toMatchObject({
      refusal: { reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" },
    });
  });

  it("stay once they were begun, though nobody waits for them", async () => {
    const fixture = await startFunded();
    const { store, ledger } = fixture;
    store.holds = true;
    const deadline = new AbortController();
    // The rest of it waits for the next batch.
    const gone = watch(submit(fixture, deposits(BATCH_RECORDS_MAX + 10, 10), deadline.signal));
    await appendHeld(fixture);
    deadline.abort();
    await until(() => gone.state === "rejected");
    expect(gone.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED", outcome: "OUTCOME_UNKNOWN" } });
    letGo(fixture);
    expect(said(await submit(fixture, deposits(1, 10)))).toEqual(["done, replayed"]);
    expect(balanceOf(ledger, 1)).toBe(100n + BigInt(BATCH_RECORDS_MAX + 10));
  });

  it("are refused by a stop, and answered by a drain", async () => {
    const fixture = await startHeld();
    const { sequencer } = fixture;
    const waiting = watch(submit(fixture, deposits(2, 10)));
    const drained = watch(sequencer.drain());
    await expect(submit(fixture, deposits(1, 20))).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    letGo(fixture);
    await until(() => drained.state === "fulfilled");
    expect(said(waiting.value!)).toEqual(["done", "done"]);

    const other = await startHeld();
    const stopped = watch(submit(other, deposits(2, 10)));
    other.sequencer.stopWriting(new RefusalError("LOSS_DETECTED", {}));
    await until(() => stopped.state === "rejected");
    expect(stopped.reason).toMatchObject({ refusal: { reason: "LOSS_DETECTED", outcome: "NOT_APPLIED" } });
    letGo(other);
  });

  it("wait for the first attempt, whoever made it and in whatever form", async () => {
    const fixture = await startFunded();
    const { store, sequencer } = fixture;
    store.holds = true;
    const first = watch(submit(fixture, deposits(2, 10)));
    await appendHeld(fixture);
    const retries = [watch(submit(fixture, deposits(2, 10))), watch(submit(fixture, [request(10, deposit(1, 2))]))];
    const retry = watch(sequencer.submit(deposits(2, 10)));
    await rest();
    expect([first, ...retries, retry].map(({ state }) => state)).toEqual(Array(4).fill("pending"));
    letGo(fixture);
    await until(() => [...retries, retry].every(({ state }) => state === "fulfilled"));
    expect(said(first.value!)).toEqual(["done", "done"]);
    expect(said(retries[0]!.value!)).toEqual(["done, replayed", "done, replayed"]);
    expect(said(retries[1]!.value!)).toEqual(["REQUEST_ID_REUSED NOT_APPLIED"]);
    expect(retry.value!.map(short)).toEqual(["done, replayed", "done, replayed"]);
  });
});

describe("an append of movements in columns", () => {
  it("that is refused takes all of them back, whatever was computed from them", async () => {
    const fixture = await startFunded();
    const { sequencer, faulty, ledger } = fixture;
    const before = digestOf(ledger);
    faulty.failNextAppend("refused");
    const requests = [...deposits(2, 10), request(20, withdraw(1, 500)), request(10, deposit(1, 1))];
    const outcome = await submit(fixture, [...requests, request(10, deposit(1, 2)), request(900_100, deposit(1, 100))]);
    expect(said(outcome)).toEqual([...Array(5).fill("STORE_REFUSED NOT_APPLIED"), "done, replayed"]);
    expect([...outcome.positions]).toEqual([0, 0, 0, 0, 0, sequencer.committedPosition - 1]);
    expect([...outcome.timesMs]).toEqual(Array(6).fill(0));
    expect(outcome.position).toBe(sequencer.committedPosition - 1);
    expect(digestOf(ledger)).toBe(before);
    expect(said(await submit(fixture, requests))).toEqual(["done", "done", "INSUFFICIENT_FUNDS", "done, replayed"]);
  });

  it("that is refused leaves what other batches have of the same call", async () => {
    const fixture = await startFunded();
    const { store, faulty, ledger } = fixture;
    store.holds = true;
    const told = watch(submit(fixture, deposits(BATCH_RECORDS_MAX + 10, 10)));
    await appendHeld(fixture);
    store.passNext();
    await appendHeld(fixture);
    faulty.failNextAppend("refused");
    letGo(fixture);
    await until(() => told.state === "fulfilled");
    const { positions, others } = told.value!;
    const done = positions.indexOf(0);
    expect(done).toBeGreaterThan(0);
    expect([...others.keys()]).toEqual(Array.from({ length: positions.length - done }, (_, i) => done + i));
    expect(balanceOf(ledger, 1)).toBe(100n + BigInt(done));
  });

  it("that contradicts the store is told as a doubt", async () => {
    const fixture = await startFunded();
    const { store, fatal, sequencer } = fixture;
    store.holds = true;
    const begun = watch(submit(fixture, deposits(2, 10)));
    await appendHeld(fixture);
    const waiting = watch(submit(fixture, deposits(2, 20)));
    sequencer.fail(new Error("a test"));
    await until(() => begun.state === "rejected" && waiting.state === "rejected");
    expect([begun, waiting].map(({ reason }) => (reason as RefusalError).refusal.outcome)).toEqual([
      "OUTCOME_UNKNOWN",
      "NOT_APPLIED",
    ]);
    expect(fatal).toHaveLength(1);
    letGo(fixture);
  });
});

describe("a movement in columns on which the ledger throws", () => {
  it("while it is carried out fails alone, and the same id works later", async () => {
    const fixture = await startFunded();
    const { ledger, sequencer, committed, platform, disk } = fixture;
    const prepare = ledger.movements.prepare.bind(ledger.movements);
    const second = ledger.findCustomerAccount("2");
    const broken = vi.spyOn(ledger.movements, "prepare").mockImplementation((debit, credit) => {
      if (debit === second) throw new RangeError("no memory");
      prepare(debit, credit);
    });
    const requests = [
      request(10, withdraw(1, 1)),
      request(11, withdraw(1, 500)),
      request(12, withdraw(2, 1)),
      request(13, deposit(2, 1)),
      request(14, transfer(2, 1, 1)),
      request(10, withdraw(1, 1)),
    ];
    const [other, outcome] = await Promise.all([
      submitOne(sequencer, request(9, deposit(1, 1))),
      submit(fixture, requests),
    ]);
    broken.mockRestore();
    expect(short(other)).toBe("done");
    expect(said(outcome)).toEqual([
      "done",
      "INSUFFICIENT_FUNDS",
      "INTERNAL NOT_APPLIED",
      "done",
      "INTERNAL NOT_APPLIED",
      "done, replayed",
    ]);
    expect(platform.log.about("failed inside the ledger")).toHaveLength(2);
    expect(committed).toHaveLength(1);
    expect([1, 2].map((account) => balanceOf(ledger, account))).toEqual([100n, 101n]);
    expect(said(await submit(fixture, requests.slice(2, 3)))).toEqual(["done"]);
    expect(digestOf((await reopened(disk)).replay.ledger)).toBe(digestOf(ledger));
  });

  it("while it is decided fails alone too", async () => {
    const fixture = await startFunded();
    const { ledger } = fixture;
    const find = ledger.findCustomerAccount.bind(ledger);
    const broken = vi.spyOn(ledger, "findCustomerAccount").mockImplementation((reference) => {
      if (reference === "7") throw new TypeError("a bug");
      return find(reference);
    });
    const outcome = await submit(fixture, [
      request(10, deposit(1, 1)),
      request(11, deposit(8, 1)),
      request(12, deposit(7, 1)),
      request(13, deposit(1, 1)),
    ]);
    broken.mockRestore();
    expect(said(outcome)).toEqual(["done", "ACCOUNT_NOT_FOUND", "INTERNAL NOT_APPLIED", "done"]);
    expect([...outcome.others.keys()]).toEqual([1, 2]);
    expect(balanceOf(ledger, 1)).toBe(102n);
  });
});
