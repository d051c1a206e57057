import { ANONYMOUS_PRINCIPAL, RecordKind } from "@bank/core";
import { deposit, numberedId, openAccount, request, rest, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { cancelRequest, group } from "./commands.test-util.ts";
import { answered } from "./sequencer.test-util.ts";

const statusOf = ({ bank }: Pick<OpenedBank, "bank">, id: number, principal = ANONYMOUS_PRINCIPAL) =>
  bank.outcomeOf(principal, numberedId(id));

async function startFunded(): Promise<OpenedBank> {
  const opened = await openBank();
  await opened.bank.submit([request(901, openAccount()), request(902, deposit(1, 100))]);
  return opened;
}

describe("what became of a request", () => {
  it("is its answer, years later too: an effect, a rejection, a group, a cancellation", async () => {
    const opened = await startFunded();
    const { bank } = opened;
    const requests = [
      request(1, deposit(1, 5)),
      request(2, withdraw(1, 500)),
      request(3, group(deposit(1, 1), openAccount())),
      request(4, cancelRequest),
    ];
    const originals = await bank.submit(requests);
    await bank.submit([request(5, deposit(1, 1))]);
    const next = await openBank({ disk: opened.disk });
    for (const [i, original] of originals.entries())
      expect(await statusOf(next, i + 1)).toEqual({
        value: { ...original, replayed: true },
        position: next.bank.committedPosition,
        stalenessMs: 0,
        session: next.bank.sessionAt(next.bank.committedPosition),
        connected: true,
        epoch: 2,
      });
    expect((await statusOf(next, 3)).value).toMatchObject({
      groupRecords: [{ kind: RecordKind.DEPOSIT }, { kind: RecordKind.ACCOUNT_OPENED }],
    });
  });

  it("is not seen, up to a position, where nobody made it, or only somebody else", async () => {
    const opened = await startFunded();
    const position = opened.bank.committedPosition;
    await opened.bank.submit([request(2, deposit(1, 0))]);
    for (const id of [1, 2]) expect(await statusOf(opened, id)).toMatchObject({ value: { kind: "notSeen" }, position });
    await opened.bank.submit([{ ...request(3, deposit(1, 5)), principal: "somebody else" }]);
    expect((await statusOf(opened, 3)).value).toEqual({ kind: "notSeen" });
    expect((await statusOf(opened, 3, "somebody else")).value.kind).toBe("answered");
  });

  it("is in progress while it waits its turn, and while it is on its way to the disk", async () => {
    const opened = await startFunded();
    const { bank, store } = opened;
    store.holds = true;
    const writes = [bank.submit([request(1, deposit(1, 5)), request(2, withdraw(1, 500))])].map(watch);
    await until(() => store.held.length === 1);
    const deadline = new AbortController();
    writes.push(watch(bank.submit([request(3, deposit(1, 0)), request(4, deposit(1, 5))])));
    const gone = watch(bank.submit([request(5, deposit(1, 5))], { signal: deadline.signal }));
    deadline.abort();
    await until(() => gone.state === "rejected");
    const position = bank.committedPosition;
    const statuses = await Promise.all([1, 2, 3, 4, 5].map((id) => statusOf(opened, id)));
    // What is malformed, or was given up before its turn, is not on its way to anywhere.
    expect(statuses.map(({ value }) => value.kind)).toEqual([
      "inProgress",
      "inProgress",
      "notSeen",
      "inProgress",
      "notSeen",
    ]);
    expect(new Set(statuses.map((status) => status.position))).toEqual(new Set([position]));
    store.holds = false;
    store.passNext();
    await until(() => writes.every(({ state }) => state === "fulfilled"));
    expect((await statusOf(opened, 4)).value.kind).toBe("answered");
  });

  it("is not seen again after its append was refused", async () => {
    const opened = await startFunded();
    const { bank, store, faulty } = opened;
    store.holds = true;
    faulty.failNextAppend("refused");
    const write = watch(bank.submit([request(1, deposit(1, 5))]));
    await until(() => store.held.length === 1);
    expect((await statusOf(opened, 1)).value.kind).toBe("inProgress");
    store.passNext();
    await until(() => write.state === "fulfilled");
    expect((await statusOf(opened, 1)).value.kind).toBe("notSeen");
  });

  it("ends at the caller's deadline, and is not told by a bank that is closed or has failed", async () => {
    const opened = await startFunded();
    const { bank, store, fatal } = opened;
    const reading = Promise.withResolvers<void>();
    store.before.batchAt = () => reading.promise;
    const deadline = new AbortController();
    const asked = watch(bank.outcomeOf(ANONYMOUS_PRINCIPAL, numberedId(901), deadline.signal));
    deadline.abort();
    await until(() => asked.state === "rejected");
    expect(asked.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED" } });
    reading.resolve();
    store.before.batchAt = async () => undefined;
    store.holds = true;
    const write = watch(bank.submit([request(1, deposit(1, 5))]));
    await until(() => store.held.length === 1);
    store.failNext(new Error("the disk is gone"));
    await until(() => write.state === "rejected");
    const refusal = { refusal: { reason: "NOT_READY" } };
    await expect(statusOf(opened, 901)).rejects.toMatchObject(refusal);
    await expect(bank.recordAt(1)).rejects.toMatchObject(refusal);
    expect(fatal).toHaveLength(1);
    const next = await openBank({ disk: opened.disk });
    await next.bank.close();
    await expect(statusOf(next, 901)).rejects.toMatchObject(refusal);
    await expect(next.bank.recordAt(1)).rejects.toMatchObject(refusal);
    await rest();
  });
});

describe("a record by its position", () => {
  it("is told with its time, and a group with its records; nothing is where nothing is committed", async () => {
    const opened = await startFunded();
    const { bank, platform, store } = opened;
    platform.advance(1_000);
    const outcomes = await bank.submit([request(1, deposit(1, 5)), request(2, group(deposit(1, 1), openAccount()))]);
    for (const outcome of outcomes) {
      const { record, position, timeMs, groupRecords } = answered(outcome);
      const found = await bank.recordAt(position);
      expect(found).toEqual({ record, position, timeMs, ...(groupRecords && { groupRecords }) });
      // One of a group's own records is told as itself.
      if (groupRecords !== undefined)
        expect(await bank.recordAt(position - 1)).toEqual({
          record: groupRecords.at(-1),
          position: position - 1,
          timeMs,
        });
    }
    expect(await bank.recordAt(1)).toMatchObject({ record: { kind: RecordKind.EPOCH_BEGUN }, position: 1 });
    store.holds = true;
    const write = watch(bank.submit([request(3, deposit(1, 5))]));
    await until(() => store.held.length === 1);
    const { position } = bank.ledger;
    for (const missing of [position, position + 1, 0, -1]) expect(await bank.recordAt(missing)).toBeUndefined();
    store.passNext();
    await until(() => write.state === "fulfilled");
    expect(await bank.recordAt(position)).toMatchObject({ record: { kind: RecordKind.DEPOSIT } });
  });
});
