import { describe, expect, it } from "vitest";
import type { Command } from "./command.ts";
import { hashCommand } from "./command-hash.ts";
import { TermHasher } from "./ledger/term-hasher.ts";

const copy = (fill: number) => new Uint8Array(16).fill(fill);
const member = (branch: number, fill = branch) => ({ branch, copyId: copy(fill) });
const durability = (copies: number, ...members: ReturnType<typeof member>[]): Command => ({
  kind: "setDurability",
  copies,
  members,
});

function hashOf(write: (term: TermHasher) => TermHasher): { low: number; high: number } {
  const term = write(new TermHasher().begin(0x636d64)).finish();
  return { low: term.a, high: term.b };
}

describe("hashCommand", () => {
  // For ever: every journal holds hashes that were made of these words.
  it.each<[string, Command, (term: TermHasher) => TermHasher, { low: number; high: number }]>([
    [
      "a new name",
      { kind: "renameBranch", target: 7, name: "North" },
      (t) => t.word(17).word(7).word(1).text("North"),
      { low: -1089194008, high: 1636551150 },
    ],
    [
      "a state",
      { kind: "setBranchState", target: 7, state: 2 },
      (t) => t.word(18).word(7).word(2),
      { low: -1551917533, high: -1501232179 },
    ],
    [
      "copies that count",
      durability(2, member(3), member(65_535), member(8)),
      (t) => t.word(19).word(2).word(3).word(3).word(8).word(65_535),
      { low: -228263385, high: 411750954 },
    ],
    ["the bank alone", durability(0), (t) => t.word(19).word(0).word(0), { low: 828992234, high: 340059497 }],
  ])("of %s is over its number and its fields, and is the pinned one", (_, command, write, pinned) => {
    expect(hashCommand(command)).toEqual(hashOf(write));
    expect(hashCommand(command)).toEqual(pinned);
  });

  it("is the same whatever the order of branches, and whichever copies they have by now", () => {
    const first = hashCommand(durability(1, member(1), member(2)));
    expect(hashCommand(durability(1, member(2, 9), member(1)))).toEqual(first);
    expect(hashCommand(durability(2, member(1), member(2)))).not.toEqual(first);
    expect(hashCommand(durability(1, member(1), member(3)))).not.toEqual(first);
    expect(hashCommand(durability(1, member(1)))).not.toEqual(first);
  });

  it("leaves the members of the command in their order", () => {
    const command = durability(1, member(2), member(1));
    hashCommand(command);
    expect(command).toEqual(durability(1, member(2), member(1)));
  });
});
