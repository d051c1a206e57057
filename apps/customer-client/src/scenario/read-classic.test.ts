import { describe, expect, it } from "vitest";
import { expectRefusal } from "./marked-text.test-util.ts";
import { readScenario } from "./read-scenario.ts";

const BRANCHES = `
  {"id": 1, "type": "branch", "balance": 10},
  {"id": 2, "type": "branch", "balance": 10}
]`;

/** A file with one customer object, 1, that has these events, and branches 1 and 2. */
const withEvents = (events: string): string => `[
  {"id": 1, "type": "customer", "events": [${events}]},${BRANCHES}`;

const read = (text: string) => readScenario(text, "f");

describe("a per-customer file", () => {
  it("puts every event at the branch with its customer's id", () => {
    const scenario = read(`[
      {"id": 2, "type": "customer", "events": [{"interface": "deposit", "money": 1.5, "id": 7}]},
      {"id": 1, "type": "customer", "events": [{"interface": "withdraw", "money": 2}, {"interface": "query"}]},
      {"id": 2, "type": "customer", "events": []},${BRANCHES}`);
    expect(scenario).toEqual({
      shape: "per-customer",
      accounts: [{ name: "shared", openingBalanceMinor: 1000n }],
      branches: [1, 2],
      customers: [
        { id: 2, events: [{ interface: "deposit", branch: 2, account: "shared", amountMinor: 150n }] },
        {
          id: 1,
          events: [
            { interface: "withdraw", branch: 1, account: "shared", amountMinor: 200n },
            { interface: "query", branch: 1, account: "shared" },
          ],
        },
        { id: 2, events: [] },
      ],
    });
  });

  it("may have customers and branches in any order, and no customers at all", () => {
    const scenario = read(`[
      {"balance": 10, "type": "branch", "id": 65535},
      {"events": [{"interface": "query"}], "type": "customer", "id": 2},
      {"id": 2, "type": "branch", "balance": 1e1}
    ]`);
    expect(scenario.branches).toEqual([65535, 2]);
    expect(scenario.customers).toEqual([{ id: 2, events: [{ interface: "query", branch: 2, account: "shared" }] }]);
    expect(read(`[${BRANCHES}`)).toMatchObject({ shape: "per-customer", customers: [] });
  });

  it("is what a file without any event is", () => {
    expect(read(withEvents(""))).toMatchObject({ shape: "per-customer", customers: [{ id: 1, events: [] }] });
  });

  it.each([
    ["a customer with events", '[{"interface": "query"}]'],
    ["a customer without events", "[]"],
  ])("is refused when %s has no branch", (_, events) => {
    const text = `[{"id": ▲3, "type": "customer", "events": ${events}},${BRANCHES}`;
    expectRefusal(text, "customer 3 talks to branch 3, which the file does not have", readScenario);
  });
});

describe("a per-event file", () => {
  it("puts every event at its own branch, and needs no branch with the customer's id", () => {
    const scenario = read(`[
      {"id": 9, "type": "customer", "events": [
        {"interface": "query", "branch": 2}, {"interface": "deposit", "money": 3, "branch": 1}
      ]},${BRANCHES}`);
    expect(scenario).toMatchObject({
      shape: "per-event",
      customers: [
        {
          id: 9,
          events: [
            { interface: "query", branch: 2 },
            { interface: "deposit", branch: 1, amountMinor: 300n },
          ],
        },
      ],
    });
  });

  it.each([
    ["has no such branch", '{"interface": "query", "branch": ▲3}', "the file has no branch 3"],
    ["names the head office", '{"interface": "query", "branch": ▲0}', "0 is the bank's head office"],
    ["names no number", '{"interface": "query", "branch": ▲"1"}', 'not the string "1"'],
    ["names a part of a branch", '{"interface": "query", "branch": ▲1.5}', "whole number from 0 to 65535, not 1.5"],
  ])("is refused when an event %s", (_, event, words) => {
    expectRefusal(withEvents(event), words, readScenario);
  });
});

