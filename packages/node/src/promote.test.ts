import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EPOCHS_PER_LINE } from "@bank/core";
import { describe, expect, it } from "vitest";
import { openAccount } from "./books.test-util.ts";
import { promote } from "./promote.ts";
import { appendTo, epochBegun, type Orphans, orphans, promotionOf, ticks, WORD } from "./promotion.test-util.ts";
import { PromotionRefusedError } from "./promotion-refused-error.ts";
import { clientOf, startTestBank, startTestBranches, temporaryFolder } from "./servers.test-util.ts";

async function refusalOf(promotion: Promise<unknown>): Promise<string> {
  try {
    await promotion;
  } catch (error) {
    if (error instanceof PromotionRefusedError) return error.message;
    throw error;
  }
  throw new Error("it was expected to be refused");
}

/** A branch of a bank that is gone, at its old address. */
function returnOf({ folders, ports }: Orphans, number: number) {
  const [dataDir, firstPort] = [folders[number - 1] as string, ports[number - 1] as number];
  return startTestBranches("http://127.0.0.1:1", [number], { dataDir, firstPort });
}

describe("a promotion where no copies count", () => {
  it("needs the operator's word, tells who holds more, and makes the folder the bank's", async () => {
    const lost = await orphans({ count: 2, copies: 0 });
    const [first = "", second = ""] = lost.folders;
    const { position } = lost;
    const without = await refusalOf(promote(promotionOf(first)));
    expect(without).toContain(`ends at position ${position}.`);
    expect(without).toContain("--old-bank-is-stopped");
    expect(without).toContain("--accept-loss");
    expect(without).toMatch(/Branch 2 at http:\S+ does not answer/);
    await refusalOf(promote(promotionOf(first, { acceptLoss: true })));
    await refusalOf(promote(promotionOf(first, { oldBankIsStopped: true })));
    expect(existsSync(join(first, "promoted.json"))).toBe(false);

    const more = await appendTo(second, ticks(3));
    await returnOf(lost, 2);
    const behind = await refusalOf(promote(promotionOf(first, WORD)));
    expect(behind).toContain(`holds more, up to position ${more}: promote that one`);
    const promoted = await promote(promotionOf(first, { ...WORD, evenThoughBehind: true }));
    expect(promoted).toMatchObject({ position, epoch: EPOCHS_PER_LINE, promises: { given: 0, needed: 0 }, fetched: 0 });
    await expect(promote(promotionOf(first, WORD))).rejects.toThrow(/is the bank's already/);
    await expect(returnOf(lost, 1)).rejects.toThrow(/was made the bank's by a promotion/);

    const bank = await startTestBank({ dataDir: first });
    const { epochs } = bank.replica.ledger;
    expect(epochs.slice(-2)).toMatchObject([
      {
        number: EPOCHS_PER_LINE,
        firstPosition: position + 1,
        lossAccepted: true,
        promotedFrom: expect.any(Uint8Array),
      },
      { number: EPOCHS_PER_LINE + 1, lossAccepted: false },
    ]);
    await openAccount(clientOf(bank.url));
    // It is another copy than the branch's was.
    expect(await readFile(join(first, "journal", "copy-id"), "utf8")).not.toContain(
      Buffer.from(epochs.at(-2)?.promotedFrom ?? []).toString("hex"),
    );
  });

  it("needs a folder of a branch that has reached a bank, and that nobody uses; a bank does not start on one by itself", async () => {
    const lost = await orphans({ count: 1, copies: 0 });
    const [dataDir = ""] = lost.folders;
    await expect(startTestBank({ dataDir })).rejects.toThrow(/is the data folder of a branch. bank-server promote/);
    const branch = await returnOf(lost, 1);
    await expect(promote(promotionOf(dataDir, WORD))).rejects.toThrow(/is in use/);
    await branch.close();
    await expect(promote(promotionOf(await temporaryFolder(), WORD))).rejects.toThrow(
      /there is no journal of a branch/,
    );
  });

  it("that was cut short is done again, and until then nobody uses the folder", async () => {
    const lost = await orphans({ count: 1, copies: 0 });
    const [dataDir = ""] = lost.folders;
    await promote(promotionOf(dataDir, WORD));
    const path = join(dataDir, "promoted.json");
    const marker = JSON.parse(await readFile(path, "utf8")) as Record<string, string>;
    // As if the record of the epoch had not been written behind it.
    const { checksum: _, ...fields } = marker;
    await writeFile(path, JSON.stringify({ ...fields, epoch: String(2 * EPOCHS_PER_LINE) }));
    await expect(startTestBank({ dataDir })).rejects.toThrow(/was cut short: run bank-server promote again/);
    await expect(returnOf(lost, 1)).rejects.toThrow(/was made the bank's/);
    expect(await promote(promotionOf(dataDir, WORD))).toMatchObject({ epoch: 2 * EPOCHS_PER_LINE });
    await (await startTestBank({ dataDir })).close();
  });
});

describe("a promotion where copies count", () => {
  it("is refused without enough promises, and asks nobody in vain; the operator can give up what may be lost", async () => {
    const lost = await orphans({ count: 2, copies: 1 });
    const [dataDir = ""] = lost.folders;
    const refused = await refusalOf(promote(promotionOf(dataDir)));
    expect(refused).toContain("Promises of 2 of the copies that count are needed, and 1 can be had");
    // Where nobody is, nobody promises: the old bank may be alive, and would be left for good.
    const elsewhere = promote(promotionOf(dataDir, { memberUrls: ["http://127.0.0.1:1"] }));
    expect(await refusalOf(elsewhere)).toMatch(/1 can be had[\s\S]*Branch 2: http:\/\/127.0.0.1:1: .*ECONNREFUSED/);
    expect(existsSync(join(dataDir, "journal", "promised-epoch.json"))).toBe(false);
    // A copy that began anew counts for nothing.
    await rm(join(lost.folders[1] as string, "journal", "copy-id"));
    const other = await returnOf(lost, 2);
    expect(await refusalOf(promote(promotionOf(dataDir, { memberUrls: [other.url] })))).toMatch(
      /Branch 2: \S+ holds another copy/,
    );
    const promoted = await promote(promotionOf(dataDir, WORD));
    expect(promoted).toMatchObject({ promises: { given: 0, needed: 0 }, durability: { copies: 0, branches: [] } });
    const bank = await startTestBank({ dataDir });
    await openAccount(clientOf(bank.url));
  });

  it("takes over what another copy holds that promised, by its last epoch first and its position only then", async () => {
    const lost = await orphans({ count: 3, copies: 2 });
    const [first = "", second = "", third = ""] = lost.folders;
    // Acknowledged by a bank that started once more, and reached two of the three.
    await appendTo(second, [epochBegun(2), ...ticks(1)]);
    // Sent by the bank before that, and never acknowledged.
    const longest = await appendTo(third, ticks(9));
    const two = await returnOf(lost, 2);
    // The longest journal is of an older epoch: it must not win, and says which one does.
    const refused = await refusalOf(promote(promotionOf(third)));
    expect(refused).toContain(`Branch 2 at ${two.url} is further: position ${lost.position + 2} of epoch 2`);
    expect(refused).toContain(`here is position ${longest} of epoch 1`);
    expect(refused).toContain("Promote branch 2.");
    expect(existsSync(join(third, "promoted.json"))).toBe(false);

    // One that lacks records takes them over; promises that were given to another are asked for anew.
    await returnOf(lost, 3);
    const promoted = await promote(promotionOf(first));
    expect(promoted).toMatchObject({
      position: lost.position + 2,
      fetched: 2,
      durability: { copies: 2, branches: [2, 3] },
    });
    expect(promoted.promises.needed).toBe(2);
    expect(promoted.promises.given).toBeGreaterThanOrEqual(2);
    expect(promoted.epoch).toBe(2 * EPOCHS_PER_LINE);
  });
});
