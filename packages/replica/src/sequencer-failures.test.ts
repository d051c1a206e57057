import { type AccountIndex, AccountType, RefusalError } from "@bank/core";
import { CorruptStoreError, JournalConflictError, StaleEpochError, StoreError } from "@bank/store";
import { deposit, driven, openAccount, request, rest, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { placeHold } from "./commands.test-util.ts";
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

describe("an append that was refused", () => {
  it("takes its whole batch back, and nobody gets the answer that was computed", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, faulty, ledger, disk } = fixture;
    await sequencer.submit([request(1, deposit(1, 5))]);
    const before = { digest: digestOf(ledger), position: ledger.position, timeMs: ledger.timeMs };
    fixture.platform.advance(1_000);
    store.holds = true;
    faulty.failNextAppend("refused");
    const told = [
      request(2, deposit(1, 5)),
      request(3, withdraw(1, 500)),
      request(2, deposit(1, 5)),
      request(2, deposit(1, 6)),
      request(4, openAccount("Grace", "JPY")),
    ].map((one) => watch(submitOne(sequencer, one)));
    const replay = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await appendHeld(fixture);
    const read = watch(sequencer.read((state) => balanceOf(state, 1)));
    store.holds = false;
    store.passNext();
    await until(() => [...told, replay, read].every(({ state }) => state !== "pending"));

    expect(told.map(({ value }) => short(value!))).toEqual(Array(5).fill("STORE_REFUSED NOT_APPLIED"));
    expect(short(replay.value!)).toBe("done, replayed");
    expect(read.value).toEqual({ value: 5n, position: before.position });
    expect({ digest: digestOf(ledger), position: ledger.position, timeMs: ledger.timeMs }).toEqual(before);
    expect(sequencer.committedPosition).toBe(before.position);

    const again = await sequencer.submit([request(2, deposit(1, 7)), request(3, withdraw(1, 12))]);
    expect(again.map(short)).toEqual(["done", "done"]);
    expect(again.map((outcome) => outcome.kind === "answered" && outcome.position)).toEqual([
      before.position + 1,
      before.position + 2,
    ]);
    expect(faulty.faultsSpent).toBe(true);
    expect(digestOf((await reopened(disk)).replay.ledger)).toBe(digestOf(ledger));
  });

  it("lets those who came meanwhile run", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, faulty } = fixture;
    store.holds = true;
    faulty.failNextAppend("refused");
    const first = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await appendHeld(fixture);
    const retry = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    store.holds = false;
    store.passNext();
    await until(() => retry.state === "fulfilled");
    expect(short(first.value!)).toBe("STORE_REFUSED NOT_APPLIED");
    // It attached to nothing: the first attempt never was.
    expect(short(retry.value!)).toBe("done");
  });

  it("reads again what was taken back, as often as it happens", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, faulty } = fixture;
    store.holds = true;
    let queries = 0;
    faulty.failNextAppend("refused");
    faulty.failNextAppend("refused");
    const first = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await appendHeld(fixture);
    const second = watch(submitOne(sequencer, request(2, deposit(1, 50))));
    const read = watch(
      sequencer.read((ledger) => {
        queries++;
        return balanceOf(ledger, 1);
      }),
    );
    store.passNext();
    await until(() => first.state === "fulfilled");
    await appendHeld(fixture);
    store.passNext();
    await until(() => second.state === "fulfilled" && read.state === "fulfilled");
    expect(read.value?.value).toBe(0n);
    expect(queries).toBeGreaterThan(1);
  });

  it("tells a caller with requests in several batches which of them counted", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, faulty, ledger } = fixture;
    store.holds = true;
    const many = watch(sequencer.submit(Array.from({ length: 20_000 }, (_, i) => request(i, deposit(1, 1)))));
    await appendHeld(fixture);
    store.holds = false;
    faulty.failNextAppend("refused");
    store.held.splice(0).forEach((held) => {
      held.pass();
    });
    await until(() => many.state === "fulfilled");
    const refused = many.value!.filter(({ kind }) => kind === "refused").length;
    expect(new Set(many.value!.map(short))).toEqual(new Set(["STORE_REFUSED NOT_APPLIED", "done"]));
    expect(balanceOf(ledger, 1)).toBe(BigInt(20_000 - refused));
  });

  it("leaves the bank without the record that it wanted, and going on", async () => {
    const { sequencer, faulty, ledger, disk } = await startWithAccounts(1);
    faulty.failNextAppend("refused");
    sequencer.recordStateRoot(1, new Uint8Array(32));
    await until(() => faulty.faultsSpent);
    await rest();
    expect(ledger.root).toBeUndefined();
    await sequencer.submit([request(1, deposit(1, 5))]);
    expect((await reopened(disk)).replay.ledger.root).toBeUndefined();
  });
});

