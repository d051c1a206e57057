import { deposit, request } from "@bank/testkit";
import { expect, it } from "vitest";
import { balanceOf, short, startWithAccounts, submitOne } from "./sequencer.test-util.ts";

it("a bank whose store has too little room does not even begin what is new, and answers what was done", async () => {
  const { sequencer, store, ledger, fatal, platform } = await startWithAccounts(1);
  let shortage: string | undefined;
  // The store itself would take everything: it is the bank that asks first.
  Object.defineProperty(store, "room", { get: () => ({ shortage }) });
  const done = await submitOne(sequencer, request(1, deposit(1, 5)));
  const { append } = store.calls;
  shortage = "the disk has 3 MiB left";
  const [old, fresh] = [request(1, deposit(1, 5)), request(2, deposit(1, 7))];
  await expect(submitOne(sequencer, fresh)).rejects.toMatchObject({
    refusal: { reason: "STORE_FULL", metadata: {}, outcome: "NOT_APPLIED" },
  });
  expect(await submitOne(sequencer, old)).toEqual({ ...done, replayed: true });
  // Of one of them it cannot be said that nothing was done.
  await expect(sequencer.submit([old, fresh])).rejects.toMatchObject({
    refusal: { reason: "STORE_FULL", outcome: "OUTCOME_UNKNOWN" },
  });
  platform.advance(5);
  await expect(sequencer.passTime(ledger.timeMs)).rejects.toMatchObject({ refusal: { reason: "STORE_FULL" } });
  expect(store.calls.append).toBe(append);
  expect(balanceOf(ledger, 1)).toBe(5n);
  shortage = undefined;
  expect(short(await submitOne(sequencer, fresh))).toBe("done");
  expect(fatal).toEqual([]);
});
