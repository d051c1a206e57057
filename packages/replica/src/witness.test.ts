import type { EpochEntry } from "@bank/core";
import { MemoryJournalStore } from "@bank/store";
import { describe, expect, it } from "vitest";
import { findLosses, lossWasAccepted } from "./witness.ts";

const id = (byte: number) => new Uint8Array(16).fill(byte);
const hash = (byte: number) => new Uint8Array(32).fill(byte);

function epoch(number: number, firstPosition: number, lossAccepted = false): EpochEntry {
  return { number, id: id(number), firstPosition, lossAccepted };
}

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

const witness = (position: number, byte = position, epochNumber = 1) => ({
  name: `w${position}`,
  position,
  chainHash: hash(byte),
  epochId: id(epochNumber),
});

describe("losses", () => {
  it("are what witnesses have and the journal lacks or has otherwise, the worst first", async () => {
    const ledger = { position: 9, epochs: [epoch(1, 1)] };
    const witnesses = [witness(2), witness(5, 6), witness(9), witness(4), witness(10), witness(70), witness(0)];
    const losses = await findLosses(await someStore(), ledger, witnesses);
    expect(losses.map(({ kind, witness: { name }, position }) => [kind, name, position])).toEqual([
      ["behind", "w70", 9],
      ["behind", "w10", 9],
      ["differs", "w5", 9],
      ["differs", "w4", 9],
    ]);
  });

  it("are none where an operator gave them up", async () => {
    const ledger = { position: 9, epochs: [epoch(1, 1), epoch(2, 6, true)] };
    const store = await someStore();
    expect(await findLosses(store, ledger, [witness(70), witness(9, 77), witness(6)])).toEqual([]);
    // What lies before the fork, or was written after it, was not given up.
    const others = [witness(5, 77), witness(9, 77, 2), witness(10, 10, 2)];
    expect((await findLosses(store, ledger, others)).map(({ witness: { name } }) => name)).toEqual(["w10", "w9", "w5"]);
  });
});

describe("a loss was accepted", () => {
  const epochs = [epoch(1, 1), epoch(2, 6), epoch(3, 9, true), epoch(4, 20)];

  it.each([
    ["before the fork", 1, 8, false],
    ["at the fork", 1, 9, true],
    ["behind the fork, of any earlier epoch", 2, 15, true],
    ["behind the fork, of an epoch that was lost as a whole", 77, 15, true],
    ["of the new epoch", 3, 15, false],
    ["of a later epoch", 4, 30, false],
  ])("%s", (_, epochNumber, position, expected) => {
    expect(lossWasAccepted(epochs, { epochId: id(epochNumber), position })).toBe(expected);
  });
});