describe("an append of which nobody knows", () => {
  it.each(["unknown-lost", "unknown-stored", "unknown-surfacing"] as const)(
    "is settled by the same bytes again while callers wait (%s)",
    async (fault) => {
      const fixture = await startWithAccounts(1);
      const { sequencer, store, faulty, ledger, disk, platform, fatal } = fixture;
      faulty.failNextAppend(fault);
      const write = watch(submitOne(sequencer, request(1, deposit(1, 5))));
      await until(() => faulty.faultsSpent);
      const read = watch(sequencer.read((state) => balanceOf(state, 1)));
      const retry = watch(submitOne(sequencer, request(1, deposit(1, 5))));
      await rest();
      expect([write.state, read.state, retry.state]).toEqual(["pending", "pending", "pending"]);
      expect(store.calls.recover).toBe(0);
      await until(() => retry.state === "fulfilled", { platform });
      expect(short(write.value!)).toBe("done");
      expect(retry.value).toEqual({ ...write.value, replayed: true });
      expect(read.value?.value).toBe(5n);
      expect(store.calls).toMatchObject({ recover: 1, append: 2 });
      expect(fatal).toEqual([]);
      const { replay, records } = await reopened(disk);
      expect(digestOf(replay.ledger)).toBe(digestOf(ledger));
      expect(records).toHaveLength(ledger.position);
    },
  );

  it("stays in doubt whatever a later try says, until the bytes are there", async () => {
    const { sequencer, store, faulty, platform } = await startWithAccounts(1);
    for (const fault of ["unknown-stored", "refused", "unknown-lost", "refused"] as const) faulty.failNextAppend(fault);
    const outcome = await driven(platform, submitOne(sequencer, request(1, deposit(1, 5))));
    expect(short(outcome)).toBe("done");
    expect(faulty.faultsSpent).toBe(true);
    expect(store.calls.append).toBe(5);
  });

  it("outlasts a store that cannot be opened anew for a while", async () => {
    const { sequencer, store, faulty, platform, fatal } = await startWithAccounts(1);
    let failures = 3;
    store.before.recover = async () => {
      if (failures-- > 0) throw new StoreError("the disk does not answer");
    };
    faulty.failNextAppend("unknown-lost");
    const outcome = await driven(platform, submitOne(sequencer, request(1, deposit(1, 5))));
    expect(short(outcome)).toBe("done");
    expect(store.calls).toMatchObject({ recover: 4, append: 2 });
    expect(fatal).toEqual([]);
  });

  it("ends the bank where the store turns out to be damaged", async () => {
    const { sequencer, store, faulty, platform, fatal } = await startWithAccounts(1);
    store.before.recover = async () => {
      throw new CorruptStoreError("a page is gone");
    };
    faulty.failNextAppend("unknown-lost");
    await expect(driven(platform, submitOne(sequencer, request(1, deposit(1, 5))))).rejects.toMatchObject({
      refusal: { reason: "NOT_READY", outcome: "OUTCOME_UNKNOWN" },
    });
    expect(fatal).toEqual([new CorruptStoreError("a page is gone")]);
  });

  it("ends with OUTCOME_UNKNOWN for a caller whose deadline passes, and counts all the same", async () => {
    const { sequencer, faulty, platform, ledger } = await startWithAccounts(1);
    faulty.failNextAppend("unknown-surfacing");
    const deadline = new AbortController();
    const write = watch(submitOne(sequencer, request(1, deposit(1, 5)), deadline.signal));
    await until(() => faulty.faultsSpent);
    deadline.abort();
    await until(() => write.state === "rejected");
    expect((write.reason as RefusalError).refusal).toMatchObject({
      reason: "DEADLINE_EXCEEDED",
      outcome: "OUTCOME_UNKNOWN",
    });
    expect(short(await driven(platform, submitOne(sequencer, request(1, deposit(1, 5)))))).toBe("done, replayed");
    expect(balanceOf(ledger, 1)).toBe(5n);
  });

  it("is given up by a bank that drains, after one more try, and the next start finds what there is", async () => {
    const { sequencer, faulty, platform, disk, fatal } = await startWithAccounts(1);
    for (let i = 0; i < 3; i++) faulty.failNextAppend("unknown-surfacing");
    const write = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await until(() => write.state !== "pending" || platform.timerCount > 0);
    await sequencer.drain();
    expect((write.reason as RefusalError).refusal).toMatchObject({ reason: "NOT_READY", outcome: "OUTCOME_UNKNOWN" });
    expect(fatal).toHaveLength(1);
    await faulty.surface();
    expect(balanceOf((await reopened(disk)).replay.ledger, 1)).toBe(5n);
  });

  it("is settled by a bank that drains, if one more try does it", async () => {
    const { sequencer, faulty, platform, fatal } = await startWithAccounts(1);
    faulty.failNextAppend("unknown-lost");
    const write = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await until(() => platform.timerCount > 0);
    await sequencer.drain();
    expect(short(write.value!)).toBe("done");
    expect(fatal).toEqual([]);
  });
});

