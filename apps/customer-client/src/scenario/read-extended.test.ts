import { describe, expect, it } from "vitest";
import { expectRefusal } from "./marked-text.test-util.ts";
import { readScenario } from "./read-scenario.ts";

const ACCOUNTS = '[{"name": "ada", "balance": 12.5, "branch": 2}, {"name": "bob", "balance": 0}]';

/** A file with accounts ada and bob, branches 1 and 2, and one customer who has these events. */
const withEvents = (events: string): string =>
  `{"accounts": ${ACCOUNTS}, "branches": [1, 2], "customers": [{"id": 7, "events": [${events}]}]}`;

const withAccounts = (accounts: string): string => `{"branches": [1, 2], "accounts": ${accounts}, "customers": []}`;

describe("an extended file", () => {
  it("has accounts, branches, and events that name them", () => {
    const scenario = readScenario(
      withEvents(`
        {"interface": "deposit", "account": "ada", "branch": 1, "money": 1},
        {"interface": "withdraw", "account": "bob", "branch": 2, "money": 0.5, "id": 3},
        {"interface": "transfer", "from": "ada", "to": "bob", "branch": 2, "money": 2.25},
        {"interface": "query", "account": "bob", "branch": 1, "money": 0}`),
      "f",
    );
    expect(scenario).toEqual({
      shape: "extended",
      accounts: [
        { name: "ada", openingBalanceMinor: 1250n, homeBranch: 2 },
        { name: "bob", openingBalanceMinor: 0n },
      ],
      branches: [1, 2],
      customers: [
        {
          id: 7,
          events: [
            { interface: "deposit", account: "ada", branch: 1, amountMinor: 100n },
            { interface: "withdraw", account: "bob", branch: 2, amountMinor: 50n },
            { interface: "transfer", from: "ada", to: "bob", branch: 2, amountMinor: 225n },
            { interface: "query", account: "bob", branch: 1 },
          ],
        },
      ],
    });
  });

  it("may name its schema, have its keys in any order, and have no customers", () => {
    const text = `{"customers": [], "branches": [2], "$schema": "x", "accounts": [{"name": "a", "balance": 1, "branch": 2}]}`;
    expect(readScenario(text, "f")).toMatchObject({ shape: "extended", customers: [], branches: [2] });
  });

  it.each([
    ["no accounts key", '▲{"branches": [1], "customers": []}', 'this scenario has no "accounts"'],
    ["no branches key", '▲{"accounts": [], "customers": []}', 'this scenario has no "branches"'],
    ["no customers key", `▲{"accounts": ${ACCOUNTS}, "branches": [1]}`, 'this scenario has no "customers"'],
    ["an unknown key", '{▲"account": []}', 'unknown key "account" in a scenario'],
    ["no string as schema", '{"$schema": ▲1, "branches": [1], "accounts": [], "customers": []}', "must be a string"],
    ["no branches", '{"branches": ▲[], "accounts": [], "customers": []}', "the file has no branches"],
    ["no accounts", '{"branches": [1], "accounts": ▲[], "customers": []}', "the file has no accounts"],
    ["objects as branches", '{"branches": [▲{"id": 1}], "accounts": [], "customers": []}', "not an object"],
    ["branch 0", '{"branches": [▲0], "accounts": [], "customers": []}', "0 is the bank's head office"],
    [
      "a branch twice",
      '{"branches": [1, ▲1], "accounts": [], "customers": []}',
      "branch 1 is there twice, first at line 1, column 15",
    ],
    ["an object as customers", `{"branches": [1, 2], "accounts": ${ACCOUNTS}, "customers": ▲{}}`, "must be an array"],
    [
      "a customer without id",
      `{"branches": [1, 2], "accounts": ${ACCOUNTS}, "customers": [▲{"events": []}]}`,
      'no "id"',
    ],
    [
      "a typed customer",
      `{"branches": [1, 2], "accounts": ${ACCOUNTS}, "customers": [{▲"type": "customer"}]}`,
      '"type"',
    ],
  ])("is refused with %s", (_, text, words) => {
    expectRefusal(text, words, readScenario);
  });

  it("may have ten thousand accounts, and no more", () => {
    const many = (count: number): string[] =>
      Array.from({ length: count }, (_, index) => `{"name": "a${index}", "balance": 1}`);
    expect(readScenario(withAccounts(`[${many(10_000).join(",")}]`), "f").accounts).toHaveLength(10_000);
    const text = withAccounts(`[${many(10_000).join(",")}, ▲{"name": "b", "balance": 1}]`);
    expectRefusal(text, "more than 10000 accounts", readScenario);
  });
});

