import { AppendUnknownError, LeaseLostError, MemoryDisk } from "@bank/store";
import { deposit, HeldStore, LeasedStore, ManualPlatform, openAccount, request, until, watch } from "@bank/testkit";
import { expect, it } from "vitest";
import { type OpenedBank, openBank } from "./bank-replica.test-util.ts";

/** A bank whose first fence ends as it is told. */
async function openWith(firstFence: (store: LeasedStore, disk: MemoryDisk) => Error) {
  const disk = new MemoryDisk();
  const leased = new LeasedStore(disk);
  const store = new HeldStore(leased);
  const fenced: number[] = [];
  store.before.fence = async () => {
    fenced.push(store.calls.recover);
    if (fenced.length === 1) throw firstFence(leased, disk);
  };
  const platform = new ManualPlatform();
  const opening = watch(openBank({ disk, store, platform }));
  await until(() => opening.state !== "pending", { platform });
  return { opening, store, fenced };
}

it("opens the store anew, and fences it again, where it is not known whether it is fenced", async () => {
  const { opening, store, fenced } = await openWith(() => new AppendUnknownError("the connection was lost"));
  expect(opening.state).toBe("fulfilled");
  const { bank, fatal } = opening.value as OpenedBank;
  // Not before it was opened anew, and the record of the epoch behind that.
  expect(fenced).toEqual([0, 1]);
  expect(store.calls).toMatchObject({ fence: 2, recover: 1, append: 1 });
  expect(bank.ledger.currentEpoch()?.number).toBe(1);
  await bank.submit([request(1, openAccount()), request(2, deposit(1, 100))]);
  expect(fatal).toEqual([]);
});

it("takes its lease back where the replay took longer than that lasts", async () => {
  const { opening, fenced } = await openWith((leased) => {
    leased.expire();
    return new LeaseLostError("it was not renewed for 1,700 ms");
  });
  expect(opening.state).toBe("fulfilled");
  const { bank, fatal } = opening.value as OpenedBank;
  expect(fenced).toEqual([0, expect.toSatisfy((recoveries: number) => recoveries > 0)]);
  expect(bank.ledger.currentEpoch()?.number).toBe(1);
  expect(fatal).toEqual([]);
});

it("does not begin where another server has the store by then", async () => {
  const { opening, store } = await openWith((_, disk) => {
    disk.holder = {};
    return new LeaseLostError("another server has it");
  });
  expect(opening).toMatchObject({ state: "rejected", reason: { name: "LeaseLostError" } });
  expect(store.calls.append).toBe(0);
});