describe("a deadline", () => {
  it("of a request that waits its turn: it is never executed", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, ledger, committed } = fixture;
    store.holds = true;
    const first = watch(submitOne(sequencer, request(1, deposit(1, 5))));
    await appendHeld(fixture);
    const deadline = new AbortController();
    const late = watch(submitOne(sequencer, request(2, deposit(1, 50)), deadline.signal));
    deadline.abort();
    await until(() => late.state === "rejected");
    expect((late.reason as RefusalError).refusal).toMatchObject({
      reason: "DEADLINE_EXCEEDED",
      outcome: "NOT_APPLIED",
    });
    store.holds = false;
    store.passNext();
    await until(() => first.state === "fulfilled");
    await sequencer.drain();
    expect(balanceOf(ledger, 1)).toBe(5n);
    expect(committed).toHaveLength(1);
  });

  it("of a retry whose first attempt is in flight, or long committed: nobody says that nothing was applied", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store } = fixture;
    await submitOne(sequencer, request(1, deposit(1, 5)));
    store.holds = true;
    const first = watch(submitOne(sequencer, request(2, deposit(1, 5))));
    await appendHeld(fixture);
    const deadline = new AbortController();
    const retries = [1, 2].map((id) => watch(submitOne(sequencer, request(id, deposit(1, 5)), deadline.signal)));
    deadline.abort();
    await until(() => retries.every(({ state }) => state === "rejected"));
    for (const { reason } of retries) expect((reason as RefusalError).refusal.outcome).toBe("OUTCOME_UNKNOWN");
    store.passNext();
    await until(() => first.state === "fulfilled");
    await expect(submitOne(sequencer, request(2, deposit(1, 5)), deadline.signal)).rejects.toMatchObject({
      refusal: { outcome: "OUTCOME_UNKNOWN" },
    });
  });

  it("that passed before the call", async () => {
    const { sequencer, store } = await startWithAccounts(1);
    await expect(submitOne(sequencer, request(1, deposit(1, 5)), AbortSignal.abort())).rejects.toMatchObject({
      refusal: { reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" },
    });
    await rest();
    expect(store.calls.append).toBe(0);
  });

  it("of a call that was begun: its rest is executed too", async () => {
    const fixture = await startWithAccounts(1);
    const { sequencer, store, ledger } = fixture;
    store.holds = true;
    const deadline = new AbortController();
    const requests = Array.from({ length: 20_000 }, (_, i) => request(i, deposit(1, 1)));
    const many = watch(sequencer.submit(requests, deadline.signal));
    await appendHeld(fixture);
    deadline.abort();
    await until(() => many.state === "rejected");
    expect((many.reason as RefusalError).refusal.outcome).toBe("OUTCOME_UNKNOWN");
    store.holds = false;
    store.passNext();
    await sequencer.drain();
    expect(balanceOf(ledger, 1)).toBe(20_000n);
  });

  it("leaves no listener behind once the caller has its answer", async () => {
    const { sequencer } = await startWithAccounts(1);
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, "removeEventListener");
    const added = vi.spyOn(signal, "addEventListener");
    await submitOne(sequencer, request(1, deposit(1, 5)), signal);
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed).toHaveBeenCalledTimes(1);
    expect(removed.mock.calls[0]?.[1]).toBe(added.mock.calls[0]?.[1]);
  });
});

