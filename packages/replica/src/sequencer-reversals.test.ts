import { BATCH_RECORDS_MAX, GROUP_ITEMS_MAX, type GroupItem, RecordKind, RefusalError, type Request } from "@bank/core";
import { decodeFrame } from "@bank/journal";
import { CorruptStoreError, StoreError } from "@bank/store";
import { deposit, request, rest, transfer, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { group, reverse } from "./commands.test-util.ts";
import { ORIGINAL_BATCHES_MAX } from "./originals.ts";
import {
  answered,
  appendHeld,
  balanceOf,
  digestOf,
  type Fixture,
  reopened,
  short,
  startSequencer,
  startWithAccounts,
  submitOne,
} from "./sequencer.test-util.ts";

/** Deposits of 1 on account 1, each in a batch of its own; gives their positions. */
async function startWithDeposits(count: number): Promise<Fixture & { readonly positions: readonly number[] }> {
  const fixture = await startWithAccounts(2);
  const positions: number[] = [];
  for (let i = 0; i < count; i++)
    positions.push(answered(await submitOne(fixture.sequencer, request(500_000 + i, deposit(1, 1)))).position);
  fixture.committed.length = 0;
  fixture.store.calls.batchAt = 0;
  return { ...fixture, positions };
}

describe("a reversal", () => {
  it("takes back a movement of any earlier batch, once", async () => {
    const { sequencer, ledger, positions, store, disk } = await startWithDeposits(3);
    const outcome = answered(await submitOne(sequencer, request(1, reverse(positions[1]!))));
    expect(outcome.record).toMatchObject({ kind: RecordKind.REVERSAL, original: positions[1], amount: 1n });
    expect(balanceOf(ledger, 1)).toBe(2n);
    expect(store.calls.batchAt).toBe(1);
    expect(short(await submitOne(sequencer, request(2, reverse(positions[1]!))))).toBe("ALREADY_REVERSED");
    expect(short(await submitOne(sequencer, request(3, reverse(outcome.position))))).toBe("NOT_REVERSIBLE");
    const next = await startSequencer({ disk });
    expect(short(await submitOne(next.sequencer, request(4, reverse(positions[1]!))))).toBe("ALREADY_REVERSED");
    expect(short(await submitOne(next.sequencer, request(5, reverse(positions[2]!))))).toBe("done");
    expect(balanceOf(next.ledger, 1)).toBe(1n);
  });

  it("takes back a movement of its own batch, and of the one in flight", async () => {
    const fixture = await startWithDeposits(1);
    const { sequencer, ledger, store } = fixture;
    store.holds = true;
    const next = sequencer.committedPosition + 1;
    const told = [request(1, deposit(1, 10)), request(2, reverse(next)), request(3, deposit(1, 20))].map((one) =>
      watch(submitOne(sequencer, one)),
    );
    await appendHeld(fixture);
    const late = watch(submitOne(sequencer, request(4, reverse(next + 2))));
    store.holds = false;
    store.passNext();
    await until(() => late.state === "fulfilled");
    expect([...told, late].map(({ value }) => short(value!))).toEqual(Array(4).fill("done"));
    expect(balanceOf(ledger, 1)).toBe(1n);
  });

  it("of what is not there is rejected for ever, also once something is there", async () => {
    const { sequencer, ledger } = await startWithDeposits(1);
    const beyond = request(1, reverse(ledger.position + 2));
    const outcomes = await sequencer.submit([
      beyond,
      request(2, deposit(1, 7)),
      beyond,
      request(3, reverse(1)),
      request(4, reverse(Number.MAX_SAFE_INTEGER)),
    ]);
    expect(outcomes.map(short)).toEqual([
      "TRANSACTION_NOT_FOUND",
      "done",
      "TRANSACTION_NOT_FOUND, replayed",
      "TRANSACTION_NOT_FOUND",
      "TRANSACTION_NOT_FOUND",
    ]);
    expect(short(await submitOne(sequencer, beyond))).toBe("TRANSACTION_NOT_FOUND, replayed");
  });

  it("that is asked again is answered without a look at its original", async () => {
    const { sequencer, positions, store } = await startWithDeposits(20);
    const one = request(1, reverse(positions[0]!));
    const first = await submitOne(sequencer, one);
    store.calls.batchAt = 0;
    expect(await submitOne(sequencer, one)).toEqual({ ...first, replayed: true });
    // Its own answer, and nothing else.
    expect(store.calls.batchAt).toBe(1);
    expect(short(await submitOne(sequencer, request(1, reverse(positions[3]!))))).toBe("REQUEST_ID_REUSED NOT_APPLIED");
    expect(store.calls.batchAt).toBe(1);
  });

  it("needs no look into the store where it is malformed", async () => {
    const { sequencer, store } = await startWithDeposits(1);
    const outcomes = await sequencer.submit([0, -1, 0.5].map((position, i) => request(i, reverse(position))));
    expect(outcomes.map(short)).toEqual(Array(3).fill("INVALID_REQUEST NOT_APPLIED"));
    expect(store.calls.batchAt).toBe(0);
  });

  it("in a group sees what the group's own items have done", async () => {
    const { sequencer, ledger, positions } = await startWithDeposits(3);
    const all = group(transfer(1, 2, 3), transfer(2, 1, 1), reverse(positions[0]!), reverse(positions[2]!));
    expect(answered(await submitOne(sequencer, request(1, all))).record).toMatchObject({
      rejection: { reason: "INSUFFICIENT_FUNDS", item: 4 },
    });
    expect(short(await submitOne(sequencer, request(2, group(reverse(positions[0]!), deposit(1, 5)))))).toBe("done");
    expect(balanceOf(ledger, 1)).toBe(7n);
    const twice = answered(
      await submitOne(sequencer, request(3, group(reverse(positions[1]!), reverse(positions[1]!)))),
    );
    expect(twice.record).toMatchObject({ rejection: { reason: "ALREADY_REVERSED", item: 2 } });
  });
});

describe("many reversals of old movements", () => {
  it("between deposits keep their order, starve nobody, and read each stored batch once", async () => {
    const count = 3 * ORIGINAL_BATCHES_MAX + 10;
    const fixture = await startWithDeposits(count);
    const { sequencer, positions, store, ledger, disk, committed } = fixture;
    // From the oldest to the newest and back, so that neighbours are far apart.
    const originals = positions.map((_, i) => positions[i % 2 === 0 ? i >> 1 : count - 1 - (i >> 1)]!);
    const requests = originals.flatMap((original, i): Request[] => [
      request(2 * i, reverse(original)),
      request(2 * i + 1, deposit(2, 1)),
    ]);
    const calls: (typeof requests)[] = [];
    for (let from = 0; from < requests.length; from += 50) calls.push(requests.slice(from, from + 50));
    const told = await Promise.all(calls.map((one) => sequencer.submit(one)));
    expect(new Set(told.flat().map(short))).toEqual(new Set(["done"]));
    // Each call's own order: calls overtake each other.
    for (const outcomes of told) {
      const at = outcomes.map((outcome) => answered(outcome).position);
      expect(at).toEqual([...at].sort((a, b) => a - b));
    }
    expect([1, 2].map((account) => balanceOf(ledger, account))).toEqual([0n, BigInt(count)]);
    expect(store.calls.batchAt).toBe(count);
    // A bounded number of them for each batch.
    expect(committed.length).toBeGreaterThan(3);
    for (const { frame } of committed) {
      const reversals = [...decodeFrame(frame).records].filter(({ kind }) => kind === RecordKind.REVERSAL);
      expect(reversals.length).toBeLessThanOrEqual(ORIGINAL_BATCHES_MAX);
    }
    expect(digestOf((await reopened(disk)).replay.ledger)).toBe(digestOf(ledger));
  });

  it("of the same stored batch cost one look, however many", async () => {
    const { sequencer, ledger, store } = await startWithAccounts(1);
    const count = 2_000;
    const made = await sequencer.submit(Array.from({ length: count }, (_, i) => request(10_000 + i, deposit(1, 1))));
    store.calls.batchAt = 0;
    const positions = made.map((outcome) => answered(outcome).position);
    const outcomes = await sequencer.submit(positions.map((position, i) => request(i, reverse(position))));
    expect(new Set(outcomes.map(short))).toEqual(new Set(["done"]));
    expect(store.calls.batchAt).toBe(1);
    expect(balanceOf(ledger, 1)).toBe(0n);
  });

  it("in one group get all they need, though they lie in more batches than are read for others", async () => {
    const { sequencer, positions, ledger, store } = await startWithDeposits(GROUP_ITEMS_MAX);
    expect(GROUP_ITEMS_MAX).toBeGreaterThan(ORIGINAL_BATCHES_MAX);
    const all = positions.map((position) => reverse(position) as GroupItem);
    const told = [request(1, group(...all)), request(2, deposit(2, 1)), request(3, group(...all))].map((one) =>
      watch(submitOne(sequencer, one)),
    );
    await until(() => told.every(({ state }) => state === "fulfilled"));
    expect(told.map(({ value }) => short(value!))).toEqual(["done", "done", "ALREADY_REVERSED"]);
    expect(store.calls.batchAt).toBe(GROUP_ITEMS_MAX);
    expect([1, 2].map((account) => balanceOf(ledger, account))).toEqual([0n, 1n]);
  });

  it("more than a batch can hold go on in the next ones", async () => {
    const { sequencer, ledger, committed } = await startWithAccounts(1);
    const count = BATCH_RECORDS_MAX + 500;
    const made = await sequencer.submit(Array.from({ length: count }, (_, i) => request(100_000 + i, deposit(1, 1))));
    committed.length = 0;
    const positions = made.map((outcome) => answered(outcome).position);
    const outcomes = await sequencer.submit(positions.map((position, i) => request(i, reverse(position))));
    expect(new Set(outcomes.map(short))).toEqual(new Set(["done"]));
    expect(balanceOf(ledger, 1)).toBe(0n);
    expect(committed.length).toBeLessThanOrEqual(4);
  });

  it("in different batches hold up nobody: a deposit waits for no more than one of them to be read", async () => {
    const fixture = await startWithDeposits(5_000);
    const { sequencer, positions, store, ledger } = fixture;
    const refunds = watch(sequencer.submit(positions.map((position, i) => request(i, reverse(position)))));
    const waited: number[] = [];
    for (let i = 0; refunds.state === "pending"; i++) {
      const before = store.calls.batchAt;
      expect(short(await submitOne(sequencer, request(100_000 + i, deposit(2, 1))))).toBe("done");
      waited.push(store.calls.batchAt - before);
    }
    expect(new Set(refunds.value!.map(short))).toEqual(new Set(["done"]));
    expect(store.calls.batchAt).toBe(5_000);
    expect(waited.length).toBeGreaterThan(1_000);
    expect(Math.max(...waited)).toBeLessThanOrEqual(4);
    expect([1, 2].map((account) => balanceOf(ledger, account))).toEqual([0n, BigInt(waited.length)]);
  }, 60_000);

  it("do not keep one reversal of somebody else waiting, nor does what lacks nothing overtake it for ever", async () => {
    const { sequencer, positions, store } = await startWithDeposits(1_000);
    const many = watch(sequencer.submit(positions.slice(1).map((position, i) => request(i, reverse(position)))));
    await until(() => store.calls.batchAt > 0);
    const begun = store.calls.batchAt;
    const one = watch(submitOne(sequencer, request(100_000, reverse(positions[0]!))));
    for (let i = 0; one.state === "pending"; i++) await submitOne(sequencer, request(200_000 + i, deposit(2, 1)));
    expect(short(one.value!)).toBe("done");
    expect(store.calls.batchAt - begun).toBeLessThanOrEqual(2 * ORIGINAL_BATCHES_MAX);
    expect(many.state).toBe("pending");
    await until(() => many.state === "fulfilled");
  });

  it("are passed over while their originals are read, and what comes behind them in their call waits", async () => {
    const { sequencer, positions, store, ledger } = await startWithDeposits(2);
    const reading = Promise.withResolvers<void>();
    store.before.batchAt = () => reading.promise;
    const refund = [request(1, deposit(2, 5)), request(2, reverse(positions[0]!)), request(3, deposit(2, 7))];
    const told = watch(sequencer.submit(refund));
    await until(() => store.calls.batchAt === 1);
    expect(short(await submitOne(sequencer, request(4, withdraw(1, 2))))).toBe("done");
    expect([1, 2].map((account) => balanceOf(ledger, account))).toEqual([0n, 5n]);
    expect(told.state).toBe("pending");
    const drained = watch(sequencer.drain());
    await rest();
    expect(drained.state).toBe("pending");
    reading.resolve();
    await until(() => drained.state === "fulfilled");
    expect(told.value!.map(short)).toEqual(["done", "INSUFFICIENT_FUNDS", "done"]);
  });

  it("whose caller gives up while originals are read are not executed, and those behind are", async () => {
    const fixture = await startWithDeposits(2);
    const { sequencer, positions, store, ledger } = fixture;
    const reading = Promise.withResolvers<void>();
    store.before.batchAt = () => reading.promise;
    const deadline = new AbortController();
    const gone = watch(submitOne(sequencer, request(1, reverse(positions[0]!)), deadline.signal));
    await until(() => store.calls.batchAt === 1);
    const behind = watch(submitOne(sequencer, request(2, reverse(positions[1]!))));
    deadline.abort();
    await until(() => gone.state === "rejected");
    expect((gone.reason as RefusalError).refusal.outcome).toBe("NOT_APPLIED");
    reading.resolve();
    await until(() => behind.state === "fulfilled");
    expect(short(behind.value!)).toBe("done");
    expect(ledger.reversalOf(positions[0]!)).toBeUndefined();
    expect(balanceOf(ledger, 1)).toBe(1n);
  });
});

describe("a store", () => {
  it("that has a damaged original refuses what needs it, that alone, and the bank goes on", async () => {
    const { sequencer, positions, store, fatal, ledger } = await startWithDeposits(2);
    store.before.batchAt = async () => {
      if (store.calls.batchAt === 1) throw new CorruptStoreError("the batch is damaged");
    };
    const requests = [
      request(1, reverse(positions[0]!)),
      request(2, deposit(1, 1)),
      request(3, reverse(positions[1]!)),
    ];
    const told = watch(sequencer.submit(requests));
    await until(() => told.state === "fulfilled");
    const [refused, ...others] = told.value!;
    expect(refused).toMatchObject({ error: { refusal: { reason: "RECORD_DAMAGED", outcome: "NOT_APPLIED" } } });
    expect(others.map(short)).toEqual(["done", "done"]);
    expect(ledger.reversalOf(positions[0]!)).toBeUndefined();
    expect(fatal).toEqual([]);
    // Its id is not used up: once the batch is mended it is done.
    expect(short(await submitOne(sequencer, requests[0]!))).toBe("done");
  });

  it("that has one of many originals of a group damaged refuses the group, and the bank goes on", async () => {
    const { sequencer, positions, store, fatal } = await startWithDeposits(ORIGINAL_BATCHES_MAX + 6);
    store.before.batchAt = async () => {
      if (store.calls.batchAt === 2) throw new CorruptStoreError("the batch is damaged");
    };
    const all = request(1, group(...positions.map((position) => reverse(position))));
    const told = watch(sequencer.submit([all, request(2, deposit(1, 1))]));
    await until(() => told.state === "fulfilled");
    expect(told.value![0]).toMatchObject({ error: { refusal: { reason: "RECORD_DAMAGED", outcome: "NOT_APPLIED" } } });
    expect(short(told.value![1]!)).toBe("done");
    expect(store.calls.batchAt).toBeLessThanOrEqual(ORIGINAL_BATCHES_MAX);
    expect(fatal).toEqual([]);
  });

  it("that cannot read an original ends the bank, which has executed nothing", async () => {
    const { sequencer, positions, store, fatal, ledger } = await startWithDeposits(1);
    store.before.batchAt = async () => {
      throw new StoreError("the disk does not answer");
    };
    const told = [[request(1, reverse(positions[0]!)), request(2, withdraw(1, 1))], [request(3, reverse(1))]].map(
      (requests) => watch(sequencer.submit(requests)),
    );
    await until(() => told.every(({ state }) => state === "rejected"));
    for (const { reason } of told)
      expect((reason as RefusalError).refusal).toMatchObject({ reason: "NOT_READY", outcome: "NOT_APPLIED" });
    expect(fatal).toEqual([new StoreError("the disk does not answer")]);
    expect(ledger.position).toBe(sequencer.committedPosition);
  });

  it("that is slow with originals writes nothing for a bank that was told to stop meanwhile", async () => {
    const { sequencer, positions, store, committed, fatal } = await startWithDeposits(1);
    const reading = Promise.withResolvers<void>();
    store.before.batchAt = () => reading.promise;
    const write = watch(submitOne(sequencer, request(1, reverse(positions[0]!))));
    await until(() => store.calls.batchAt === 1);
    sequencer.stopWriting(new RefusalError("LOSS_DETECTED", { position: "1", witness: "x", witness_position: "2" }));
    reading.resolve();
    await until(() => write.state === "rejected");
    await rest();
    expect(committed).toEqual([]);
    expect(fatal).toEqual([]);
    await sequencer.drain();
  });
});
