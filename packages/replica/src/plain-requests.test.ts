import { type Command, RecordKind, RecordList, type Request } from "@bank/core";
import { deposit, openAccount, request, transfer, withdraw } from "@bank/testkit";
import { beforeAll, describe, expect, it } from "vitest";
import { cancelRequest, freeze, group } from "./commands.test-util.ts";
import { PLACES_MAX, PLACES_MISSED_MAX, PlainRequests } from "./plain-requests.ts";
import { digestOf, type Fixture, startSequencer } from "./sequencer.test-util.ts";

/** Accounts 1 to 3 with 100 each, the last in JPY; an account named "savings"; branch 1 is registered. */
async function startFunded(): Promise<Fixture> {
  const fixture = await startSequencer();
  const named = { ...openAccount(), alias: "savings" } as Command;
  await fixture.sequencer.submit([
    ...[openAccount(), openAccount(), openAccount("Ada", "JPY"), named].map((command, i) => request(900 + i, command)),
    request(910, { kind: "registerBranch", branch: 1, name: "North", address: "" }),
    ...[deposit(1, 100), deposit(2, 100), deposit(3, 100, "JPY")].map((command, i) => request(920 + i, command)),
  ]);
  return fixture;
}

describe("plain requests", () => {
  let fixture: Fixture;
  let plain: PlainRequests;

  beforeAll(async () => {
    fixture = await startFunded();
    plain = new PlainRequests(fixture.ledger);
  });

  it("are movements between accounts by number", () => {
    const records = new RecordList();
    const requests = [request(1, deposit(1, 5)), request(2, withdraw(2, 5)), request(3, transfer(1, 2, 105))];
    for (const one of [...requests, request(4, deposit(3, 1, "JPY"))]) expect(plain.execute(one, records)).toBe(true);
    expect([...records].map(({ kind }) => kind)).toEqual([
      RecordKind.DEPOSIT,
      RecordKind.WITHDRAWAL,
      RecordKind.TRANSFER,
      RecordKind.DEPOSIT,
    ]);
    expect([...records].map((record) => record.request?.id)).toEqual(
      [...requests, request(4, cancelRequest)].map(({ id }) => id),
    );
  });

  it.each<[string, Request]>([
    ...["01", "1 ", " 1", "+1", "1.0", "1e0", "0x1", "", "0", "00", "١", "savings", "cash/0/USD", "fees/0/USD"].flatMap(
      (reference): [string, Request][] => [
        [`to ${JSON.stringify(reference)}`, request(10, deposit(reference, 1))],
        [`from ${JSON.stringify(reference)}`, request(10, withdraw(reference, 1))],
        [`between 1 and ${JSON.stringify(reference)}`, request(10, transfer(1, reference, 1))],
        [`between ${JSON.stringify(reference)} and 1`, request(10, transfer(reference, 1, 1))],
      ],
    ),
    ["of more digits than numbers have", request(10, deposit("1000000000000001", 1))],
    ["of digits that would be rounded", request(10, deposit("9007199254740993", 1))],
    ...[0n, -1n, 2n ** 63n, 2n ** 64n + 1n, 1n - 2n ** 64n].map((amount): [string, Request] => [
      `of ${amount}`,
      request(10, deposit(1, amount)),
    ]),
    ["of a currency that there is not", request(10, deposit(1, 1, "???"))],
    ["of another currency", request(10, deposit(1, 1, "JPY"))],
    ["with an expected version", request(10, { ...deposit(1, 1), expectedVersion: 3 } as Command)],
    ["of nobody's", request(10, deposit(4711, 1))],
    ["that was done", request(920, deposit(1, 100))],
    ["that is beyond the funds", request(10, withdraw(1, 101))],
    ["at a branch that there is not", request(10, deposit(1, 1), 2)],
    ["at a branch without cash so far", request(10, deposit(1, 1), 1)],
    ["of a malformed principal", { ...request(10, deposit(1, 1)), principal: "\ud800" }],
    ["of somebody unknown", { ...request(10, deposit(1, 1)), principal: "somebody" }],
    ["that is none", request(10, freeze(1))],
    ["that is in a group", request(10, group(deposit(1, 1)))],
    ["that is cancelled", request(10, cancelRequest)],
  ])("is not what is %s", (_, one) => {
    const records = new RecordList();
    const before = digestOf(fixture.ledger);
    expect(plain.execute(one, records)).toBe(false);
    expect([records.length, digestOf(fixture.ledger)]).toEqual([0, before]);
  });

  it("are of whom they are, whatever else could be written the same", () => {
    const records = new RecordList();
    const by = (principal: string, id: number, currency = "USD") => ({
      ...request(id, withdraw(1, 1, currency)),
      principal,
    });
    for (const principal of ["b", "tenant/b"]) fixture.ledger.internPrincipal(principal);
    expect(plain.execute(request(2_999, deposit(1, 10)), records)).toBe(true);
    expect(plain.execute(by("tenant/b", 3_000), records)).toBe(true);
    expect(plain.execute(request(3_001, deposit(1, 1)), records)).toBe(true);
    expect(plain.execute(by("b", 3_002, "USD/tenant"), records)).toBe(false);
    expect(plain.execute(by("b", 3_002), records)).toBe(true);
    expect([...records].map(({ principal }) => principal)).toEqual(["dev", "tenant/b", "dev", "b"]);
  });

  it("are of so many callers, until others ask as much", () => {
    const { ledger } = fixture;
    const callers = Array.from({ length: PLACES_MAX + 10 }, (_, i) => `caller ${i}`);
    for (const principal of callers) ledger.internPrincipal(principal);
    const crowded = new PlainRequests(ledger);
    let id = 10_000;
    const round = () => {
      const records = new RecordList();
      return callers.filter((principal) => crowded.execute({ ...request(id++, deposit(1, 1)), principal }, records));
    };
    for (let i = 0; i < 3; i++) expect(round()).toEqual(callers.slice(0, PLACES_MAX));
    for (let i = 3 * 10; i < PLACES_MISSED_MAX; i++) {
      const late = { ...request(id, deposit(1, 1)), principal: callers.at(-1) as string };
      expect(crowded.execute(late, new RecordList())).toBe(i === PLACES_MISSED_MAX - 1);
    }
    expect(round()).toEqual([...callers.slice(0, PLACES_MAX - 1), callers.at(-1)]);
  });

  it("leave nothing of a batch behind that is over", () => {
    const done = new PlainRequests(fixture.ledger);
    const records = new RecordList();
    expect(done.execute(request(4_000, deposit(1, 1)), records)).toBe(true);
    done.endBatch();
    const kept = new Set<unknown>();
    const look = (value: unknown): void => {
      if (typeof value !== "object" || value === null || value === fixture.ledger || kept.has(value)) return;
      kept.add(value);
      if (value instanceof Map) for (const each of value.values()) look(each);
      else if (value instanceof Set) for (const each of value) look(each);
      else if (!ArrayBuffer.isView(value)) for (const each of Object.values(value)) look(each);
    };
    look(done);
    expect(kept.has(records)).toBe(false);
    expect(kept.size).toBeGreaterThan(5);
  });

  it("go on with the records of the next batch, whoever asks, and however many there are", () => {
    const lists = [new RecordList(), new RecordList(), new RecordList()];
    for (const [i, records] of lists.entries()) {
      expect(plain.execute(request(1_000 + i, deposit(1, 1)), records)).toBe(true);
      // Each has a place of its own, and not so many are remembered.
      for (let branch = 2; branch < 600; branch++)
        expect(plain.execute(request(10, deposit(1, 1), branch), records)).toBe(false);
      expect(plain.execute(request(2_000 + i, deposit(1, 1)), records)).toBe(true);
    }
    expect(lists.map((list) => [...list].map((record) => record.request?.id.at(-1)))).toEqual(
      lists.map((_, i) => [1_000 + i, 2_000 + i].map((id) => id % 256)),
    );
  });
});
