import { BranchState } from "@bank/core";
import { rest, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import type { PropagationAsked } from "./member.ts";
import { EPOCH, idOf, type KnownCopies, knownCopies, reportOf } from "./members.test-util.ts";
import { CONNECTED_MS, DROPPED_MS } from "./members.ts";

const ALL: PropagationAsked = { mode: "allBranches" };
const quorum = (copies: number): PropagationAsked => ({ mode: "quorum", copies });

/** Waits for a position to spread, until the test says that the time is over. */
function spreading({ members }: KnownCopies, position: number, asked: PropagationAsked) {
  const over = new AbortController();
  const told = watch(members.propagated(position, asked, over.signal));
  return { told, over: () => over.abort(new Error("the time is over")) };
}

describe("what a copy reports", () => {
  it("counts by its newest report, whatever comes late", async () => {
    const known = knownCopies();
    known.hear(1, 7, { sequence: 5 });
    known.hear(1, 4, { sequence: 4 });
    known.hear(1, 3, { sequence: 5 });
    expect(known.members.connected().map(({ report }) => report.durablePosition)).toEqual([7]);
  });

  it("counts for nothing once a new run says less: its disk went back", async () => {
    const known = knownCopies();
    known.hear(1, 10, { run: 1 });
    const { told } = spreading(known, 10, quorum(1));
    await rest();
    expect(told.value?.satisfied).toBe(true);
    known.hear(1, 6, { run: 2 });
    expect(known.members.countedWith({ copies: 1, members: [{ branch: 1, copyId: idOf(1) }] }, 7)).toBe(0);
    // What the earlier run said, late.
    known.hear(1, 10, { run: 1 });
    expect(known.members.countedWith({ copies: 1, members: [{ branch: 1, copyId: idOf(1) }] }, 7)).toBe(0);
    // It was the newer one after all: the other has been silent ever since.
    known.platform.advance(DROPPED_MS + 1);
    known.hear(1, 11, { run: 1 });
    expect(known.members.countedWith({ copies: 1, members: [{ branch: 1, copyId: idOf(1) }] }, 7)).toBe(1);
  });

  it("counts only as far as its journal is this one", async () => {
    const known = knownCopies();
    known.ledger.addEpoch({ number: 2, id: idOf(901), firstPosition: 8, lossAccepted: false });
    const counted = { copies: 1, members: [{ branch: 1, copyId: idOf(1) }] };
    // It went on in the first epoch while this bank began the second.
    known.hear(1, 10, { epochId: EPOCH });
    expect([7, 8].map((position) => known.members.countedWith(counted, position))).toEqual([1, 0]);
    known.hear(1, 10, { epochId: idOf(901) });
    expect([10, 11].map((position) => known.members.countedWith(counted, position))).toEqual([1, 0]);
    known.hear(1, 10, { epochId: idOf(902) });
    expect(known.members.countedWith(counted, 1)).toBe(0);
    expect(known.members.connectedMs(reportOf(1, 10, { sequence: 99 }))).toBe(0);
  });

  it("says since when it has been connected, anew after a silence", () => {
    const known = knownCopies();
    known.hear(1, 10);
    const since = known.platform.wallMs();
    known.platform.advance(CONNECTED_MS);
    known.hear(1, 10);
    expect(known.members.connected()[0]?.connectedSinceMs).toBe(since);
    known.platform.advance(DROPPED_MS + 1);
    expect(known.members.connected()).toEqual([]);
    known.hear(1, 10);
    expect(known.members.connected()[0]?.connectedSinceMs).toBe(since + CONNECTED_MS + DROPPED_MS + 1);
  });

  it("is not refreshed by what others pass on again of it", () => {
    const known = knownCopies();
    known.hear(2, 10, { sequence: 1 });
    known.platform.advance(DROPPED_MS);
    known.members.hear([reportOf(1, 10, { sequence: 1 }), reportOf(2, 10, { sequence: 1 })]);
    known.platform.advance(1);
    expect(known.members.connected().map(({ report }) => report.branches)).toEqual([[1]]);
  });

  it("names whom it follows: the bank where it asks itself, and what servers between have said", () => {
    const known = knownCopies();
    known.members.hear([
      reportOf(1, 10, { sequence: 1, follows: 9 }),
      reportOf(2, 10, { sequence: 1, follows: 1, joined: true }),
    ]);
    expect(known.members.connected().map(({ report }) => [report.branches[0], report.follows])).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  it("is forgotten in favour of new ones where there are very many, but never while it is connected", () => {
    const known = knownCopies();
    for (let number = 1; number <= 4_000; number++) known.hear(number, 10);
    expect(() => known.hear(5_000, 10)).toThrow("4000 copies of the journal follow it already");
    known.hear(1, 10);
    expect(known.members.known()).toHaveLength(4_000);
    known.platform.advance(DROPPED_MS);
    for (let number = 3; number <= 4_000; number++) known.hear(number, 10);
    known.platform.advance(1);
    known.hear(5_000, 10);
    expect(known.members.known()).toHaveLength(4_000);
    expect(known.members.known().filter(({ report }) => report.branches[0]! <= 2)).toHaveLength(1);
  });
});

describe("a copy may call itself connected", () => {
  it("once it is as far as the bank was a moment ago, and for as long as it is heard of", () => {
    const known = knownCopies();
    const asked = (position: number) => {
      known.hear(1, position);
      return known.members.connectedMs(reportOf(1, position, { sequence: 0 }));
    };
    expect(asked(3)).toBe(0);
    known.committed = 20;
    // It has what the bank had when it came; the bank has gone on.
    expect(asked(9)).toBe(0);
    known.committed = 30;
    expect(asked(20)).toBe(CONNECTED_MS);
    known.committed = 90;
    expect(asked(21)).toBe(CONNECTED_MS);
    known.platform.advance(DROPPED_MS + 1);
    expect(asked(22)).toBe(0);
    expect(asked(90)).toBe(CONNECTED_MS);
  });

  it("not before it has caught up again where it begins anew", () => {
    const known = knownCopies();
    known.hear(1, 10);
    expect(known.members.connectedMs(reportOf(1, 10, { sequence: 0 }))).toBe(CONNECTED_MS);
    known.hear(1, 4, { run: 2 });
    expect(known.members.connectedMs(reportOf(1, 4, { sequence: 0 }))).toBe(0);
  });

  it("not where it says nothing of itself", () => {
    expect(knownCopies().members.connectedMs(undefined)).toBe(0);
  });
});

describe("a quorum", () => {
  it("is so many copies that have it on disk, shown or not, connected or not", async () => {
    const known = knownCopies();
    const { told } = spreading(known, 10, quorum(2));
    expect(known.wanted).toEqual([10]);
    known.hear(1, 10, { branches: [1, 7] });
    known.hear(2, 9);
    known.platform.advance(DROPPED_MS + 1);
    await rest();
    expect(told.state).toBe("pending");
    known.hear(3, 2, { durablePosition: 10 });
    await rest();
    expect(told.value).toEqual({
      asked: quorum(2),
      satisfied: true,
      copiesReached: 2,
      reached: [1, 7],
      missing: [3],
      disconnected: [2],
    });
    expect(known.wanted).toEqual([10, 0]);
  });

  it("counts no copy that lies in memory", async () => {
    const known = knownCopies();
    const { told } = spreading(known, 10, quorum(1));
    known.hear(1, 10, { onDisk: false });
    await rest();
    expect(told.state).toBe("pending");
    // One that still lacks the past has what is new on its disk all the same.
    known.hear(2, 10, { whole: false });
    await rest();
    expect(told.value).toMatchObject({ satisfied: true, copiesReached: 1 });
  });

  it("that cannot be reached is not waited for", async () => {
    const known = knownCopies({ branches: 2 });
    const { told } = spreading(known, 10, quorum(3));
    await rest();
    expect(told.value).toMatchObject({ satisfied: false, copiesReached: 0, disconnected: [1, 2] });
    expect(known.wanted).toEqual([]);
  });

  it("that is not reached in time is told as it is", async () => {
    const known = knownCopies();
    known.hear(1, 10);
    known.hear(2, 8);
    const { told, over } = spreading(known, 10, quorum(2));
    await rest();
    expect(told.state).toBe("pending");
    over();
    await rest();
    expect(told.value).toEqual({
      asked: quorum(2),
      satisfied: false,
      copiesReached: 1,
      reached: [1],
      missing: [2],
      disconnected: [3],
    });
  });

  it("of what is not committed does not exist", async () => {
    const known = knownCopies();
    const { told } = spreading(known, 11, quorum(1));
    await rest();
    expect(told.value).toMatchObject({ satisfied: false, copiesReached: 0 });
    expect(known.wanted).toEqual([]);
  });
});

describe("all branches", () => {
  it("are those that may call themselves connected: each must have it on disk and show it", async () => {
    const known = knownCopies();
    known.hear(1, 10);
    known.hear(2, 10);
    known.committed = 12;
    const { told } = spreading(known, 12, ALL);
    expect(known.wanted).toEqual([12]);
    known.hear(1, 12);
    known.hear(2, 11, { durablePosition: 12 });
    await rest();
    expect(told.state).toBe("pending");
    known.hear(2, 12, { durablePosition: 11 });
    await rest();
    expect(told.state).toBe("pending");
    known.hear(2, 12);
    await rest();
    expect(told.value).toEqual({
      asked: ALL,
      satisfied: true,
      copiesReached: 2,
      reached: [1, 2],
      missing: [],
      disconnected: [3],
    });
  });

  it("are waited for as long as they may call themselves connected, and no longer", async () => {
    expect(DROPPED_MS).toBeGreaterThan(CONNECTED_MS);
    const known = knownCopies();
    known.hear(1, 10);
    known.platform.advance(1_000);
    known.hear(2, 10);
    known.committed = 11;
    const { told } = spreading(known, 11, ALL);
    known.hear(2, 11);
    known.platform.advance(DROPPED_MS - 1_000);
    await rest();
    expect(told.state).toBe("pending");
    known.platform.advance(1);
    await rest();
    expect(told.value).toMatchObject({ satisfied: true, reached: [2], missing: [], disconnected: [1, 3] });
    expect(known.platform.timerCount).toBe(0);
  });

  it("are not those that are still catching up, but are from the moment when they may be connected", async () => {
    const known = knownCopies();
    known.hear(1, 10);
    known.hear(2, 3);
    const first = spreading(known, 10, ALL);
    await rest();
    expect(first.told.value).toMatchObject({ satisfied: true, reached: [1], missing: [2] });
    known.hear(2, 10);
    known.committed = 11;
    known.hear(1, 11);
    const second = spreading(known, 11, ALL);
    await rest();
    expect(second.told.state).toBe("pending");
    known.hear(2, 11);
    await rest();
    expect(second.told.value).toMatchObject({ satisfied: true, reached: [1, 2] });
  });

  it("may be connected to an earlier bank for a while after the start", async () => {
    const known = knownCopies({ hadPredecessor: true });
    known.hear(1, 10);
    const { told } = spreading(known, 10, ALL);
    known.platform.advance(DROPPED_MS - 1);
    known.hear(1, 10);
    await rest();
    expect(told.state).toBe("pending");
    known.platform.advance(2);
    await until(() => told.state === "fulfilled");
    expect(told.value?.satisfied).toBe(true);
    const fresh = knownCopies();
    const none = spreading(fresh, 10, ALL);
    await rest();
    expect(none.told.value).toMatchObject({ satisfied: true, reached: [], disconnected: [1, 2, 3] });
  });

  it("are not those that are retired", async () => {
    const known = knownCopies();
    known.hear(1, 10);
    known.hear(2, 10);
    known.ledger.setBranch(2, { name: "branch 2", address: "", state: BranchState.RETIRED });
    known.committed = 11;
    known.hear(1, 11);
    const { told } = spreading(known, 11, ALL);
    await rest();
    expect(told.value).toMatchObject({ satisfied: true, disconnected: [3] });
  });

  it("of a server are one copy, and those behind another branch are waited for as well", async () => {
    const known = knownCopies();
    known.committed = 11;
    known.members.hear([
      reportOf(1, 11, { sequence: 1 }),
      reportOf(2, 10, { sequence: 1, joined: true, follows: 1 }),
      reportOf(3, 2, { sequence: 1, joined: false, follows: 1 }),
    ]);
    const { told } = spreading(known, 11, ALL);
    await rest();
    expect(told.state).toBe("pending");
    known.members.hear([reportOf(1, 11, { sequence: 2 }), reportOf(2, 11, { sequence: 2, joined: true, follows: 1 })]);
    await rest();
    expect(told.value).toMatchObject({ satisfied: true, reached: [1, 2], missing: [3] });
  });
});

describe("copies that count", () => {
  const setting = { copies: 2, members: [1, 2, 3].map((branch) => ({ branch, copyId: idOf(branch) })) };
  const signal = new AbortController().signal;

  it("have a position once so many of them have it on disk, of every setting that is named", async () => {
    const known = knownCopies();
    const other = { copies: 1, members: [{ branch: 4, copyId: idOf(4) }] };
    const stored = watch(known.members.stored(12, { settings: [setting, other], isTold: false, signal }));
    known.hear(1, 0, { durablePosition: 12 });
    known.hear(4, 12);
    known.hear(5, 12);
    known.hear(2, 11);
    await rest();
    expect(stored.state).toBe("pending");
    known.hear(2, 12);
    await rest();
    expect(stored.state).toBe("fulfilled");
    expect(known.wanted).toEqual([]);
    const late = watch(known.members.stored(13, { settings: [setting], isTold: true, signal }));
    expect(known.wanted).toEqual([13]);
    expect(late.state).toBe("pending");
  });

  it("count only while a bank could go on from them: on a disk, and whole", async () => {
    const known = knownCopies();
    known.hear(1, 12, { onDisk: false });
    known.hear(2, 12, { whole: false });
    known.hear(3, 12);
    expect(known.members.countedWith(setting, 12)).toBe(1);
    expect(known.members.countedConnected(setting)).toBe(1);
    expect(known.members.countedAway(setting)).toEqual([1, 2]);
    const stored = watch(known.members.stored(12, { settings: [setting], isTold: false, signal }));
    await rest();
    expect(stored.state).toBe("pending");
    known.hear(2, 12);
    await rest();
    expect(stored.state).toBe("fulfilled");
  });

  it("are not replaced by one that is not whole yet", () => {
    const known = knownCopies();
    known.hear(7, 1, { copyId: idOf(77), branches: [1], whole: false });
    expect(known.members.replaced(setting)).toBeUndefined();
    known.hear(7, 1, { copyId: idOf(77), branches: [1] });
    expect(known.members.replaced(setting)).toEqual([{ branch: 1, copyId: idOf(77) }, ...setting.members.slice(1)]);
  });

  it("confirm that this is still the bank by numbers that were sent after the question", async () => {
    const known = knownCopies();
    known.hear(1, 10);
    known.hear(2, 10);
    const first = watch(known.members.echoed([setting], signal));
    const [echo = 0] = known.echoes;
    known.hear(1, 10, { echo });
    known.hear(2, 10, { echo });
    await rest();
    expect(first.state).toBe("fulfilled");
    const second = watch(known.members.echoed([setting], signal));
    expect(known.echoes).toEqual([echo, echo + 1]);
    known.hear(3, 10, { echo: echo + 1, epochId: idOf(902) });
    known.hear(4, 10, { echo: echo + 1 });
    await rest();
    known.hear(1, 10, { echo: echo + 1 });
    await rest();
    expect(second.state).toBe("pending");
    known.hear(2, 10, { echo: echo + 1 });
    await rest();
    expect(second.state).toBe("fulfilled");
  });

  it("are told of echoes, and so is everybody where one of them is behind another branch, or was never heard of", () => {
    const known = knownCopies();
    const { members } = setting;
    known.ledger.setDurability({ copies: 2, members, position: 5 });
    const told = () => [1, 2, 3, 4].filter((branch) => known.members.wantsEcho(idOf(branch)));
    known.hear(1, 10);
    known.hear(2, 10);
    expect(told()).toEqual([1, 2, 3, 4]);
    known.hear(3, 10);
    expect(told()).toEqual([1, 2, 3]);
    known.members.hear([reportOf(4, 10, { sequence: 50 }), reportOf(3, 10, { sequence: 50, follows: 4 })]);
    expect(told()).toEqual([1, 2, 3, 4]);
  });

  it("are connected or not, and a branch whose own is silent may have another", () => {
    const known = knownCopies();
    known.hear(1, 10);
    known.hear(2, 10);
    expect(known.members.countedConnected(setting)).toBe(2);
    known.hear(7, 0, { copyId: idOf(77), branches: [1] });
    // Two servers claim to be branch 1: the one that counts is there.
    expect(known.members.replaced(setting)).toBeUndefined();
    known.platform.advance(DROPPED_MS + 1);
    expect(known.members.countedConnected(setting)).toBe(0);
    expect(known.members.countedAway(setting)).toEqual([1, 2, 3]);
    known.hear(2, 10);
    expect(known.members.replaced(setting)).toBeUndefined();
    known.hear(7, 1, { copyId: idOf(77), branches: [1] });
    expect(known.members.replaced(setting)).toEqual([{ branch: 1, copyId: idOf(77) }, ...setting.members.slice(1)]);
    expect(known.members.copyOf(1)).toEqual(idOf(77));
  });

  it("are, of two that serve one branch, the one that has been connected for longest", () => {
    const known = knownCopies();
    known.hear(2, 10);
    known.hear(1, 10);
    known.platform.advance(DROPPED_MS - 1);
    known.hear(7, 10, { copyId: idOf(77), branches: [1] });
    known.platform.advance(1);
    known.hear(1, 10);
    expect(known.members.copyOf(1)).toEqual(idOf(1));
    known.platform.advance(DROPPED_MS);
    known.hear(7, 10, { copyId: idOf(77), branches: [1] });
    known.platform.advance(1);
    expect(known.members.copyOf(1)).toEqual(idOf(77));
    // It was silent, and is back: the other has been there for longer by now.
    known.hear(1, 10);
    expect(known.members.copyOf(1)).toEqual(idOf(77));
  });

  it("are replaced by one copy once, whatever branches it serves by now", () => {
    const known = knownCopies();
    known.hear(3, 10);
    known.hear(7, 1, { copyId: idOf(77), branches: [1, 2] });
    expect(known.members.replaced(setting)).toEqual([{ branch: 1, copyId: idOf(77) }, ...setting.members.slice(1)]);
  });
});