describe("a final-balance file", () => {
  it("puts every event at its dest", () => {
    expect(read(withEvents('{"interface": "query", "dest": 2}'))).toMatchObject({
      shape: "final-balance",
      customers: [{ id: 1, events: [{ interface: "query", branch: 2 }] }],
    });
  });

  it("is refused when an event names a branch that does not exist", () => {
    expectRefusal(withEvents('{"interface": "query", "dest": ▲12}'), "the file has no branch 12", readScenario);
  });
});

describe("a file of mixed shapes", () => {
  it.each([
    ["dest behind branch", '{"interface": "query", "branch": 1}, {"interface": "query", ▲"dest": 1}', '"dest"'],
    ["branch behind dest", '{"interface": "query", "dest": 1}, {"interface": "query", ▲"branch": 1}', '"branch"'],
    ["neither behind branch", '{"interface": "query", "branch": 1},\n ▲{"interface": "query"}', 'neither "branch" nor'],
    [
      "neither behind dest",
      '{"interface": "query", "dest": 1}, ▲{"interface": "query"}',
      'neither "branch" nor "dest"',
    ],
    ["dest behind neither", '{"interface": "query"}, {▲"dest": 1, "interface": "query"}', '"dest"'],
  ])("is refused: %s", (_, events, words) => {
    expectRefusal(withEvents(events), `mixed shapes: this event has ${words}`, readScenario);
  });

  it("is refused when the shapes are in different customers, and names the first event", () => {
    const text = `[
      {"id": 1, "type": "customer", "events": [{"interface": "query", "dest": 1}]},
      {"id": 2, "type": "customer", "events": [▲{"interface": "query"}]},${BRANCHES}`;
    expectRefusal(text, 'the first one (line 2, column 48) has "dest"', readScenario);
  });

  it("is refused when one event has both keys, at the second of them", () => {
    const event = '{"interface": "query", "dest": 1, ▲"branch": 1}';
    expectRefusal(withEvents(event), '"branch" or "dest", not both', readScenario);
  });
});

describe("an event", () => {
  it.each([
    ["may have no id", '{"interface": "query"}'],
    ["may have an id that others have too", '{"interface": "query", "id": 1}, {"interface": "query", "id": 1}'],
    ["may have 0 as id", '{"interface": "query", "id": 0}'],
    ["may have money on a query", '{"interface": "query", "money": 400}'],
    ["may have any money on a query, because it means nothing there", '{"interface": "query", "money": "-0.001"}'],
  ])("%s", (_, events) => {
    expect(() => read(withEvents(events))).not.toThrow();
  });

  it.each([
    ["410.0", 41000n],
    ["4.1e2", 41000n],
    ["0.01", 1n],
    ["2.50", 250n],
    ["92233720368547758.07", 9223372036854775807n],
  ])("takes %s as money", (money, amountMinor) => {
    const scenario = read(withEvents(`{"interface": "deposit", "money": ${money}}`));
    expect(scenario.customers[0]?.events).toMatchObject([{ amountMinor }]);
  });

  describe.each(["deposit", "withdraw"])("that is a %s is refused", (kind) => {
    it.each([
      ["without money", `▲{"interface": "${kind}"}`, `this ${kind} has no "money"`],
      ["with money 0", `{"interface": "${kind}", "money": ▲0}`, "money must be more than zero, and is 0"],
      ["with money 0.00", `{"interface": "${kind}", "money": ▲0.00}`, "must be more than zero"],
      ["with money -0", `{"interface": "${kind}", "money": ▲-0}`, "must be more than zero"],
      ["with negative money", `{"interface": "${kind}", "money": ▲-5}`, "money must be more than zero, and is -5"],
      [
        "with too many decimals",
        `{"interface": "${kind}", "money": ▲0.005}`,
        "at most 2 decimals in USD, and 0.005 has",
      ],
      ["with too many decimals by exponent", `{"interface": "${kind}", "money": ▲1e-3}`, "at most 2 decimals"],
      [
        "with more than fits",
        `{"interface": "${kind}", "money": ▲92233720368547758.08}`,
        "more than the bank can hold",
      ],
      [
        "with endless money",
        `{"interface": "${kind}", "money": ▲1e999999999}`,
        "more than the bank can hold: 1e999999999",
      ],
      ["with a string", `{"interface": "${kind}", "money": ▲"5"}`, 'money must be a number, not the string "5"'],
      ["with null", `{"interface": "${kind}", "money": ▲null}`, "money must be a number, not null"],
      ["with an array", `{"interface": "${kind}", "money": ▲[5]}`, "money must be a number, not an array"],
      ["with true", `{"interface": "${kind}", "money": ▲true}`, "money must be a number, not true or false"],
    ])("%s", (_, event, words) => {
      expectRefusal(withEvents(event), words, readScenario);
    });
  });

  it.each([
    ["no interface", '▲{"id": 1}', 'this event has no "interface"'],
    ["an unknown interface", '{"interface": ▲"pay"}', 'unknown interface "pay"; it must be deposit, withdraw or query'],
    ["a transfer", '{"interface": ▲"transfer", "money": 1}', 'unknown interface "transfer"'],
    ["another case", '{"interface": ▲"Deposit", "money": 1}', 'unknown interface "Deposit"'],
    ["a number as interface", '{"interface": ▲7}', "interface must be a string, not the number 7"],
    [
      "an unknown key",
      '{"interface": "query", ▲"brnach": 1}',
      'unknown key "brnach" in an event; it may have id, interface',
    ],
    ["a name as id", '{"interface": "query", "id": ▲"one"}', "an event's id must be a whole number"],
    ["a negative id", '{"interface": "query", "id": ▲-1}', "an event's id must be a whole number"],
    ["a number instead of an object", "▲5", "an event must be an object, not the number 5"],
  ])("is refused with %s", (_, event, words) => {
    expectRefusal(withEvents(event), words, readScenario);
  });
});

