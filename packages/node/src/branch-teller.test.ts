import type { Session } from "@bank/core";
import { expect, it } from "vitest";
import { type Branch, BranchTeller } from "./branch-teller.ts";
import { RequestsUnderWay } from "./requests-under-way.ts";

it("gives a session for a write that is answered before it shows here only by the bank's word on its epoch", () => {
  // The branch may not have heard of the epoch of that write; a token of an older one would be told that it is lost.
  const bankId = new Uint8Array(16).fill(1);
  const epochId = new Uint8Array(16).fill(2);
  const session: Session = { bankId, seen: [] };
  const replica = { appliedPosition: 7, bankId, sessionAt: () => session } as unknown as Branch;
  const teller = new BranchTeller(1, {
    bankUrl: "",
    hosted: new Set([1]),
    replica: () => replica,
    history: () => {
      throw new Error("a session needs no history");
    },
    whenRegistered: async () => undefined,
    underWay: new RequestsUnderWay(),
    gap: undefined,
    platform: { monotonicMs: () => 0 },
  });
  expect(teller.sessionAt(7, epochId)).toBe(session);
  expect(teller.sessionAt(8)).toBeUndefined();
  expect(teller.sessionAt(8, epochId)).toEqual({ bankId, seen: [{ epochId, position: 8 }] });
  Object.assign(replica, { bankId: undefined });
  // The copy was begun anew meanwhile, and belongs to nobody yet.
  expect(teller.sessionAt(8, epochId)).toBeUndefined();
});
