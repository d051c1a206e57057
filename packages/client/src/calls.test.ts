import { beforeEach, describe, expect, it } from "vitest";
import type { BankClient } from "./bank-client.ts";
import { clientOf, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";

const REQUEST_ID = "3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11";
const options = { requestId: REQUEST_ID, expectedVersion: 1 } as const;
const head = { requestId: REQUEST_ID };
const versioned = { ...head, expectedVersion: "1" };
const money = (amountMinor: string) => ({ currencyCode: "USD", amountMinor });

let server: FakeServer;
beforeEach(async () => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
  server.ledger.balances.set("2", 0n);
});

/** A call, the RPC that it makes with which message, and what it gives besides what every mutation says. */
type Row = readonly [
  method: string,
  call: (client: BankClient) => Promise<object>,
  rpc: string,
  message: object,
  gives: object,
];

const MUTATIONS: readonly Row[] = [
  [
    "openAccount",
    (client) => client.openAccount({ type: "checking", owner: "Ada", alias: "a", metadata: { k: "v" } }, head),
    "OpenAccount",
    {
      ...head,
      type: "ACCOUNT_TYPE_CHECKING",
      owner: "Ada",
      currencyCode: "USD",
      alias: "a",
      metadata: { k: "v" },
    },
    { account: { number: "3", alias: "a", owner: "Ada", metadata: { k: "v" }, posted: usd(0n), state: "open" } },
  ],
  [
    "updateAccount",
    (client) => client.updateAccount("1", { displayName: "hats", floor: -5n, ceiling: 9n }, options),
    "UpdateAccount",
    { ...versioned, account: "1", displayName: "hats", floorMinor: "-5", ceilingMinor: "9" },
    { update: { account: "1", displayName: "hats", metadata: {}, floor: usd(-5n), ceiling: usd(9n) } },
  ],
  [
    "freezeAccount",
    (client) => client.freezeAccount("1", options),
    "FreezeAccount",
    { ...versioned, account: "1" },
    { change: { account: "1", state: "frozen" } },
  ],
  [
    "unfreezeAccount",
    (client) => client.unfreezeAccount("1", options),
    "UnfreezeAccount",
    { ...versioned, account: "1" },
    { change: { account: "1", state: "open" } },
  ],
  [
    "closeAccount",
    (client) => client.closeAccount("2", options),
    "CloseAccount",
    { ...versioned, account: "2" },
    { change: { account: "2", state: "closed" } },
  ],
  [
    "deposit",
    (client) => client.deposit("1", usd(5n), options),
    "Deposit",
    { ...versioned, account: "1", amount: money("5") },
    { transaction: { kind: "deposit", creditAccount: "1", amount: usd(5n) } },
  ],
  [
    "withdraw",
    (client) => client.withdraw("1", usd(5n), options),
    "Withdraw",
    { ...versioned, account: "1", amount: money("5") },
    { transaction: { kind: "withdrawal", debitAccount: "1", amount: usd(5n) } },
  ],
  [
    "transfer",
    (client) => client.transfer("1", "fees/0/USD", usd(5n), options),
    "Transfer",
    { ...versioned, fromAccount: "1", toAccount: "fees/0/USD", amount: money("5") },
    { transaction: { kind: "transfer", debitAccount: "1", creditAccount: "fees/0/USD" } },
  ],
  [
    "applyInterest",
    (client) => client.applyInterest("1", "12.5", options),
    "ApplyInterest",
    { ...versioned, account: "1", ratePercent: "12.5" },
    {
      interest: {
        account: "1",
        ratePercent: "12.5",
        balance: usd(1000n),
        amount: usd(125n),
        transaction: { kind: "interest", amount: usd(125n) },
      },
    },
  ],
  [
    "placeHold",
    (client) => client.placeHold("1", usd(5n), { ...options, expiresAtMs: 9_000 }),
    "PlaceHold",
    { ...versioned, account: "1", amount: money("5"), expiresAt: "1970-01-01T00:00:09Z" },
    {
      hold: {
        position: 2,
        account: "1",
        amount: usd(5n),
        captured: usd(0n),
        remaining: usd(5n),
        state: "open",
        expiresAtMs: 9_000,
      },
    },
  ],
  [
    "executeGroup",
    (client) =>
      client.executeGroup(
        [
          { kind: "deposit", account: "1", amount: usd(5n), expectedVersion: 1 },
          { kind: "freezeAccount", account: "1" },
        ],
        head,
      ),
    "ExecuteGroup",
    {
      ...head,
      items: [
        { deposit: { account: "1", amount: money("5"), expectedVersion: "1" } },
        { freezeAccount: { account: "1" } },
      ],
    },
    {
      group: {
        position: 4,
        results: [
          { kind: "transaction", transaction: { position: 2, kind: "deposit", requestId: REQUEST_ID } },
          { kind: "stateChange", change: { account: "1", state: "frozen" } },
        ],
      },
    },
  ],
];

