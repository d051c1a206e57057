import type { Session } from "@bank/core";
import { expect, it } from "vitest";
import { type Branch, BranchTeller } from "./branch-teller.ts";
import { RequestsUnderWay } from "./requests-under-way.ts";

it("gives no session for a write that is answered before it shows here", () => {
  // The branch may not have heard of the epoch of that write; a token of an older one would be told that it is lost.
  const session: Session = { bankId: new Uint8Array(16), seen: [] };
  const replica = { appliedPosition: 7, sessionAt: () => session } as unknown as Branch;
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
  expect(teller.sessionAt(7)).toBe(session);
  expect(teller.sessionAt(8)).toBeUndefined();
});