describe("an account of an extended file", () => {
  it.each([
    ["no name", '[▲{"balance": 1}]', 'this account has no "name"'],
    ["no balance", '[▲{"name": "a"}]', 'this account has no "balance"'],
    ["a negative balance", '[{"name": "a", "balance": ▲-1}]', "must not be negative"],
    ["an over-precise balance", '[{"name": "a", "balance": ▲1.001}]', "at most 2 decimals"],
    ["an unknown home", '[{"name": "a", "balance": 1, "branch": ▲3}]', "the file has no branch 3"],
    ["the head office as home", '[{"name": "a", "balance": 1, "branch": ▲0}]', "0 is the bank's head office"],
    ["an empty name", '[{"name": ▲"", "balance": 1}]', "an account's name has 1 to 64"],
    ["white space in its name", '[{"name": ▲"a b", "balance": 1}]', 'unlike "a b"'],
    ["a long name", `[{"name": ▲"${"a".repeat(65)}", "balance": 1}]`, "an account's name has 1 to 64"],
    ["a line end in its name", '[{"name": ▲"a\\n", "balance": 1}]', 'unlike "a\\u{a}"'],
    ["a number as name", '[{"name": ▲1, "balance": 1}]', "an account's name must be a string"],
    ["an unknown key", '[{"name": "a", "balance": 1, ▲"currency": "EUR"}]', 'unknown key "currency" in an account'],
    [
      "another's name",
      '[{"name": "a", "balance": 1},\n {"name": ▲"a", "balance": 1}]',
      "twice, first at line 1, column 44",
    ],
  ])("is refused with %s", (_, accounts, words) => {
    expectRefusal(withAccounts(accounts), words, readScenario);
  });
});

describe("an event of an extended file", () => {
  it.each([
    ["no interface", '▲{"account": "ada", "branch": 1}', 'this event has no "interface"'],
    ["an unknown interface", '{"interface": ▲"pay"}', "it must be deposit, withdraw, query or transfer"],
    ["no branch", '▲{"interface": "query", "account": "ada"}', 'this query has no "branch"'],
    ["no account", '▲{"interface": "query", "branch": 1}', 'this query has no "account"'],
    ["an unknown account", '{"interface": "query", "branch": 1, "account": ▲"eve"}', 'the file has no account "eve"'],
    ["a number as account", '{"interface": "query", "branch": 1, "account": ▲1}', '"account" must be a string'],
    ["an unknown branch", '{"interface": "query", "branch": ▲3, "account": "ada"}', "the file has no branch 3"],
    ["a dest", '{"interface": "query", ▲"dest": 1, "account": "ada"}', 'unknown key "dest" in a query'],
    ["no money", '▲{"interface": "deposit", "branch": 1, "account": "ada"}', 'this deposit has no "money"'],
    ["zero money", '{"interface": "withdraw", "branch": 1, "account": "ada", "money": ▲0}', "more than zero"],
    ["to on a deposit", '{"interface": "deposit", ▲"to": "ada"}', 'unknown key "to" in a deposit'],
    ["account on a transfer", '{"interface": "transfer", ▲"account": "ada"}', 'unknown key "account" in a transfer'],
    ["no from", '▲{"interface": "transfer", "branch": 1, "to": "ada", "money": 1}', 'this transfer has no "from"'],
    ["no to", '▲{"interface": "transfer", "branch": 1, "from": "ada", "money": 1}', 'this transfer has no "to"'],
    ["no transfer money", '▲{"interface": "transfer", "branch": 1, "from": "ada", "to": "bob"}', 'no "money"'],
    [
      "one account twice",
      '{"interface": "transfer", "branch": 1, "from": "ada", "to": ▲"ada", "money": 1}',
      "not to the same",
    ],
    ["half a cent", '{"interface": "transfer", "branch": 1, "from": "ada", "to": "bob", "money": ▲0.005}', "at most 2"],
    ["a bad id", '{"interface": "query", "branch": 1, "account": "ada", "id": ▲"1"}', "an event's id"],
  ])("is refused with %s", (_, event, words) => {
    expectRefusal(withEvents(event), words, readScenario);
  });
});