describe("a mutation", () => {
  it.each(MUTATIONS)("of every kind is sent as it was asked for, and translated back: %s", async (...row) => {
    const [, call, rpc, message, gives] = row;
    const reply = await call(clientOf(server));
    expect(server.calls).toMatchObject([{ method: rpc }]);
    expect(server.calls[0]?.message).toEqual(message);
    expect(reply).toMatchObject({ ...gives, requestId: REQUEST_ID, replayed: false, preview: false });
    expect(await call(clientOf(server))).toMatchObject({ ...gives, requestId: REQUEST_ID, replayed: true });
  });

  it.each(MUTATIONS)("of every kind makes its own request id: %s", async (_, call) => {
    await call(anonymous(clientOf(server)));
    const [{ requestId = "" } = {}] = server.calls;
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(requestId).not.toBe(REQUEST_ID);
  });

  it("can follow on others: a reversal, captures, a release, an extension", async () => {
    const client = clientOf(server);
    const { transaction } = await client.deposit("1", usd(5n));
    const reversal = await client.reverse(transaction.position, { requestId: REQUEST_ID });
    expect(server.calls.at(-1)).toMatchObject({
      method: "ReverseTransaction",
      message: { ...head, transaction: "2" },
    });
    expect(reversal.transaction).toMatchObject({ kind: "reversal", debitAccount: "1", reverses: 2, hold: undefined });

    const { hold } = await client.placeHold("1", usd(50n));
    expect(hold.expiresAtMs).toBeUndefined();
    const extended = await client.extendHold(hold.position, 8_000);
    expect(server.calls.at(-1)).toMatchObject({
      method: "ExtendHold",
      message: { hold: String(hold.position), expiresAt: "1970-01-01T00:00:08Z" },
    });
    expect(extended.hold).toMatchObject({ state: "open", expiresAtMs: 8_000 });

    const part = await client.captureHold(hold.position, {
      amount: usd(20n),
      to: "2",
      requestId: REQUEST_ID.replace("3", "4"),
    });
    expect(server.calls.at(-1)).toMatchObject({
      method: "CaptureHold",
      message: { hold: String(hold.position), amount: money("20"), toAccount: "2" },
    });
    expect(part.capture).toMatchObject({
      transaction: { kind: "capture", debitAccount: "1", creditAccount: "2", hold: hold.position, reverses: undefined },
      hold: { captured: usd(20n), remaining: usd(30n), state: "open" },
    });
    await client.captureHold(hold.position);
    const { hold: other } = await client.placeHold("1", usd(7n));
    const released = await client.releaseHold(other.position);
    expect(server.calls.at(-1)).toMatchObject({ method: "ReleaseHold", message: { hold: String(other.position) } });
    expect(released.hold).toMatchObject({ state: "released", remaining: usd(0n) });
  });

  it("of everything that is left names no amount", async () => {
    const client = clientOf(server);
    const { hold } = await client.placeHold("1", usd(50n));
    const { capture } = await client.captureHold(hold.position, { requestId: REQUEST_ID });
    expect(server.calls.at(-1)?.message).toEqual({ ...head, hold: String(hold.position) });
    expect(capture).toMatchObject({
      transaction: { creditAccount: "cash/0/USD", amount: usd(50n) },
      hold: { state: "captured" },
    });
  });
});

describe("a preview", () => {
  it.each(MUTATIONS)("of every mutation is sent as one, says so, and changes nothing: %s", async (...row) => {
    const [, call, rpc, message] = row;
    const before = structuredClone(server.ledger.balances);
    const reply = await call(previewing(clientOf(server)));
    expect(server.calls).toMatchObject([{ method: rpc }]);
    expect(server.calls[0]?.message).toEqual({ ...message, validateOnly: true });
    expect(reply).toMatchObject({ requestId: REQUEST_ID, replayed: false, preview: true });
    expect(server.ledger.balances).toEqual(before);
    // The id is free for the thing itself.
    expect(await call(clientOf(server))).toMatchObject({ requestId: REQUEST_ID, replayed: false, preview: false });
  });
});

/** The same client with changed options: those of a mutation are the last argument of every method here. */
function withOptions(client: BankClient, change: (given: object) => object): BankClient {
  return new Proxy(client, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== "function") return method;
      return (...args: object[]) => Reflect.apply(method, target, [...args.slice(0, -1), change(args.at(-1) ?? {})]);
    },
  });
}

function previewing(client: BankClient): BankClient {
  return withOptions(client, (given) => ({ ...given, validateOnly: true }));
}

function anonymous(client: BankClient): BankClient {
  return withOptions(client, (given) => ({ ...given, requestId: undefined }));
}