describe("a store that contradicts this bank", () => {
  it.each([new StaleEpochError("another bank began epoch 2"), new JournalConflictError("another batch is there")])(
    "ends it, once: %s",
    async (error) => {
      const fixture = await startWithAccounts(1);
      const { sequencer, store, fatal } = fixture;
      await submitOne(sequencer, request(1, deposit(1, 5)));
      store.holds = true;
      const inFlight = watch(submitOne(sequencer, request(2, deposit(1, 5))));
      await appendHeld(fixture);
      const waiting = watch(submitOne(sequencer, request(3, deposit(1, 5))));
      const retry = watch(submitOne(sequencer, request(2, deposit(1, 5))));
      const read = watch(sequencer.read((ledger) => balanceOf(ledger, 1)));
      // Wanted for the next batch, which never comes.
      sequencer.recordStateRoot(sequencer.committedPosition, new Uint8Array(32));
      store.failNext(error);
      await until(() => [inFlight, waiting, retry, read].every(({ state }) => state === "rejected"));
      const outcomes = [inFlight, waiting, retry].map(({ reason }) => (reason as RefusalError).refusal);
      expect(outcomes.map(({ reason, outcome }) => `${reason} ${outcome}`)).toEqual([
        "NOT_READY OUTCOME_UNKNOWN",
        "NOT_READY NOT_APPLIED",
        "NOT_READY OUTCOME_UNKNOWN",
      ]);
      expect((read.reason as RefusalError).refusal.reason).toBe("NOT_READY");
      await expect(submitOne(sequencer, request(4, deposit(1, 1)))).rejects.toMatchObject({
        refusal: { reason: "NOT_READY", outcome: "NOT_APPLIED" },
      });
      await expect(submitOne(sequencer, request(2, deposit(1, 5)))).rejects.toMatchObject({
        refusal: { outcome: "OUTCOME_UNKNOWN" },
      });
      await expect(sequencer.read((ledger) => ledger.position)).rejects.toMatchObject({
        refusal: { reason: "NOT_READY" },
      });
      sequencer.recordStateRoot(1, new Uint8Array(32));
      await sequencer.drain();
      expect(fatal).toEqual([error]);
      expect(store.held).toEqual([]);
    },
  );

  it("rejects the beginning of an epoch", async () => {
    const fixture = await startWithAccounts(1);
    fixture.disk.epoch = 9;
    await expect(fixture.sequencer.beginEpoch({ lossAccepted: false, raiseFormatLevel: false })).rejects.toThrow(
      StaleEpochError,
    );
  });

  it("that cannot read an earlier answer ends it too", async () => {
    const { sequencer, store, fatal, ledger } = await startWithAccounts(1);
    await submitOne(sequencer, request(1, deposit(1, 5)));
    store.before.batchAt = async () => {
      throw new StoreError("the disk does not answer");
    };
    await expect(submitOne(sequencer, request(1, deposit(1, 5)))).rejects.toMatchObject({
      refusal: { outcome: "OUTCOME_UNKNOWN" },
    });
    expect(fatal).toEqual([new StoreError("the disk does not answer")]);
    // Nothing is ahead of what is committed, and yet nothing is shown.
    expect(ledger.position).toBe(sequencer.committedPosition);
    await expect(sequencer.read((state) => state.position)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
  });
});

describe("a command that fails inside the ledger", () => {
  /** Three accounts with 100 each, branch 1 with a cash account of its own. */
  async function startFunded() {
    const fixture = await startWithAccounts(3);
    const { sequencer } = fixture;
    await submitOne(sequencer, request(1, { kind: "registerBranch", branch: 1, name: "North", address: "" }));
    await sequencer.submit([1, 2, 3].map((account) => request(1 + account, deposit(account, 99), 0)));
    await sequencer.submit([1, 2, 3].map((account) => request(5 + account, deposit(account, 1), 1)));
    fixture.committed.length = 0;
    return fixture;
  }

  it("while it is decided: fails alone, and the same id works later", async () => {
    const { sequencer, ledger, committed, platform, fatal, disk } = await startFunded();
    const find = ledger.findCustomerAccount.bind(ledger);
    const broken = vi.spyOn(ledger, "findCustomerAccount").mockImplementation((reference) => {
      if (reference === "2") throw new TypeError("a bug");
      return find(reference);
    });
    const requests = [
      request(10, withdraw(1, 1)),
      request(77, placeHold(2, 1)),
      request(11, withdraw(3, 1)),
      request(10, withdraw(1, 1)),
      request(78, placeHold(2, 1)),
    ];
    const outcomes = await sequencer.submit(requests);
    broken.mockRestore();
    expect(outcomes.map(short)).toEqual([
      "done",
      "INTERNAL NOT_APPLIED",
      "done",
      "done, replayed",
      "INTERNAL NOT_APPLIED",
    ]);
    expect([1, 2, 3].map((number) => balanceOf(ledger, number))).toEqual([99n, 100n, 99n]);
    expect(committed).toHaveLength(1);
    expect(platform.log.about("failed inside the ledger")).toHaveLength(2);
    expect(fatal).toEqual([]);
    expect(short(await submitOne(sequencer, requests[1]!))).toBe("done");
    expect(digestOf((await reopened(disk)).replay.ledger)).toBe(digestOf(ledger));
  });

  it("while it is applied, after others of its batch: these are taken back and run again", async () => {
    const { sequencer, ledger, committed, fatal, disk } = await startFunded();
    const cash = ledger.findInternalAccount(AccountType.CASH, 1, ledger.currencyIndex("USD")!)!;
    const { currencies } = ledger.accounts;
    // A flipped bit: deposits at branch 1 are decided well, and no ledger can apply them.
    const right = currencies[cash]!;
    currencies[cash] = 5;
    const outcomes = await sequencer.submit([
      request(10, openAccount("Grace", "JPY")),
      request(11, deposit(1, 1), 1),
      request(12, deposit(4, 7, "JPY"), 0),
      request(13, deposit(1, 1), 0),
    ]);
    currencies[cash] = right;
    expect(outcomes.map(short)).toEqual(["done", "INTERNAL NOT_APPLIED", "done", "done"]);
    expect(committed).toHaveLength(1);
    expect(fatal).toEqual([]);
    expect([1, 4].map((number) => balanceOf(ledger, number))).toEqual([101n, 7n]);
    expect(digestOf((await reopened(disk)).replay.ledger)).toBe(digestOf(ledger));
  });

  it("tells its cause to the log and an incident to the caller", async () => {
    const { sequencer, ledger, platform } = await startFunded();
    vi.spyOn(ledger, "findCustomerAccount").mockImplementation(() => {
      throw new TypeError("the secret of the vault");
    });
    const outcome = await submitOne(sequencer, request(77, placeHold(1, 1)));
    const { incident } = outcome.kind === "refused" ? outcome.error.refusal.metadata : {};
    expect(outcome.kind === "refused" && outcome.error.message).not.toContain("vault");
    expect(platform.log.about("failed inside the ledger")[0]?.fields).toEqual({
      incident,
      problem: "the secret of the vault",
    });
  });

  it("and cannot be taken back: the bank ends, and shows nothing more", async () => {
    const { sequencer, ledger, fatal, disk } = await startFunded();
    const before = await reopenedDigest(disk);
    const { movements } = ledger;
    const post = movements.post.bind(movements);
    let calls = 0;
    vi.spyOn(movements, "post").mockImplementation((debit, credit, amount, step) => {
      if (++calls !== 2) return post(debit, credit, amount, step);
      ledger.post(debit as AccountIndex, BigInt(-amount), step);
      throw new Error("half of a movement is done");
    });
    const told = [10, 11].map((id) => watch(submitOne(sequencer, request(id, withdraw(1, 1)))));
    await until(() => told.every(({ state }) => state === "rejected"));
    expect((told[1]!.reason as RefusalError).refusal.reason).toBe("NOT_READY");
    expect(fatal).toHaveLength(1);
    // Both are told: why it was to be taken back, and why it could not be.
    const [error] = fatal as [Error];
    expect(error.message).toMatch(/half of a movement is done.*could not be taken back: ./);
    expect((error.cause as Error).message).toBe("half of a movement is done");
    await expect(sequencer.read((state) => state.position)).rejects.toBeInstanceOf(RefusalError);
    await sequencer.drain();
    expect(await reopenedDigest(disk)).toBe(before);
  });
});

async function reopenedDigest(disk: Fixture["disk"]): Promise<string> {
  const holder = disk.holder;
  const { replay } = await reopened(disk);
  disk.holder = holder;
  return digestOf(replay.ledger);
}
