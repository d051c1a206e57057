import { AccountType, type Ledger, type LedgerRecord, type Position, RecordKind, type Request } from "@bank/core";
import { deposit, openAccount, request, rest, transfer, until, watch, withdraw } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { cancelRequest, captureHold, freeze, group, later, placeHold, reverse } from "./commands.test-util.ts";
import type { Preview } from "./outcome.ts";
import { answered, balanceOf, digestOf, short } from "./sequencer.test-util.ts";

interface Seen {
  readonly kinds: readonly number[];
  readonly last: LedgerRecord;
  readonly firstPosition: Position;
  readonly timeMs: number;
  readonly balances: readonly bigint[];
}

const see = (records: readonly LedgerRecord[], firstPosition: Position, timeMs: number, ledger: Ledger): Seen => ({
  kinds: records.map(({ kind }) => kind),
  last: records.at(-1)!,
  firstPosition,
  timeMs,
  balances: Array.from({ length: ledger.nextAccountNumber - 1 }, (_, i) => balanceOf(ledger, i + 1)),
});

/** Two accounts, with 100 on the first. */
async function startFunded(): Promise<OpenedBank> {
  const opened = await openBank();
  await opened.bank.submit([request(901, openAccount()), request(902, openAccount()), request(903, deposit(1, 100))]);
  return opened;
}

function previewed<T>(preview: Preview<T>): T {
  if (preview.kind !== "previewed") throw new Error(`it was ${preview.kind}: ${short(preview)}`);
  return preview.value;
}

const positionOf = async ({ bank }: OpenedBank, one: Request) => answered((await bank.submit([one]))[0]!).position;

describe("a preview", () => {
  it("shows what would happen, and changes nothing", async () => {
    const opened = await startFunded();
    const { bank, disk, platform } = opened;
    const before = { digest: digestOf(bank.ledger), position: bank.committedPosition, timeMs: bank.ledger.timeMs };
    const batches = disk.batches.length;
    platform.advance(1_000);
    const one = request(1, transfer(1, 2, 30));
    const preview = await bank.preview(one, see);
    expect(preview).toMatchObject({ kind: "previewed", position: before.position });
    expect(previewed(preview)).toMatchObject({
      kinds: [RecordKind.TRANSFER],
      firstPosition: before.position + 1,
      timeMs: before.timeMs + 1_000,
      balances: [70n, 30n],
    });
    expect({ digest: digestOf(bank.ledger), position: bank.committedPosition, timeMs: bank.ledger.timeMs }).toEqual(
      before,
    );
    expect(disk.batches).toHaveLength(batches);
    // The id is free, for the same body or another.
    expect((await bank.submit([request(1, deposit(2, 1))])).map(short)).toEqual(["done"]);
  });

  it.each([
    ["a deposit that opens the cash account", deposit(2, 5, "USD"), 7],
    ["an account in a new currency", openAccount("Grace", "KWD"), 0],
    ["a rejection", withdraw(1, 101), 0],
    ["a group", group(deposit(1, 5), placeHold(1, 105), freeze(2)), 0],
    ["a group that is rejected", group(deposit(1, 5), withdraw(2, 1)), 0],
    ["a hold", placeHold(1, 100), 0],
  ])("of %s is what then happens", async (_, command, branch) => {
    const opened = await startFunded();
    const { bank } = opened;
    if (branch > 0) await bank.submit([request(904, { kind: "registerBranch", branch, name: "", address: "" })]);
    const one = request(1, command, branch);
    const shown = previewed(await bank.preview(one, (records, firstPosition) => ({ records, firstPosition })));
    const outcome = answered((await bank.submit([one]))[0]!);
    const last = shown.records.length - 1;
    expect(shown.records[last]).toEqual(outcome.record);
    expect(shown.firstPosition + last).toBe(outcome.position);
    if (outcome.groupRecords !== undefined) expect(shown.records.slice(0, -1)).toEqual(outcome.groupRecords);
  });

  it("sees holds that are due as ended, and others as open", async () => {
    const opened = await startFunded();
    const { bank, platform } = opened;
    const hold = await positionOf(opened, request(1, placeHold(1, 100, later(opened, 50))));
    expect(previewed(await bank.preview(request(2, withdraw(1, 100)), see)).last).toMatchObject({
      rejection: { reason: "INSUFFICIENT_FUNDS" },
    });
    platform.advance(50);
    // In this very turn: the bank itself has not ended it yet.
    expect(bank.ledger.viewHold(hold)?.state).toBe(1);
    const shown = previewed(await bank.preview(request(2, withdraw(1, 100)), see));
    expect(shown.last.kind).toBe(RecordKind.WITHDRAWAL);
    expect(shown.balances[0]).toBe(0n);
  });

  it("of a reversal reads its original, once", async () => {
    const opened = await startFunded();
    const { bank, store } = opened;
    const original = await positionOf(opened, request(1, transfer(1, 2, 30)));
    await bank.submit([request(2, deposit(1, 1))]);
    const reads = store.calls.batchAt;
    const shown = previewed(await bank.preview(request(3, reverse(original)), see));
    expect(shown).toMatchObject({ last: { kind: RecordKind.REVERSAL, original }, balances: [101n, 0n] });
    expect(store.calls.batchAt).toBe(reads + 1);
    const both = group(reverse(original), reverse(original));
    expect(previewed(await bank.preview(request(3, both), see)).last).toMatchObject({
      rejection: { reason: "ALREADY_REVERSED", item: 2 },
    });
    for (const missing of [bank.committedPosition + 1, Number.MAX_SAFE_INTEGER])
      expect(previewed(await bank.preview(request(3, reverse(missing)), see)).last).toMatchObject({
        rejection: { reason: "TRANSACTION_NOT_FOUND" },
      });
  });

  it("of a reversal of what is in flight waits for it", async () => {
    const opened = await startFunded();
    const { bank, store } = opened;
    store.holds = true;
    const write = watch(bank.submit([request(1, transfer(1, 2, 30))]));
    await until(() => store.held.length === 1);
    const preview = watch(bank.preview(request(2, reverse(bank.ledger.position)), see));
    await rest();
    expect(preview.state).toBe("pending");
    store.passNext();
    await until(() => preview.state === "fulfilled");
    expect(write.state).toBe("fulfilled");
    expect(previewed(preview.value!)).toMatchObject({ last: { kind: RecordKind.REVERSAL }, balances: [100n, 0n] });
  });
});

