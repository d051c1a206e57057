import { encodeSession } from "@bank/rpc";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClientSession } from "./client-session.ts";

/** `BANK_TEST_SEED` where it is set, so that a failure can be repeated, else a new one. */
const SEED = Number(process.env["BANK_TEST_SEED"] ?? 1 + Math.floor(Math.random() * 0x7fff_fffe));
const REPEAT = `[seed ${SEED}; repeat: BANK_TEST_SEED=${SEED} npx vitest run packages/client/src/client-session.prop.test.ts]`;

const entry = fc.record({ epoch: fc.integer({ min: 0, max: 5 }), position: fc.integer({ min: 1, max: 1000 }) });
const token = (entries: readonly { readonly epoch: number; readonly position: number }[]) =>
  encodeSession({
    bankId: new Uint8Array(16),
    seen: entries.map(({ epoch, position }) => ({ epochId: new Uint8Array(16).fill(epoch), position })),
  });

/** The simple twin: highest position of each epoch. */
function highest(entries: readonly { readonly epoch: number; readonly position: number }[]): Map<number, number> {
  const result = new Map<number, number>();
  for (const { epoch, position } of entries) result.set(epoch, Math.max(result.get(epoch) ?? 0, position));
  return result;
}

describe(`any order of replies ${REPEAT}`, () => {
  it("leaves the highest position of each epoch", () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1 }), (entries) => {
        const session = new ClientSession();
        for (const each of entries) session.observe(token([each]));
        const expected = [...highest(entries)].map(([epoch, position]) => ({ epoch, position }));
        const twin = new ClientSession(token(expected));
        // Both say the same when each adds nothing to the other.
        expect(sizeOf(session)).toBe(sizeOf(twin));
        const joined = new ClientSession(session.token);
        joined.observe(twin.token as string);
        expect(joined.token).toBe(session.token);
      }),
      { seed: SEED },
    );
  });

  it("drops what a reply covers, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1 }), fc.array(entry, { minLength: 1 }), (before, meanwhile) => {
        const session = new ClientSession(
          token([...highest(before)].map(([epoch, position]) => ({ epoch, position }))),
        );
        const carried = session.token as string;
        for (const each of meanwhile) session.observe(token([each]));
        session.observe(token([{ epoch: 9, position: 1 }]), carried);
        const old = highest(before);
        const kept = [...highest([...before, ...meanwhile])].filter(
          ([epoch, position]) => position > (old.get(epoch) ?? 0),
        );
        expect(sizeOf(session)).toBe(kept.length + 1);
      }),
      { seed: SEED },
    );
  });
});

/** Epochs in a session: its token grows by 32 characters with each. */
function sizeOf({ token: text }: ClientSession): number {
  return Math.floor((text?.length ?? 0) / 32);
}
