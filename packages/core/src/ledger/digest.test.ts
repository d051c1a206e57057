import { describe, expect, it } from "vitest";
import { AccountType } from "../account.ts";
import { BranchState } from "../branch.ts";
import type { AccountIndex, CurrencyIndex } from "../identifiers.ts";
import { toHex } from "../identifiers.ts";
import type { AccountOpenedRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { apply, beginBatch, unapply } from "./apply.ts";
import {
  branch,
  deposit,
  epochBegun,
  execute,
  newLedger,
  open,
  requestId,
  smallLedger,
  stateRoot,
  transfer,
  withdraw,
} from "./ledger.test-util.ts";
import type { Ledger } from "./ledger.ts";
import { formatLevelRaised } from "./ledger-bank.test-util.ts";
import { checkSums } from "./observe.test-util.ts";

const acted = { principal: "dev", branch: 0 } as const;

function opened(change: Partial<AccountOpenedRecord>): AccountOpenedRecord {
  return {
    ...acted,
    kind: RecordKind.ACCOUNT_OPENED,
    request: undefined,
    account: 4 as AccountIndex,
    type: AccountType.SAVINGS,
    number: 4,
    name: "",
    currency: 0 as CurrencyIndex,
    homeBranch: 0,
    owner: "",
    displayName: "",
    floor: 0n,
    ...change,
  };
}

const epoch = { number: 2, id: new Uint8Array(16), firstPosition: 9, lossAccepted: false };
const copy = (fill: number) => new Uint8Array(16).fill(fill);
const member = (branch: number) => ({ branch, copyId: copy(branch) });

describe("the digest", () => {
  // For ever: every journal holds digests that were made like this.
  it("of a scripted ledger is the pinned one, step by step", () => {
    const ledger = newLedger();
    const digests = [toHex(ledger.digestBytes())];
    const step = (run: () => unknown) => {
      run();
      digests.push(toHex(ledger.digestBytes()));
    };
    step(() => beginBatch(ledger, 1_763_700_000_000));
    step(() => apply(ledger, epochBegun(1)));
    step(() => execute(ledger, branch(1), { id: requestId(1) }));
    step(() => execute(ledger, open("USD"), { id: requestId(2), branch: 1 }));
    step(() => execute(ledger, deposit("1", 12_345n), { id: requestId(3), branch: 1 }));
    step(() => execute(ledger, withdraw("1", 99_999n), { id: requestId(4), principal: "ada" }));
    step(() => apply(ledger, stateRoot(4)));
    expect(digests).toEqual([
      "c76ab69198867174e88ad1ba7a0587b1",
      "efc8a271c315ac00f26e95cee2af7314",
      "77fbee8b8fcc504896d15c216062070c",
      "ceb0d01daa08b51325218058ef1223f9",
      "4d57e7e8aff5dd8e963f2f864725d213",
      "cca42b71a180e3c2a29b844a5b4e4666",
      "e38445ed161173b1099d9ede805319b3",
      "ab5b8f420e196e6192cf8eedd648c0ab",
    ]);
  });

  // For ever, too: of what came with level 3.
  it("of branches that change, and of copies that count, is the pinned one, step by step", () => {
    const ledger = newLedger();
    const digests: string[] = [];
    const step = (run: () => unknown) => {
      run();
      digests.push(toHex(ledger.digestBytes()));
    };
    step(() => apply(ledger, epochBegun(1)));
    step(() => apply(ledger, formatLevelRaised(3)));
    step(() => execute(ledger, branch(1), { id: requestId(1) }));
    step(() => execute(ledger, { kind: "renameBranch", target: 1, name: "East" }, { id: requestId(2) }));
    step(() => execute(ledger, { kind: "setBranchState", target: 1, state: 2 }, { id: requestId(3) }));
    step(() => execute(ledger, { kind: "setDurability", copies: 1, members: [member(1)] }, { id: requestId(4) }));
    step(() => execute(ledger, { kind: "setDurability", copies: 0, members: [] }, { id: requestId(5) }));
    step(() => execute(ledger, { kind: "setBranchState", target: 1, state: 3 }, { id: requestId(6) }));
    step(() => apply(ledger, { ...epochBegun(2), promotedFrom: copy(1) }));
    checkSums(ledger);
    expect(digests).toEqual([
      "e22fc2536fbf80fe58c67cd88430f8ae",
      "67c2a75e14f37cb83dfa3a09fdabc8ec",
      "362212e194aa2ad2604a7c759daffd92",
      "281c2026293128c94482174732d6f401",
      "4f76d397b160cabfbde9e4e97bab4a86",
      "10a70898404d533ca78da7209298991d",
      "dd7d98afbefd483be1482c8993ea6c65",
      "c05a441a96c5f0ce546497fbfd5327fa",
      "4545be4539f3360b9a602becb8243f10",
    ]);
  });

  it("has nothing of a branch that is active, and of copies that were never chosen", () => {
    const digest = (change: (ledger: Ledger) => unknown) => {
      const ledger = smallLedger();
      ledger.setBranch(1, { name: "", address: "", state: BranchState.ACTIVE });
      change(ledger);
      return toHex(ledger.digestBytes());
    };
    const before = digest(() => undefined);
    const there = { name: "", address: "" };
    expect(
      digest((ledger) => {
        ledger.setBranch(1, { ...there, state: BranchState.RETIRED });
        ledger.setBranch(1, { ...there, state: BranchState.ACTIVE });
        ledger.setDurability({ copies: 1, members: [member(1)], position: 4 });
        ledger.setDurability({ copies: 0, members: [], position: 0 });
        ledger.addEpoch({ ...epoch, promotedFrom: copy(1) });
        ledger.removeNewestEpoch();
      }),
    ).toBe(before);
  });

  it("is that of the contents, whatever way led to them", () => {
    const ledger = smallLedger();
    checkSums(ledger);
    const there = toHex(ledger.digestBytes());
    const records = execute(ledger, transfer("1", "2", 5n));
    checkSums(ledger);
    expect(toHex(ledger.digestBytes())).not.toBe(there);
    for (const record of records.reverse()) unapply(ledger, record);
    expect(toHex(ledger.digestBytes())).toBe(there);
  });

  it("does not depend on the seed of the request index", () => {
    const digests = [0, 1, 77, -1].map((seed) => {
      const ledger = newLedger(seed);
      for (let n = 0; n < 50; n++) execute(ledger, open("USD"), { id: requestId(n) });
      return toHex(ledger.digestBytes());
    });
    expect(new Set(digests).size).toBe(1);
  });

  it.each<[string, (ledger: Ledger) => unknown]>([
    ["a balance", (ledger) => ledger.restoreBalance(0 as AccountIndex, 101n, 2)],
    ["a version", (ledger) => ledger.restoreBalance(0 as AccountIndex, 100n, 3)],
    ["the time", (ledger) => beginBatch(ledger, 1001)],
    ["the position", (ledger) => ledger.position++],
    ["the next account number", (ledger) => ledger.nextAccountNumber++],
    ["a remembered request", (ledger) => ledger.addRequest(0, requestId(9), 9, 0, 0)],
    ["a principal", (ledger) => ledger.internPrincipal("ada")],
    ["a currency", (ledger) => ledger.addCurrency({ code: "JPY", decimals: 0 })],
    ["a branch", (ledger) => ledger.setBranch(1, { name: "", address: "", state: BranchState.ACTIVE })],
    ["an epoch", (ledger) => ledger.addEpoch(epoch)],
    [
      "the root",
      (ledger) => {
        ledger.root = { position: 5, root: new Uint8Array(32).fill(8) };
      },
    ],
    [
      "the position of the root",
      (ledger) => {
        ledger.root = { position: 6, root: new Uint8Array(32).fill(7) };
      },
    ],
  ])("shows a change of %s alone", (_, change) => {
    const ledger = smallLedger();
    const before = toHex(ledger.digestBytes());
    change(ledger);
    expect(toHex(ledger.digestBytes())).not.toBe(before);
  });

  it("shows a change of any field of an account, a request, a branch or an epoch", () => {
    const account = { ...opened({}), openedPosition: 9, openedTimeMs: 9 };
    const changes: ((ledger: Ledger) => unknown)[] = [
      ...[
        {},
        { type: AccountType.CHECKING },
        { number: 0, name: "internal" },
        { number: 0, name: "another" },
        { currency: 1 as CurrencyIndex },
        { homeBranch: 1 },
        { owner: "x" },
        { displayName: "x" },
        { floor: -1n },
        { openedPosition: 10 },
        { openedTimeMs: 10 },
      ].map((change) => (ledger: Ledger) => ledger.addAccount({ ...account, ...change })),
      (ledger) => ledger.addRequest(0, requestId(9), 9, 0, 0),
      (ledger) => ledger.addRequest(1, requestId(9), 9, 0, 0),
      (ledger) => ledger.addRequest(0, requestId(8), 9, 0, 0),
      (ledger) => ledger.addRequest(0, requestId(9), 8, 0, 0),
      (ledger) => ledger.addRequest(0, requestId(9), 9, 1, 0),
      (ledger) => ledger.addRequest(0, requestId(9), 9, 0, 1),
      (ledger) => ledger.setBranch(1, { name: "", address: "", state: BranchState.ACTIVE }),
      (ledger) => ledger.setBranch(2, { name: "", address: "", state: BranchState.ACTIVE }),
      (ledger) => ledger.setBranch(1, { name: "x", address: "", state: BranchState.ACTIVE }),
      (ledger) => ledger.setBranch(1, { name: "", address: "x", state: BranchState.ACTIVE }),
      (ledger) => ledger.setBranch(1, { name: "", address: "", state: BranchState.DRAINING }),
      (ledger) => ledger.setBranch(1, { name: "", address: "", state: BranchState.RETIRED }),
      (ledger) => ledger.setBranch(2, { name: "", address: "", state: BranchState.RETIRED }),
      ...[
        {},
        { copies: 2 },
        { position: 5 },
        { members: [{ branch: 1, copyId: copy(1) }] },
        { members: [member(1), member(3)] },
        { members: [member(1), { branch: 2, copyId: copy(3) }] },
        { copies: 0, members: [] },
      ].map(
        (change) => (ledger: Ledger) =>
          ledger.setDurability({ copies: 1, members: [member(1), member(2)], position: 4, ...change }),
      ),
      (ledger) => ledger.addCurrency({ code: "JPY", decimals: 0 }),
      (ledger) => ledger.addCurrency({ code: "JPY", decimals: 1 }),
      (ledger) => ledger.addCurrency({ code: "KRW", decimals: 0 }),
      ...[
        {},
        { number: 3 },
        { id: copy(1) },
        { firstPosition: 8 },
        { lossAccepted: true },
        { promotedFrom: copy(0) },
        { promotedFrom: copy(1) },
        { number: 3, promotedFrom: copy(1) },
      ].map((change) => (ledger: Ledger) => ledger.addEpoch({ ...epoch, ...change })),
    ];
    const digests = changes.map((change) => {
      const ledger = smallLedger();
      change(ledger);
      return toHex(ledger.digestBytes());
    });
    expect(new Set(digests).size).toBe(changes.length);
  });
});
