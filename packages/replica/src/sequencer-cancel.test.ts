import { RecordKind, type Request } from "@bank/core";
import { deposit, openAccount, request, rest, transfer, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { cancelRequest, group } from "./commands.test-util.ts";
import {
  answered,
  appendHeld,
  balanceOf,
  short,
  startSequencer,
  startWithAccounts,
  submitOne,
} from "./sequencer.test-util.ts";

describe("cancelling a request", () => {
  it("that nobody has seen rules it out for ever, with any body, for every later process", async () => {
    const { sequencer, ledger, disk } = await startWithAccounts(1);
    const cancelled = await submitOne(sequencer, request(1, cancelRequest));
    expect(short(cancelled)).toBe("REQUEST_CANCELLED");
    expect(answered(cancelled).record).toMatchObject({ kind: RecordKind.REJECTED });
    const later: Request[] = [
      request(1, deposit(1, 5)),
      request(1, deposit(1, 6)),
      request(1, transfer(1, 2, 6)),
      request(1, group(deposit(1, 1))),
      request(1, cancelRequest),
    ];
    const expected = later.map(() => ({ ...cancelled, replayed: true }));
    expect(await sequencer.submit(later)).toEqual(expected);
    const next = await startSequencer({ disk });
    expect(await next.sequencer.submit(later)).toEqual(expected);
    expect(balanceOf(ledger, 1)).toBe(0n);
    expect(next.committed).toEqual([]);
  });

  it("in the very batch in which it comes later rules it out too", async () => {
    const { sequencer, ledger } = await startWithAccounts(1);
    const outcomes = await sequencer.submit([request(1, cancelRequest), request(1, deposit(1, 5))]);
    expect(outcomes.map(short)).toEqual(["REQUEST_CANCELLED", "REQUEST_CANCELLED, replayed"]);
    expect(balanceOf(ledger, 1)).toBe(0n);
  });

  it("that was answered before gives that answer: an effect, a rejection, a group", async () => {
    const { sequencer, disk } = await startWithAccounts(1);
    const requests = [
      request(1, deposit(1, 5)),
      request(2, withdraw(1, 50)),
      request(3, group(deposit(1, 1), openAccount())),
    ];
    const originals = await sequencer.submit(requests);
    const cancels = requests.map(({ id }) => request(id, cancelRequest));
    const expected = originals.map((outcome) => ({ ...outcome, replayed: true }));
    expect(await sequencer.submit(cancels)).toEqual(expected);
    // And in the batch of the answer.
    const both = await sequencer.submit([request(4, deposit(1, 1)), request(4, cancelRequest)]);
    expect(both[1]).toEqual({ ...both[0], replayed: true });
    // Which leaves the id what it was: another body is another request.
    expect(short(await submitOne(sequencer, request(1, deposit(1, 6))))).toBe("REQUEST_ID_REUSED NOT_APPLIED");
    const next = await startSequencer({ disk });
    expect(await next.sequencer.submit(cancels)).toEqual(expected);
  });

  it("that is in flight waits for what becomes of it", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, faulty, ledger } = fixture;
    store.holds = true;
    faulty.failNextAppend("refused");
    const write = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await appendHeld(fixture);
    const cancel = watch(submitOne(sequencer, request(1, cancelRequest)));
    await rest();
    expect(cancel.state).toBe("pending");
    store.holds = false;
    store.passNext();
    await until(() => cancel.state === "fulfilled");
    expect([write, cancel].map(({ value }) => short(value!))).toEqual([
      "STORE_REFUSED NOT_APPLIED",
      "REQUEST_CANCELLED",
    ]);
    expect(short(await submitOne(sequencer, request(1, deposit(1, 5))))).toBe("REQUEST_CANCELLED, replayed");
    expect(balanceOf(ledger, 1)).toBe(0n);
  });

  it("of somebody else has nothing to do with it", async () => {
    const { sequencer } = await startWithAccounts(1);
    await submitOne(sequencer, { ...request(1, cancelRequest), principal: "somebody else" });
    expect(short(await submitOne(sequencer, request(1, deposit(1, 5))))).toBe("done");
  });
});
