import { beforeEach, describe, expect, it } from "vitest";
import { clientOfAll, failure, said, usd } from "./clients.test-util.ts";
import type { ClientOptions } from "./connect-bank.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import type { Fault } from "./faulty-connection.test-util.ts";

/** What a server says that waits for its turn: that it did nothing, of what it was asked just now. */
const waits = () => said("NOT_LEADER", { problem: "it waits for its turn", leader: "http://first" });

let first: FakeServer;
let second: FakeServer;
const client = (options: ClientOptions = {}) => clientOfAll({ first, second }, { timeoutMs: 60, ...options });

beforeEach(() => {
  [first, second] = [new FakeServer(), new FakeServer()];
  first.afterwards = waits();
  second.afterwards = waits();
});

type Client = ReturnType<typeof client>;
const WAYS: readonly (readonly [
  string,
  (bank: Client) => Promise<{ readonly outcome: string; readonly reason: string }>,
])[] = [
  ["a call", (bank) => failure(bank.openAccount({}))],
  ["a movement", (bank) => failure(bank.deposit("1", usd(5n)))],
  [
    "one of many movements",
    async (bank) => {
      const all = [1n, 2n, 3n].map((minor) => failure(bank.deposit("1", usd(minor))));
      return (await Promise.all(all))[0] as Awaited<(typeof all)[0]>;
    },
  ],
  ["a movement that no row can say", (bank) => failure(bank.deposit("1", usd(5n), { expectedVersion: 3 }))],
  ["a group", (bank) => failure(bank.executeGroup([{ kind: "deposit", account: "1", amount: usd(5n) }]))],
  ["a cancellation", (bank) => failure(bank.cancelRequest("0198b0ba-0000-7000-8000-000000000001"))],
  [
    "a command of a batch",
    async (bank) => {
      const [result] = await bank.executeBatch([{ kind: "deposit", account: "1", amount: usd(5n) }]);
      return result?.ok === false ? result.error : expect.fail("nobody leads");
    },
  ],
];

describe.each(WAYS)("%s that no server leads any more", (_, call) => {
  it.each<[string, Fault]>([
    ["lost its answer", "lose-reply"],
    ["may never have got it", "lose-request"],
    ["had no time left", "late"],
    [
      "said that it does not know",
      said("OUTCOME_UNKNOWN", { problem: "it lost its lease", request_id: "x" }, "OUTCOME_UNKNOWN"),
    ],
    ["lost its lease with it on its way", said("NOT_LEADER", { problem: "taken", leader: "x" }, "OUTCOME_UNKNOWN")],
  ])("is unknown behind a server that %s", async (_, fault) => {
    first.faults.push(fault);
    expect(await call(client())).toMatchObject({ reason: "NOT_LEADER", outcome: "OUTCOME_UNKNOWN" });
  });

  it("was not applied where all servers have always said so", async () => {
    expect(await call(client())).toMatchObject({ reason: "NOT_LEADER", outcome: "NOT_APPLIED" });
  });
});

it("settles what was unknown by the answer of the next leader", async () => {
  first.faults.push("lose-reply");
  second.faults.push(waits(), "serve");
  second.ledger.balances.set("1", 0n);
  expect(await client({ timeoutMs: 5_000 }).deposit("1", usd(5n))).toMatchObject({ transaction: { amount: usd(5n) } });
});
