import type { RefusalError, Session } from "@bank/core";
import { deposit, request, rest, until, withdraw } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import type { OpenedBank } from "./bank-replica.test-util.ts";
import { NOT_LEADER, openLeased, posted, STALE, startFunded } from "./leased-bank.test-util.ts";
import { ordersOf } from "./orders.test-util.ts";

/** Of another bank server, which has begun an epoch since. */
function unheardOf({ bankId }: OpenedBank["bank"]): Session {
  return { bankId, seen: [{ epochId: new Uint8Array(16).fill(7), position: 3 }] };
}

/** Far behind what any clock says. */
const LATER_MS = 4e12;

describe("a bank that was replaced without noticing says nothing of the present: it", () => {
  it.each([
    {
      what: "a rejection that the state is the reason of",
      ask: ({ bank }: OpenedBank) => bank.submit([request(9, withdraw(1, 1_000))]),
    },
    {
      what: "a refusal among what is known already",
      ask: ({ bank }: OpenedBank) => bank.submit([request(2, deposit(1, 100)), request(9, STALE)]),
    },
    { what: "a preview", ask: ({ bank }: OpenedBank) => bank.preview(request(9, withdraw(1, 1_000)), () => "fine") },
    {
      what: "a read of a position that it does not know",
      ask: ({ bank }: OpenedBank) => bank.read({ mode: "position", position: 9_999 }, () => 1),
    },
    {
      what: "a read behind a session that it does not know",
      ask: ({ bank }: OpenedBank) => bank.read({ mode: "session", session: unheardOf(bank) }, () => 1),
    },
    {
      what: "a write behind a session that it does not know",
      ask: ({ bank }: OpenedBank) => bank.submit([request(9, deposit(1, 1))], { session: unheardOf(bank) }),
    },
    {
      what: "movements behind a session that it does not know",
      ask: ({ bank }: OpenedBank) =>
        bank.submitOrders(ordersOf([request(9, deposit(1, 1))]), { session: unheardOf(bank) }),
    },
    { what: "a moment that its clock has not come to", ask: ({ bank }: OpenedBank) => bank.passTime(LATER_MS) },
    { what: "whether nobody else has the store", ask: ({ bank }: OpenedBank) => bank.confirmStore() },
    { what: "whether it is the bank", ask: ({ bank }: OpenedBank) => bank.confirmBank(undefined) },
  ])("refuses $what as the first that it is asked", async ({ ask }) => {
    const old = await startFunded();
    await openLeased(old.disk);
    await expect(ask(old)).rejects.toMatchObject(NOT_LEADER);
  });
});

describe("a bank that has the lease", () => {
  const reasonOf = async (asked: Promise<unknown>) =>
    asked.then(
      () => "done",
      ({ refusal }: RefusalError) => refusal.reason,
    );

  it("says against a session, a position and a moment what it knows, once it is sure", async () => {
    const { bank, leased } = await startFunded();
    leased.confirmed = 0;
    const session = unheardOf(bank);
    expect(await reasonOf(bank.submit([request(9, deposit(1, 1))], { session }))).toBe("SESSION_LOST");
    expect(await reasonOf(bank.read({ mode: "position", position: 9_999 }, () => 1))).toBe("POSITION_IN_FUTURE");
    expect(await reasonOf(bank.passTime(LATER_MS))).toBe("TIME_IN_FUTURE");
    expect(leased.confirmed).toBe(3);
  });

  it("asks nobody before it says what stands for ever", async () => {
    const { bank, leased } = await startFunded();
    leased.confirmed = 0;
    expect(await bank.submit([request(2, deposit(1, 100))])).toMatchObject([{ kind: "answered", replayed: true }]);
    expect(await bank.submit([request(2, deposit(1, 7))])).toMatchObject([
      { kind: "refused", error: { refusal: { reason: "REQUEST_ID_REUSED" } } },
    ]);
    expect(await reasonOf(bank.read({ mode: "position", position: 1 }, () => 1))).toBe("done");
    expect(leased.confirmed).toBe(0);
  });

  it("previews on what was written before the question", async () => {
    const { bank } = await startFunded();
    await bank.submit([request(3, withdraw(1, 60))]);
    expect(await bank.preview(request(9, withdraw(1, 60)), () => "fine")).toMatchObject({
      kind: "previewed",
      value: "fine",
      position: bank.committedPosition,
    });
  });

  it("knows how old its state is also when it was idle", async () => {
    const opened = await startFunded();
    const { platform } = opened;
    for (let seconds = 0; seconds < 60; seconds++) {
      platform.advance(1_000);
      await rest();
    }
    platform.advance(700);
    const { stalenessMs, connected } = await posted(opened, "local");
    expect(connected).toBe(true);
    expect(stalenessMs).toBeLessThanOrEqual(1_000);
    await opened.bank.close();
  });

  it("tells of an age that grows while it cannot make sure, and not any more then", async () => {
    const opened = await startFunded();
    opened.leased.isAway = true;
    for (let seconds = 0; seconds < 5; seconds++) {
      opened.platform.advance(1_000);
      await rest();
    }
    expect(await posted(opened, "local")).toMatchObject({ stalenessMs: 5_000, connected: false });
    opened.leased.isAway = false;
    await until(() => opened.bank.currency.connected, { platform: opened.platform });
  });
});