describe("a customer", () => {
  const customer = (fields: string): string => `[▲{${fields}},${BRANCHES}`;
  const inside = (fields: string): string => `[{${fields}},${BRANCHES}`;

  it.each([
    ["no id", customer('"type": "customer", "events": []'), 'this customer has no "id"'],
    ["no events", customer('"type": "customer", "id": 1'), 'this customer has no "events"'],
    ["no type", customer('"id": 1, "events": []'), 'this object has no "type"'],
    ["an unknown type", inside('"type": ▲"bank", "id": 1'), 'unknown type "bank"; it must be customer or branch'],
    ["no string as type", inside('"type": ▲1, "id": 1'), "type must be a string, not the number 1"],
    ["0 as id", inside('"type": "customer", "id": ▲0, "events": []'), "from 1 to 9007199254740991, not 0"],
    ["a negative id", inside('"type": "customer", "id": ▲-1, "events": []'), "a customer's id must be a whole number"],
    ["a fraction as id", inside('"type": "customer", "id": ▲1.5, "events": []'), "not 1.5"],
    ["a string as id", inside('"type": "customer", "id": ▲"1", "events": []'), 'not the string "1"'],
    ["an id beyond exact numbers", inside('"type": "customer", "id": ▲9007199254740993, "events": []'), "not 9007"],
    [
      "an object as events",
      inside('"type": "customer", "id": 1, "events": ▲{}'),
      "events must be an array, not an object",
    ],
    [
      "an unknown key",
      inside('"type": "customer", "id": 1, ▲"balance": 1, "events": []'),
      'unknown key "balance" in a',
    ],
  ])("is refused with %s", (_, text, words) => {
    expectRefusal(text, words, readScenario);
  });

  it("may have its id written as any JSON number", () => {
    const scenario = read(`[{"type": "customer", "id": 0.1e1, "events": [{"interface": "query"}]},${BRANCHES}`);
    expect(scenario.customers).toMatchObject([{ id: 1, events: [{ branch: 1 }] }]);
  });
});

