import { MemoryJournalStore } from "@bank/store";
import { describe, expect, it } from "vitest";
import { findLosses } from "./witness.ts";

const id = (byte: number) => new Uint8Array(16).fill(byte);
const hash = (byte: number) => new Uint8Array(32).fill(byte);

/** A journal whose batches end at 2, 5 and 9. */
async function someStore() {
  const store = new MemoryJournalStore();
  await store.open();
  await store.initialize(id(1));
  let previousHash = hash(0);
  let firstPosition = 1;
  for (const lastPosition of [2, 5, 9]) {
    const chainHash = hash(lastPosition);
    const frame = Uint8Array.of(1);
    await store.append([{ firstPosition, lastPosition, frame, previousHash, chainHash }], { epoch: 1 });
    previousHash = chainHash;
    firstPosition = lastPosition + 1;
  }
  return store;
}

const witness = (position: number, byte = position) => ({
  name: `w${position}`,
  position,
  chainHash: hash(byte),
  epochId: id(1),
});

describe("losses", () => {
  it("are what witnesses have and the journal lacks or has otherwise, the worst first", async () => {
    const ledger = { position: 9 };
    const witnesses = [witness(2), witness(5, 6), witness(9), witness(4), witness(10), witness(70), witness(0)];
    const losses = await findLosses(await someStore(), ledger, witnesses);
    expect(losses.map(({ kind, witness: { name }, position }) => [kind, name, position])).toEqual([
      ["behind", "w70", 9],
      ["behind", "w10", 9],
      ["differs", "w5", 9],
      ["differs", "w4", 9],
    ]);
  });
});