describe("a preview waits for what it was computed from", () => {
  it("and is computed again where that was taken back", async () => {
    const opened = await startFunded();
    const { bank, store, faulty } = opened;
    store.holds = true;
    faulty.failNextAppend("refused");
    const write = watch(bank.submit([request(1, deposit(1, 50))]));
    await until(() => store.held.length === 1);
    const render = vi.fn(see);
    const preview = watch(bank.preview(request(2, withdraw(1, 120)), render));
    await rest();
    expect(preview.state).toBe("pending");
    expect(render.mock.results[0]?.value.last.kind).toBe(RecordKind.WITHDRAWAL);
    store.passNext();
    await until(() => preview.state === "fulfilled");
    expect(short(write.value![0]!)).toBe("STORE_REFUSED NOT_APPLIED");
    expect(previewed(preview.value!).last).toMatchObject({ rejection: { reason: "INSUFFICIENT_FUNDS" } });
    expect(preview.value).toMatchObject({ position: bank.committedPosition });
  });

  it("a refusal too", async () => {
    const opened = await startFunded();
    const { bank, store } = opened;
    store.holds = true;
    const write = watch(bank.submit([request(1, deposit(1, 50))]));
    await until(() => store.held.length === 1);
    const preview = watch(bank.preview(request(2, freeze(1, 2)), see));
    await rest();
    expect(preview.state).toBe("pending");
    store.passNext();
    await until(() => preview.state === "fulfilled");
    expect(preview.value).toMatchObject({
      kind: "refused",
      error: { refusal: { reason: "STALE_VERSION", metadata: { version: "3" } } },
      position: answered(write.value![0]!).position,
    });
  });

  it("and ends at its deadline", async () => {
    const opened = await startFunded();
    const { bank, store } = opened;
    store.holds = true;
    const write = watch(bank.submit([request(1, deposit(1, 50))]));
    await until(() => store.held.length === 1);
    const deadline = new AbortController();
    const preview = watch(bank.preview(request(2, withdraw(1, 1)), see, deadline.signal));
    deadline.abort();
    await until(() => preview.state === "rejected");
    expect(preview.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" } });
    store.passNext();
    await until(() => write.state === "fulfilled");
  });
});

describe("a preview of an id that was used", () => {
  it("is the original answer, whatever would happen now", async () => {
    const { bank } = await startFunded();
    const requests = [request(1, deposit(1, 5)), request(2, withdraw(2, 9)), request(3, group(deposit(1, 1)))];
    const originals = await bank.submit(requests);
    const render = vi.fn(see);
    const previews = await Promise.all(requests.map((one) => bank.preview(one, render)));
    expect(previews).toEqual(originals.map((outcome) => ({ ...outcome, replayed: true })));
    expect(answered(previews[2] as never).groupRecords).toHaveLength(1);
    expect(render).not.toHaveBeenCalled();
  });

  it("for another body is refused, and of a cancelled one is its cancellation", async () => {
    const opened = await startFunded();
    const { bank } = opened;
    const position = await positionOf(opened, request(1, deposit(1, 5)));
    expect(await bank.preview(request(1, deposit(1, 6)), see)).toMatchObject({
      kind: "refused",
      error: { refusal: { reason: "REQUEST_ID_REUSED", metadata: { position: String(position) } } },
      position,
    });
    const [cancelled] = await bank.submit([request(2, cancelRequest)]);
    expect(await bank.preview(request(2, deposit(1, 5)), see)).toEqual({ ...cancelled, replayed: true });
  });

  it("in flight waits for what becomes of it", async () => {
    const opened = await startFunded();
    const { bank, store, faulty } = opened;
    for (const isRefused of [false, true]) {
      store.holds = true;
      if (isRefused) faulty.failNextAppend("refused");
      const one = request(isRefused ? 2 : 1, deposit(1, 5));
      const write = watch(bank.submit([one]));
      await until(() => store.held.length === 1);
      const preview = watch(bank.preview(one, see));
      await rest();
      expect(preview.state).toBe("pending");
      store.holds = false;
      store.passNext();
      await until(() => preview.state === "fulfilled");
      if (isRefused) expect(preview.value!.kind).toBe("previewed");
      else expect(preview.value).toEqual({ ...write.value![0], replayed: true });
    }
  });

  it("comes behind what is wrong with the request whatever the state is", async () => {
    const { bank } = await startFunded();
    await bank.submit([request(1, deposit(1, 5))]);
    const render = vi.fn(see);
    expect(await bank.preview(request(1, deposit(1, 0)), render)).toMatchObject({
      kind: "refused",
      error: { refusal: { reason: "INVALID_AMOUNT", outcome: "NOT_APPLIED" } },
      position: 0,
    });
    expect(await bank.preview({ ...request(2, deposit(1, 1)), branch: -1 }, render)).toMatchObject({
      error: { refusal: { reason: "INVALID_REQUEST" } },
    });
    expect(render).not.toHaveBeenCalled();
  });
});

describe("a preview that fails", () => {
  it("inside the ledger is an incident, and leaves the bank as it was", async () => {
    const { bank, platform, fatal } = await startFunded();
    const before = digestOf(bank.ledger);
    const preview = await bank.preview(request(1, deposit(1, 1)), () => {
      throw new TypeError("the secret of the vault");
    });
    expect(preview).toMatchObject({
      kind: "refused",
      error: { refusal: { reason: "INTERNAL", outcome: "NOT_APPLIED" } },
    });
    expect(JSON.stringify(preview)).not.toContain("vault");
    expect(platform.log.about("failed inside the ledger")[0]?.fields["problem"]).toBe("the secret of the vault");
    expect(digestOf(bank.ledger)).toBe(before);
    expect(fatal).toEqual([]);
    expect((await bank.submit([request(1, deposit(1, 1))])).map(short)).toEqual(["done"]);
  });

  it("and cannot be taken back ends the bank, once", async () => {
    const { bank, fatal, disk } = await startFunded();
    const batches = disk.batches.length;
    const cash = bank.ledger.findInternalAccount(AccountType.CASH, 0, bank.ledger.currencyIndex("USD")!)!;
    const spoil = () => bank.ledger.post(cash, 1n, 1);
    await expect(bank.preview(request(1, deposit(1, 1)), spoil)).rejects.toMatchObject({
      refusal: { reason: "NOT_READY" },
    });
    expect(fatal).toHaveLength(1);
    await expect(bank.submit([request(2, deposit(1, 1))])).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    await expect(bank.preview(request(1, deposit(1, 1)), see)).rejects.toMatchObject({
      refusal: { reason: "NOT_READY" },
    });
    await bank.close();
    expect(fatal).toHaveLength(1);
    // Nothing of what memory then held was kept.
    expect(disk.batches).toHaveLength(batches);
    expect(disk.snapshots).toEqual([]);
  });

  it("for the bank is closed says so", async () => {
    const opened = await startFunded();
    const { bank } = opened;
    const original = await positionOf(opened, request(1, deposit(1, 5)));
    await bank.close();
    for (const one of [request(1, deposit(1, 5)), request(2, reverse(original))])
      await expect(bank.preview(one, see)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
  });

  it("does not disturb a capture that is executed right behind it", async () => {
    const opened = await startFunded();
    const { bank } = opened;
    const hold = await positionOf(opened, request(1, placeHold(1, 60)));
    const [preview, [outcome]] = await Promise.all([
      bank.preview(request(2, captureHold(hold)), see),
      bank.submit([request(3, captureHold(hold, 25))]),
    ]);
    expect(previewed(preview)).toMatchObject({ last: { amount: 60n } });
    expect(answered(outcome!).record).toMatchObject({ amount: 25n, captured: 25n });
  });
});
