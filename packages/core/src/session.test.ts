import { describe, expect, it } from "vitest";
import type { EpochEntry } from "./ledger/entries.ts";
import { RefusalError } from "./reasons.ts";
import type { Session } from "./session.ts";
import { checkSession, mergeSessions, sessionAt } from "./session.ts";

const bank = new Uint8Array(16).fill(0xbb);
const id = (fill: number) => new Uint8Array(16).fill(fill);

/** Epoch 1 from position 1, epoch 2 from 11, epoch 3 from 21. */
const epochs: EpochEntry[] = [1, 2, 3].map((number) => ({
  number,
  id: id(number),
  firstPosition: 1 + 10 * (number - 1),
  lossAccepted: number === 2,
}));

function session(...seen: [epoch: number, position: number][]): Session {
  return { bankId: bank, seen: seen.map(([epoch, position]) => ({ epochId: id(epoch), position })) };
}

function refusalOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal;
  }
  throw new Error("there is no refusal");
}

describe("checkSession", () => {
  it("needs the highest position that was seen", () => {
    expect(checkSession(session([1, 10], [3, 25], [2, 20]), bank, epochs)).toEqual({ kind: "needs", position: 25 });
    expect(checkSession(session(), bank, epochs)).toEqual({ kind: "needs", position: 0 });
  });

  it("takes any position of the newest epoch, from its own record on", () => {
    for (const position of [21, 1_000_000])
      expect(checkSession(session([3, position]), bank, epochs)).toEqual({ kind: "needs", position });
  });

  it("is lost when it saw a position at which the next epoch began", () => {
    expect(checkSession(session([1, 10]), bank, epochs)).toEqual({ kind: "needs", position: 10 });
    expect(refusalOf(() => checkSession(session([1, 11]), bank, epochs))).toEqual({
      reason: "SESSION_LOST",
      metadata: { fork_position: "10", position: "11" },
      outcome: "NOT_APPLIED",
    });
  });

  it("is of no use with a position before its epoch, or for another bank", () => {
    expect(refusalOf(() => checkSession(session([2, 10]), bank, epochs))).toMatchObject({ reason: "SESSION_INVALID" });
    expect(refusalOf(() => checkSession(session([1, 1]), id(9), epochs))).toMatchObject({ reason: "SESSION_INVALID" });
  });

  it("does not know an epoch that is not in the table", () => {
    expect(checkSession(session([1, 5], [4, 40]), bank, epochs)).toEqual({ kind: "unknownEpoch" });
    expect(checkSession(session([1, 5]), bank, [])).toEqual({ kind: "unknownEpoch" });
  });

  // Waiting for the unknown epoch would bring nothing: what was lost stays lost.
  it("is lost at once, in whatever order it names a lost position and an unknown epoch", () => {
    for (const lost of [session([1, 11], [4, 40]), session([4, 40], [1, 11])])
      expect(refusalOf(() => checkSession(lost, bank, epochs))).toMatchObject({ reason: "SESSION_LOST" });
  });
});

describe("mergeSessions", () => {
  it("keeps the highest position of each epoch", () => {
    const merged = mergeSessions(session([1, 5], [2, 15]), session([2, 12], [1, 7], [3, 21]));
    expect(merged).toEqual(session([1, 7], [2, 15], [3, 21]));
    expect(mergeSessions(session(), session())).toEqual(session());
  });

  it("does not join the sessions of two banks", () => {
    expect(refusalOf(() => mergeSessions(session([1, 1]), { ...session([1, 1]), bankId: id(9) }))).toMatchObject({
      reason: "SESSION_INVALID",
    });
  });
});

describe("sessionAt", () => {
  it("names the epoch in which the position was written", () => {
    for (const [position, epoch] of [
      [1, 1],
      [10, 1],
      [11, 2],
      [20, 2],
      [21, 3],
      [99, 3],
    ] as const)
      expect(sessionAt(bank, epochs, position)).toEqual(session([epoch, position]));
  });

  it("is nothing before the first epoch", () => {
    expect(sessionAt(bank, epochs, 0)).toBeUndefined();
    expect(sessionAt(bank, [], 5)).toBeUndefined();
  });

  it("is satisfied by exactly the position it was made at", () => {
    for (let position = 1; position < 30; position++) {
      const made = sessionAt(bank, epochs, position) as Session;
      expect(checkSession(made, bank, epochs)).toEqual({ kind: "needs", position });
    }
  });
});
