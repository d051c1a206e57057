import { describe, expect, it } from "vitest";
import type { Command, GroupItem } from "./command.ts";
import { CANCELLED_HASH, hashCommand } from "./command-hash.ts";
import { TermHasher } from "./ledger/term-hasher.ts";

const usd = (minor: bigint) => ({ currency: "USD", minor });
const update = { kind: "updateAccount", account: "1" } as const;
const capture = { kind: "captureHold", hold: 7, to: "" } as const;

function hashOf(write: (term: TermHasher) => TermHasher): { low: number; high: number } {
  const term = write(new TermHasher().begin(0x636d64)).finish();
  return { low: term.a, high: term.b };
}

function money(term: TermHasher, minor: bigint): TermHasher {
  return term.text("USD").int64(minor);
}

describe("hashCommand", () => {
  // For ever: every journal holds hashes that were made of these words.
  it.each<[string, Command, (term: TermHasher) => TermHasher]>([
    [
      "an opening with everything",
      {
        kind: "openAccount",
        type: 2,
        owner: "Ada",
        displayName: "",
        currency: "USD",
        alias: "ada",
        metadata: { b: "2", a: "1" },
        floor: -5n,
        ceiling: 9n,
      },
      (t) => {
        t.word(1).word(2).word(1).text("Ada").word(3).text("USD").word(4).text("ada");
        t.word(5).word(2).text("a").text("1").text("b").text("2");
        return t.word(6).int64(-5n).word(7).int64(9n);
      },
    ],
    [
      "an update of everything",
      { ...update, displayName: "", metadata: {}, floor: 0n, ceiling: null },
      (t) => t.word(6).word(1).text("1").word(2).text("").word(3).word(0).word(4).int64(0n).word(5).int64(0n),
    ],
    ["an update of the floor", { ...update, floor: 7n }, (t) => t.word(6).word(1).text("1").word(4).int64(7n)],
    ["a freeze", { kind: "freezeAccount", account: "1" }, (t) => t.word(7).word(1).text("1")],
    ["its end", { kind: "unfreezeAccount", account: "1" }, (t) => t.word(8).word(1).text("1")],
    ["a closing", { kind: "closeAccount", account: "1" }, (t) => t.word(9).word(1).text("1")],
    ["a reversal", { kind: "reverse", transaction: 2 ** 40 }, (t) => t.word(10).integer(2 ** 40)],
    [
      "interest",
      { kind: "applyInterest", account: "1", rate: 2_500_000 },
      (t) => t.word(11).word(1).text("1").word(2).word(2_500_000),
    ],
    [
      "a hold",
      { kind: "placeHold", account: "1", amount: usd(5n), expiresMs: 9 },
      (t) => money(t.word(12).word(1).text("1").word(2), 5n).word(3).integer(9),
    ],
    [
      "a hold for ever",
      { kind: "placeHold", account: "1", amount: usd(5n), expiresMs: 0 },
      (t) => money(t.word(12).word(1).text("1").word(2), 5n),
    ],
    ["a capture of all", capture, (t) => t.word(13).integer(7)],
    [
      "a capture of a part",
      { ...capture, amount: usd(5n), to: "2" },
      (t) => money(t.word(13).integer(7).word(1), 5n).word(2).text("2"),
    ],
    ["a release", { kind: "releaseHold", hold: 7 }, (t) => t.word(14).integer(7)],
    ["an extension", { kind: "extendHold", hold: 7, expiresMs: 9 }, (t) => t.word(15).integer(7).word(1).integer(9)],
    [
      "a group",
      { kind: "group", items: [capture, { kind: "releaseHold", hold: 8 }] },
      (t) => t.word(16).word(2).word(13).integer(7).word(-1).word(14).integer(8).word(-1),
    ],
  ])("makes the hash of %s of the words that the format has", (_, command, write) => {
    expect(hashCommand(command)).toEqual(hashOf(write));
  });

  it("looks neither at the expected version nor at the order of metadata", () => {
    expect(hashCommand({ ...update, floor: 1n, expectedVersion: 3 })).toEqual(hashCommand({ ...update, floor: 1n }));
    const metadata = { a: "1", b: "2" };
    expect(hashCommand({ ...update, metadata: { b: "2", a: "1" } })).toEqual(hashCommand({ ...update, metadata }));
  });

  it("tells what is set to nothing from what is left as it is", () => {
    const updates: Command[] = [
      { ...update, floor: 0n },
      { ...update, floor: 0n, displayName: "" },
      { ...update, floor: 0n, metadata: {} },
      { ...update, floor: 0n, ceiling: null },
      { ...update, floor: 0n, displayName: "", metadata: {}, ceiling: null },
    ];
    expect(distinct(updates)).toBe(updates.length);
  });

  it("tells groups apart whose items end in different places", () => {
    // Without something between the items, what one ends with could be what the next begins with.
    const words = (items: GroupItem[]): Command => ({ kind: "group", items });
    const a: GroupItem = { kind: "captureHold", hold: 7, amount: usd(1n), to: "" };
    const groups = [[a, capture], [capture, a], [a, a], [capture, capture], [a], [capture]].map(words);
    expect(distinct(groups)).toBe(groups.length);
  });

  it("keeps one value for what was cancelled", () => {
    expect(hashCommand({ kind: "cancelRequest" })).toEqual(CANCELLED_HASH);
    expect(CANCELLED_HASH).toEqual({ low: 0, high: 0 });
  });
});

function distinct(commands: readonly Command[]): number {
  return new Set(commands.map((command) => JSON.stringify(hashCommand(command)))).size;
}
