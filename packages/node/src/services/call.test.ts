import { type Ledger, RefusalError } from "@bank/core";
import { decodeSession } from "@bank/rpc";
import { expect, it } from "vitest";
import type { Teller } from "../teller.ts";
import { writtenInfo } from "./call.ts";

const EPOCH = new Uint8Array(16).fill(7);

/** A teller that shows everything up to a position, and knows of one epoch. */
function tellerAt(shown: number): Teller {
  const epochs: Ledger["epochs"] = [{ id: new Uint8Array(16), number: 3, firstPosition: 1 }] as never;
  const teller: Partial<Teller> = {
    isConnected: true,
    sessionAt: (position, epochId) => ({
      bankId: new Uint8Array(16),
      seen: [{ epochId: epochId ?? new Uint8Array(16), position }],
    }),
    shows: (position) => position <= shown,
    get ledger(): Ledger {
      if (shown === 0) throw new RefusalError("NOT_READY", { problem: "nothing is here" });
      return { epochs } as Ledger;
    },
  };
  return teller as Teller;
}

it("a write that is answered before it shows here is of an epoch that is not known here", () => {
  const done = { position: 9, epochId: EPOCH, time: undefined };
  expect(writtenInfo(tellerAt(9), done).epoch).toBe(3n);
  // It may have begun a new one behind what shows here.
  for (const shown of [8, 0]) {
    const info = writtenInfo(tellerAt(shown), done);
    expect(info.epoch).toBe(0n);
    expect(decodeSession(info.session).seen).toEqual([{ epochId: EPOCH, position: 9 }]);
  }
  expect(writtenInfo(tellerAt(0), { ...done, position: 0 })).toMatchObject({ epoch: 0n, session: "" });
});
