import type { RefusalError } from "@bank/core";
import { MemoryDisk } from "@bank/store";
import { deposit, request, until, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { book, cutOff, openBank, witnessOf } from "./bank-replica.test-util.ts";
import { balanceOf } from "./sequencer.test-util.ts";
import { LossDetectedError } from "./witness.ts";

describe("witnesses", () => {
  it("are asked after the recovery and before anything is written", async () => {
    const first = await openBank();
    await book(first, 3);
    const { disk } = first;
    const batches = disk.batches.length;
    let asked = 0;
    await openBank({
      disk,
      askWitnesses: async (ledger) => {
        asked++;
        expect(balanceOf(ledger, 1)).toBe(3n);
        expect(disk.batches).toHaveLength(batches);
        expect(disk.epoch).toBe(1);
        return [];
      },
    });
    expect(asked).toBe(1);
    const empty = new MemoryDisk();
    await openBank({
      disk: empty,
      askWitnesses: async () => {
        expect(empty.bankId).toBeUndefined();
        return [];
      },
    });
  });

  it("that have no more than the journal change nothing", async () => {
    const first = await openBank();
    await book(first, 3);
    const witness = await witnessOf(first);
    const older = { ...witness, position: 2, chainHash: (await first.bank.head(2)).chainHash! };
    await book(first, 2, 100);
    const none = { ...witness, position: 0, chainHash: new Uint8Array(0), epochId: new Uint8Array(0) };
    const { bank } = await openBank({ disk: first.disk, askWitnesses: async () => [witness, older, none] });
    expect(bank.ledger.currentEpoch()).toMatchObject({ number: 2, lossAccepted: false });
  });

  it("that hold more than the journal stop it, which names what is missing, and nothing is written", async () => {
    const first = await openBank();
    await book(first, 6);
    const { disk } = first;
    const end = first.bank.committedPosition;
    const anchor = await witnessOf(first, "the anchor file data/anchor");
    await book(first, 1, 100);
    const branch = await witnessOf(first, "branch 2 at http://south");
    cutOff(disk, 3);
    const left = disk.head()!.position;
    const before = structuredClone({ batches: disk.batches, epoch: disk.epoch });
    const open = openBank({ disk, askWitnesses: async () => [anchor, branch] });
    await expect(open).rejects.toThrow(LossDetectedError);
    const error = (await open.catch((reason: unknown) => reason)) as LossDetectedError;
    expect(error.message.split("\n")).toEqual([
      `The journal ends at position ${left}, and branch 2 at http://south holds position ${end + 1}: ` +
        `3 committed records are missing (${left + 1} to ${end + 1}).`,
      `The journal ends at position ${left}, and the anchor file data/anchor holds position ${end}: ` +
        `2 committed records are missing (${left + 1} to ${end}).`,
    ]);
    expect(error.losses.map(({ kind }) => kind)).toEqual(["behind", "behind"]);
    expect({ batches: disk.batches, epoch: disk.epoch }).toEqual(before);
    expect(disk.holder).toBeUndefined();
  });

  it("stop an empty store in whose place there was a bank, and it belongs to nobody yet", async () => {
    const first = await openBank();
    await book(first, 1);
    const anchor = await witnessOf(first, "the anchor file");
    const disk = new MemoryDisk();
    await expect(openBank({ disk, askWitnesses: async () => [anchor] })).rejects.toThrow(
      `The journal ends at position 0, and the anchor file holds position ${anchor.position}`,
    );
    expect(disk.bankId).toBeUndefined();
  });

  it("that hold something else at a position stop it too", async () => {
    const first = await openBank();
    await book(first, 3);
    const witness = { ...(await witnessOf(first)), chainHash: new Uint8Array(32).fill(7) };
    const open = openBank({ disk: first.disk, askWitnesses: async () => [witness] });
    await expect(open).rejects.toThrow(
      `The journal ends at position ${witness.position} and differs at position ${witness.position} from what ` +
        "branch 1 at http://north holds.",
    );
  });

  it("are overruled by an operator, and the epoch's record says so", async () => {
    const first = await openBank();
    await book(first, 5);
    const lost = await witnessOf(first);
    cutOff(first.disk, 2);
    const fork = first.disk.head()!.position;
    const askWitnesses = async () => [lost];
    const second = await openBank({ disk: first.disk, askWitnesses, acceptLoss: true });
    expect(second.bank.ledger.currentEpoch()).toMatchObject({
      number: 1_000_000,
      lossAccepted: true,
      firstPosition: fork + 1,
    });
    // Whoever asks the witnesses leaves out those who only know what was given up.
    const third = await openBank({ disk: first.disk });
    expect(third.bank.ledger.currentEpoch()).toMatchObject({ number: 1_000_001, lossAccepted: false });
    // But what is lost after that is another loss.
    await book(third, 3, 100);
    const again = await witnessOf(third);
    cutOff(first.disk, 1);
    await expect(openBank({ disk: first.disk, askWitnesses: async () => [again] })).rejects.toThrow(LossDetectedError);
  });

  it("that speak while it runs stop its writing; reads go on", async () => {
    const opened = await openBank();
    await book(opened, 2);
    const { bank, platform, fatal } = opened;
    bank.reportLoss("branch 3", 99);
    const write = watch(bank.submit([request(50, deposit(1, 1))]));
    await until(() => write.state === "rejected");
    const error = write.reason as RefusalError;
    expect(error.refusal).toEqual({
      reason: "LOSS_DETECTED",
      outcome: "NOT_APPLIED",
      metadata: { witness: "branch 3", witness_position: "99", position: String(bank.committedPosition) },
    });
    expect((await bank.read({ mode: "linearizable" }, (ledger) => balanceOf(ledger, 1))).value).toBe(2n);
    expect(platform.log.lines).toEqual([{ level: "error", event: error.message, fields: {} }]);
    await bank.close();
    expect(fatal).toEqual([]);
  });
});
