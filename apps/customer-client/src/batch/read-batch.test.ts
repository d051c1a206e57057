import { describe, expect, it } from "vitest";
import { readBatch } from "./read-batch.ts";

const ID = "3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11";
const OTHER = "0b8ad4f4-3f0f-4a2e-9d8b-2f6c1b0a7d11";

/** The one command of a line, without what is undefined. */
function commandOf(line: string, currency?: string): unknown {
  const { lines, problems } = readBatch(line, currency);
  expect(problems).toEqual([]);
  const [first] = lines;
  return Object.fromEntries(Object.entries(first?.command ?? {}).filter(([, value]) => value !== undefined));
}

const usd = (minor: bigint) => ({ currency: "USD", minor });

describe("a batch file", () => {
  it.each<[string, unknown]>([
    [
      '{"command":"deposit","account":"1","amount":"12.34","currency":"usd"}',
      { kind: "deposit", account: "1", amount: usd(1234n) },
    ],
    [
      '{"command":"withdraw","account":"ada","amount":"5","currency":"JPY","expect_version":3}',
      { kind: "withdraw", account: "ada", amount: { currency: "JPY", minor: 5n }, expectedVersion: 3 },
    ],
    [
      `{"command":"transfer","from":"1","to":"fees/0/KWD","amount":"0.001","currency":"KWD","request_id":"${ID}"}`,
      { kind: "transfer", from: "1", to: "fees/0/KWD", amount: { currency: "KWD", minor: 1n }, requestId: ID },
    ],
    ['{"command":"reverse","transaction":"12"}', { kind: "reverse", transaction: 12 }],
    ['{"command":"apply_interest","account":"1","rate":"2.5%"}', { kind: "applyInterest", account: "1", rate: "2.5" }],
    [
      '{"command":"open_account","currency":"EUR","type":"checking","owner":"Ada","name":"n","alias":"ada","metadata":{"a":"b"},"overdraft":"100","ceiling":"1000"}',
      {
        kind: "openAccount",
        type: "checking",
        currency: "EUR",
        owner: "Ada",
        displayName: "n",
        alias: "ada",
        metadata: { a: "b" },
        floor: -10_000n,
        ceiling: 100_000n,
      },
    ],
    [
      '{"command":"update_account","account":"1","floor":"-50","ceiling":null,"currency":"USD"}',
      { kind: "updateAccount", account: "1", floor: -5_000n, ceiling: null },
    ],
    [
      '{"command":"update_account","account":"1","name":"","metadata":{}}',
      { kind: "updateAccount", account: "1", displayName: "", metadata: {} },
    ],
    ['{"command":"freeze_account","account":"1"}', { kind: "freezeAccount", account: "1" }],
    ['{"command":"unfreeze_account","account":"1"}', { kind: "unfreezeAccount", account: "1" }],
    ['{"command":"close_account","account":"1"}', { kind: "closeAccount", account: "1" }],
    [
      '{"command":"place_hold","account":"1","amount":"30","currency":"USD","expires_at":"2026-01-12T09:00:00Z"}',
      { kind: "placeHold", account: "1", amount: usd(3_000n), expiresAtMs: Date.UTC(2026, 0, 12, 9) },
    ],
    ['{"command":"capture_hold","hold":9}', { kind: "captureHold", hold: 9 }],
    [
      '{"command":"capture_hold","hold":"9","amount":"1","currency":"USD","to":"2"}',
      { kind: "captureHold", hold: 9, amount: usd(100n), to: "2" },
    ],
    ['{"command":"release_hold","hold":9}', { kind: "releaseHold", hold: 9 }],
    [
      '{"command":"extend_hold","hold":9,"expires_at":"2026-01-12"}',
      { kind: "extendHold", hold: 9, expiresAtMs: Date.UTC(2026, 0, 12) },
    ],
  ])("has %s", (line, command) => {
    expect(commandOf(line)).toEqual(command);
  });

  it("has groups, and a currency for all that name none", () => {
    const line = `{"command":"group","request_id":"${ID}","items":[{"command":"deposit","account":"1","amount":"1"},{"command":"deposit","account":"2","amount":"2","currency":"EUR"}]}`;
    const group = {
      kind: "group",
      requestId: ID,
      items: [
        { kind: "deposit", account: "1", amount: usd(100n) },
        { kind: "deposit", account: "2", amount: { currency: "EUR", minor: 200n } },
      ],
    };
    expect(commandOf(line, "USD")).toEqual(group);
    expect(commandOf(line.replace('"items"', '"currency":"USD","items"'))).toEqual(group);
    expect(readBatch(line, "USD").lines[0]?.commands).toBe(2);
  });

  it("has lines without a command, which count, a byte order mark or none, and ends of any system", () => {
    const text = '\r\n{"command":"reverse","transaction":1}\r\n  \n{"command":"reverse","transaction":2}';
    expect(readBatch(text, undefined).lines.map(({ line }) => line)).toEqual([2, 4]);
  });

  it.each<[string, string]>([
    ['{"command":"deposit"', "it is not JSON: "],
    ["deposit 1 5", "it is not JSON: "],
    ["[]", "a line must be one JSON object"],
    ["{}", 'it has no "command"'],
    ['{"command":7}', '"command" must be text in quotes'],
    ['{"command":"pay"}', '"pay" is no command; there are deposit, withdraw, '],
    ['{"command":"toString"}', '"toString" is no command'],
    ['{"command":"deposit","amount":"1","currency":"USD"}', 'it has no "account"'],
    ['{"command":"deposit","account":"1","currency":"USD"}', 'it has no "amount"'],
    ['{"command":"deposit","account":"1","amount":"1"}', '"amount" needs a "currency"'],
    ['{"command":"deposit","account":"1","amount":5,"currency":"USD"}', '"amount" must be text in quotes'],
    ['{"command":"deposit","account":"1","amount":"1.234","currency":"USD"}', "too many decimals"],
    ['{"command":"deposit","account":"1","amount":"0","currency":"USD"}', "more than zero"],
    ['{"command":"deposit","account":"1","amount":"1","currency":"USS"}', '"USS" is not an ISO 4217 currency code'],
    ['{"command":"deposit","account":"","amount":"1","currency":"USD"}', "account is empty"],
    [
      '{"command":"deposit","account":"1","amount":"1","amount":"10","currency":"USD"}',
      'the key "amount" stands twice',
    ],
    [
      '{"command":"deposit","account":"1","amount":"1","currency":"USD","amont":"1"}',
      '"amont" means nothing to deposit',
    ],
    ['{"command":"reverse","transaction":1,"currency":"USD"}', '"currency" means nothing to reverse'],
    ['{"command":"reverse","transaction":0}', '"transaction" must be a whole number from 1'],
    ['{"command":"reverse","transaction":1.5}', '"transaction" must be a whole number from 1'],
    ['{"command":"reverse","transaction":9007199254740993}', '"transaction" must be a whole number from 1'],
    ['{"command":"reverse","transaction":1,"expect_version":"new"}', '"expect_version" must be a whole number'],
    ['{"command":"apply_interest","account":"1","rate":"101"}', '"101" is no rate'],
    ['{"command":"open_account"}', 'needs a "currency"'],
    ['{"command":"open_account","currency":"USD","type":"gold"}', '"type" must be "savings" or "checking"'],
    ['{"command":"open_account","currency":"USD","overdraft":"5"}', "only a checking account can have an overdraft"],
    ['{"command":"open_account","currency":"USD","alias":"a/b"}', "alias"],
    ['{"command":"update_account","account":"1"}', "nothing"],
    ['{"command":"update_account","account":"1","metadata":{"a":1}}', '"metadata" must be an object of texts'],
    ['{"command":"place_hold","account":"1","amount":"1","currency":"USD","expires_at":"soon"}', '"expires_at" "soon"'],
    ['{"command":"extend_hold","hold":9}', 'it has no "expires_at"'],
    ['{"command":"reverse","transaction":1,"request_id":"mine"}', '"request_id" "mine" is no UUID'],
    ['{"command":"group"}', 'a group has "items", a list of commands'],
    ['{"command":"group","items":[]}', "1 to 100"],
    ['{"command":"group","items":[7]}', "item 1: it must be an object"],
    [
      '{"command":"group","items":[{"command":"reverse","transaction":1},{"command":"group","items":[]}]}',
      "item 2: a group holds no groups",
    ],
    [
      `{"command":"group","items":[{"command":"reverse","transaction":1,"request_id":"${ID}"}]}`,
      'item 1: "request_id" means nothing to reverse',
    ],
    [
      '{"command":"group","items":[{"command":"reverse","transaction":1},{"command":"deposit","account":"","amount":"1","currency":"USD"}]}',
      "item 2: The request is malformed: account is empty.",
    ],
  ])("is refused that says %s", (line, problem) => {
    const { lines, problems } = readBatch(`\n${line}`, undefined);
    expect(lines).toEqual([]);
    expect(problems).toEqual([{ line: 2, problem: expect.stringContaining(problem) }]);
  });

  it("tells of every line that is wrong", () => {
    const { lines, problems } = readBatch('{}\n{"command":"reverse","transaction":1}\n{', undefined);
    expect(lines).toHaveLength(1);
    expect(problems.map(({ line }) => line)).toEqual([1, 3]);
  });

  it("has no request id twice, in whatever letters", () => {
    const line = (id: string) => `{"command":"reverse","transaction":1,"request_id":"${id}"}`;
    const { problems } = readBatch([line(ID), line(OTHER), line(ID.toUpperCase())].join("\n"), undefined);
    expect(problems).toEqual([{ line: 3, problem: 'line 1 has the same "request_id"' }]);
  });

  it("is read however deep a line is nested", () => {
    const { problems } = readBatch(`{"command":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, undefined);
    expect(problems).toEqual([{ line: 1, problem: '"command" must be text in quotes' }]);
  });
});
