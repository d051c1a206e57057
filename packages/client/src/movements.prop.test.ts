import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BankClient } from "./bank-client.ts";
import { BankError } from "./bank-error.ts";
import { clientOf, clientOfAll, overloaded, storeRefused, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import { FakeLedger } from "./fake-ledger.test-util.ts";
import type { Fault } from "./faulty-connection.test-util.ts";
import type { Booked } from "./types/index.ts";

/** `BANK_TEST_SEED` where it is set, so that a failure can be repeated, else a new one. */
const SEED = Number(process.env["BANK_TEST_SEED"] ?? 1 + Math.floor(Math.random() * 0x7fff_fffe));
const REPEAT = `[seed ${SEED}; repeat: BANK_TEST_SEED=${SEED} npx vitest run packages/client/src/movements.prop.test.ts]`;

/** What one caller asks for. */
interface Asked {
  readonly kind: "deposit" | "withdraw" | "transfer";
  readonly from: string;
  readonly to: string;
  readonly minor: bigint;
  readonly requestId: string | undefined;
}

/** Accounts 1 to 4 are there; the others no row can name, or are not there. */
const account = fc.constantFrom("1", "2", "3", "4", "4", "99", "007", "savings");
const ids = Array.from({ length: 4 }, () => randomUUID());
const asked: fc.Arbitrary<Asked> = fc.record({
  kind: fc.constantFrom("deposit", "withdraw", "transfer"),
  from: account,
  to: account,
  minor: fc.bigInt(1n, 60n),
  requestId: fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...ids, ...ids.map((id) => id.toUpperCase())) },
  ),
});

function ask(bank: BankClient, { kind, from, to, minor }: Asked, requestId: string): Promise<Booked> {
  if (kind === "deposit") return bank.deposit(to, usd(minor), { requestId });
  if (kind === "withdraw") return bank.withdraw(from, usd(minor), { requestId });
  return bank.transfer(from, to, usd(minor), { requestId });
}

/** What a caller can see of the end of his call, but for the state that it was told in, which is that of all. */
async function seen(call: Promise<Booked>) {
  try {
    const { position, session, ...booked } = await call;
    return { booked };
  } catch (error) {
    if (!(error instanceof BankError)) throw error;
    const { code, reason, message, metadata, outcome, requestId, attempts, item, violations, failures } = error;
    return { code, reason, message, metadata, outcome, requestId, attempts, item, violations, failures };
  }
}

function bankWith(minor: bigint): { readonly ledger: FakeLedger; readonly server: FakeServer } {
  const ledger = new FakeLedger();
  for (const number of ["1", "2", "3", "4"]) ledger.balances.set(number, minor);
  return { ledger, server: new FakeServer(ledger) };
}

const passing = fc.constantFrom<Fault>("refuse", "lose-request", "lose-reply", storeRefused(), overloaded());

describe(`movements that go together ${REPEAT}`, () => {
  it("end each as by itself", async () => {
    const runs = fc.asyncProperty(fc.array(asked, { maxLength: 60 }), async (plan) => {
      const [together, alone] = [bankWith(100n), bankWith(100n)];
      // Movements that no row can say go at once, before those that are gathered: they are compared in that order.
      const isRow = ({ kind, from, to }: Asked) =>
        [kind === "deposit" ? "1" : from, kind === "withdraw" ? "1" : to].every((name) => /^[1-9][0-9]*$/.test(name));
      const order = [...plan.filter((each) => !isRow(each)), ...plan.filter(isRow)];
      const named = order.map((each) => ({ each, id: each.requestId ?? randomUUID() }));
      const one = clientOf(alone.server);
      const expected = [];
      for (const { each, id } of named) expected.push(await seen(ask(one, each, id)));
      const many = clientOf(together.server);
      const calls = await Promise.all(named.map(({ each, id }) => seen(ask(many, each, id))));
      expect(calls).toEqual(expected);
      expect(together.ledger.balances).toEqual(alone.ledger.balances);
      expect(many.session).toBe(one.session);
      if (plan.filter(isRow).length > 1) expect(together.server.methods).toContain("ExecuteMovements");
    });
    await fc.assert(runs, { seed: SEED, numRuns: 40 });
  });

  it("are each done once, whatever becomes of their calls", async () => {
    const faults = fc.array(fc.oneof(passing, fc.constant<Fault>("serve")), { maxLength: 5 });
    const runs = fc.asyncProperty(
      faults,
      faults,
      fc.array(fc.nat(9), { maxLength: 4 }),
      async (atFirst, atSecond, refused) => {
        const { ledger, server: first } = bankWith(0n);
        const second = new FakeServer(ledger, 1);
        first.faults.push(...atFirst);
        second.faults.push(...atSecond);
        const bank = clientOfAll({ first, second }, { timeoutMs: 60_000 });
        const requestIds = Array.from({ length: 10 }, () => randomUUID());
        for (const row of refused) ledger.refuseOnce.add(requestIds[row] as string);
        const booked = await Promise.all(requestIds.map((requestId) => bank.deposit("1", usd(1n), { requestId })));
        expect(booked.map(({ requestId }) => requestId)).toEqual(requestIds);
        expect(new Set(booked.map(({ transaction }) => transaction.position)).size).toBe(10);
        expect(ledger.balances.get("1")).toBe(10n);
        // What was booked is there for whoever reads next, at either server.
        expect((await bank.balance("1")).posted).toEqual(usd(10n));
      },
    );
    await fc.assert(runs, { seed: SEED, numRuns: 60 });
  });
});
