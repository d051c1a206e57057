import type { Session } from "@bank/core";
import { deposit, ManualPlatform, openAccount, request } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { book, cutOff, type OpenedBank, openBank, witnessOf } from "./bank-replica.test-util.ts";
import { answered, balanceOf, short } from "./sequencer.test-util.ts";

describe("sessions", () => {
  it("of this bank's answers are satisfied by every read and write", async () => {
    const opened = await openBank();
    await book(opened, 2);
    const { bank } = opened;
    const [outcome] = await bank.submit([request(50, deposit(1, 1))]);
    const session = bank.sessionAt(answered(outcome!).position)!;
    const read = await bank.read({ mode: "session", session }, (ledger) => balanceOf(ledger, 1));
    expect(read).toMatchObject({ value: 3n, stalenessMs: 0, position: bank.committedPosition });
    expect(read.session).toEqual(session);
    expect((await bank.submit([request(51, deposit(1, 1))], { session })).map(short)).toEqual(["done"]);
    const next = await openBank({ disk: opened.disk });
    const later = await next.bank.read({ mode: "session", session }, (ledger) => balanceOf(ledger, 1));
    expect(later.value).toBe(4n);
    expect(later.session?.seen[0]?.epochId).not.toEqual(session.seen[0]?.epochId);
  });

  it("of another bank, or of the future, are invalid", async () => {
    const { bank } = await openBank();
    const other = await openBank({ platform: new ManualPlatform({ seed: 99 }) });
    const here = bank.sessionAt(1)!;
    for (const session of [other.bank.sessionAt(1)!, ahead(here, bank.committedPosition + 1)]) {
      const refusal = { refusal: { reason: "SESSION_INVALID", outcome: "NOT_APPLIED" } };
      await expect(bank.read({ mode: "session", session }, () => 0)).rejects.toMatchObject(refusal);
      await expect(bank.submit([request(1, openAccount())], { session })).rejects.toMatchObject(refusal);
    }
    expect(bank.committedPosition).toBe(2);
  });

  it("that saw what was lost are told so, with the fork, for reads and writes", async () => {
    const first = await openBank();
    await book(first, 5);
    const session = first.bank.sessionAt(first.bank.committedPosition)!;
    const kept = first.bank.sessionAt(2)!;
    cutOff(first.disk, 2);
    const fork = first.disk.head()!.position;
    const { bank } = await openBank({ disk: first.disk });
    const refusal = {
      refusal: { reason: "SESSION_LOST", metadata: { fork_position: String(fork), position: String(fork + 2) } },
    };
    await expect(bank.read({ mode: "session", session }, () => 0)).rejects.toMatchObject(refusal);
    await expect(bank.submit([request(80, deposit(1, 1))], { session })).rejects.toMatchObject(refusal);
    // Even once the new epoch has gone as far.
    await book({ bank } as OpenedBank, 5, 200);
    await expect(bank.read({ mode: "session", session }, () => 0)).rejects.toMatchObject(refusal);
    expect((await bank.read({ mode: "session", session: kept }, () => 1)).value).toBe(1);
  });

  it("of an epoch that was lost as a whole, its record too, are lost", async () => {
    const first = await openBank();
    await book(first, 3);
    const fork = first.bank.committedPosition;
    const second = await openBank({ disk: first.disk });
    await book(second, 3, 100);
    const session = second.bank.sessionAt(second.bank.committedPosition)!;
    const lost = await witnessOf(second);
    cutOff(first.disk, 4);
    const third = await openBank({ disk: first.disk, acceptLoss: true, askWitnesses: async () => [lost] });
    // Later epochs say nothing about it.
    const fourth = await openBank({ disk: third.disk });
    expect(fourth.bank.ledger.currentEpoch()!.firstPosition).toBeLessThanOrEqual(lost.position);
    await expect(fourth.bank.read({ mode: "session", session }, () => 0)).rejects.toMatchObject({
      refusal: { reason: "SESSION_LOST", metadata: { fork_position: String(fork), position: String(lost.position) } },
    });
  });
});

function ahead(session: Session, position: number): Session {
  return { ...session, seen: session.seen.map((entry) => ({ ...entry, position })) };
}