describe("a branch", () => {
  const one = (fields: string): string => `[{"type": "branch", ${fields}}]`;

  it.each([
    ["no id", '[▲{"type": "branch", "balance": 1}]', 'this branch has no "id"'],
    ["no balance", '[▲{"type": "branch", "id": 1}]', 'this branch has no "balance"'],
    ["0 as id", one('"id": ▲0, "balance": 1'), "a branch's id must be 1 or more: 0 is the bank's head office"],
    ["a negative id", one('"id": ▲-1, "balance": 1'), "not -1"],
    ["an id above the bank's", one('"id": ▲65536, "balance": 1'), "from 0 to 65535, not 65536"],
    ["a negative balance", one('"id": 1, "balance": ▲-0.01'), "a balance must not be negative, and is -0.01"],
    ["an over-precise balance", one('"id": 1, "balance": ▲0.001'), "a balance has at most 2 decimals"],
    ["a balance above the bank's", one('"id": 1, "balance": ▲1e17'), "more than the bank can hold"],
    ["a string as balance", one('"id": 1, "balance": ▲"1"'), "a balance must be a number"],
    ["an unknown key", one('"id": 1, "balance": 1, ▲"events": []'), 'unknown key "events" in a branch'],
    [
      "the id of another",
      `[{"type": "branch", "id": 3, "balance": 1},\n{"type": "branch", "id": ▲3, "balance": 1}]`,
      "twice, first at line 1, column 27",
    ],
  ])("is refused with %s", (_, text, words) => {
    expectRefusal(text, words, readScenario);
  });

  it("is refused when its balance is not the first one's, however that is written", () => {
    const branches = (other: string): string => `[{"type": "branch", "id": 1, "balance": 400},
      {"type": "branch", "id": 2, "balance": 4e2},
      {"type": "branch", "id": 3, "balance": ${other}}]`;
    expect(read(branches("400.00")).accounts).toEqual([{ name: "shared", openingBalanceMinor: 40000n }]);
    const words =
      "branch 3 starts with 400.01, and branch 1 with 400.00 (line 1, column 41); all branches share one account";
    expectRefusal(branches("▲400.01"), words, readScenario);
  });

  it("may be one of a thousand, and no more", () => {
    const many = (count: number): string[] =>
      Array.from({ length: count }, (_, index) => `{"type": "branch", "balance": 1, "id": ${index + 1}}`);
    expect(read(`[${many(1000).join(",")}]`).branches).toHaveLength(1000);
    const text = `[${many(1000).join(",")}, {"type": "branch", "balance": 1, "id": ▲1001}]`;
    expectRefusal(text, "more than 1000 branches", readScenario);
  });
});

describe("a file", () => {
  it.each([
    ["nothing in its array", "▲[]", "the file has no branches"],
    ["no branches", '▲[{"id": 1, "type": "customer", "events": []}]', "the file has no branches"],
    ["a number", " ▲42", "a scenario is an array of customers and branches, not the number 42"],
    ["a string", '\n▲"x"', 'not the string "x"'],
    ["an array in its array", "[▲[]]", "a customer or branch must be an object, not an array"],
    ["null in its array", "[▲null]", "a customer or branch must be an object, not null"],
  ])("is refused with %s", (_, text, words) => {
    expectRefusal(text, words, readScenario);
  });

  it("is refused when it is larger than 16 MiB", () => {
    const text = `▲[${" ".repeat(16 * 1024 * 1024)}]`;
    expectRefusal(text, "the file is larger than 16 MiB", readScenario);
  });

  it("may begin with a byte order mark, as text and as bytes, which no column counts", () => {
    expect(read(`\uFEFF${withEvents("")}`)).toEqual(read(withEvents("")));
    expect(readScenario(Buffer.from(`\uFEFF${withEvents("")}`), "f")).toEqual(read(withEvents("")));
    expectRefusal("▲42", "not the number 42", (text, file) => readScenario(`\uFEFF${text}`, file));
  });

  it("is refused when its bytes are not UTF-8", () => {
    expect(() => readScenario(Buffer.from('[\n {"type": "\xff"}]', "latin1"), "f")).toThrow("f:2:12: not valid UTF-8");
  });
});
