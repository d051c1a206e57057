import { AppendRefusedError } from "@bank/store/errors";
import { deposit, ManualPlatform, openAccount, Random, request, seeds, transfer, withSeed } from "@bank/testkit";
import { expect, it, vi } from "vitest";
import { placeHold } from "./commands.test-util.ts";
import { liveRandomly, rowsByLedger } from "./random-life.test-util.ts";
import { liveOn, openRowsBank, RowsDisk, RowsStore } from "./rows-store.test-util.ts";

const FILE = "packages/replica/src/account-rows.test.ts";

async function openWithRows(disk: RowsDisk, { store = new RowsStore(disk), platform = new ManualPlatform() } = {}) {
  disk.holder = undefined;
  const bank = await openRowsBank(store, platform);
  return { bank, store, platform };
}

it.each(seeds(6))(
  "rows are what the ledger says, whatever happens and however often it starts (seed %d)",
  async (seed) => {
    await withSeed(seed, FILE, async (random) => {
      const disk = new RowsDisk();
      const platform = new ManualPlatform({ seed });
      for (let life = 0; life < 3; life++) {
        const { bank } = await openWithRows(disk, { platform });
        await liveOn(bank, { platform, random, steps: 40 });
        expect(disk.position).toBe(bank.committedPosition);
        expect(disk.rows).toEqual(rowsByLedger(bank.ledger));
        await bank.close();
      }
      expect(disk.replaced).toBe(0);
    });
  },
);

it("gives terms where they may have changed, and nothing but money else", async () => {
  const disk = new RowsDisk();
  const { bank, store } = await openWithRows(disk);
  const told: (readonly [string, boolean])[][] = [];
  const append = store.append.bind(store);
  vi.spyOn(store, "append").mockImplementation(async (batches, options) => {
    const rows = [...(options.accounts?.() ?? [])];
    told.push(rows.map(({ number, terms }) => [number, Object.keys(terms).length > 0] as const));
    await append(batches, { ...options, accounts: () => rows });
  });
  await bank.submit([request(1, openAccount()), request(2, openAccount())]);
  await bank.submit([request(3, deposit(1, 100))]);
  await bank.submit([request(4, transfer(1, 2, 5)), request(5, transfer(1, 2, 5)), request(6, placeHold(2, 1))]);
  // A rejection touches nothing.
  await bank.submit([request(7, transfer(1, 2, 5_000_000))]);
  expect(told).toEqual([
    [
      ["1", true],
      ["2", true],
    ],
    // The branch's cash account is opened at its first use.
    [
      ["cash/0/USD", true],
      ["1", false],
    ],
    [
      ["1", false],
      ["2", false],
    ],
    [],
  ]);
  await bank.close();
});

it("writes all rows anew at the start where they are not those of the journal's end, before it serves", async () => {
  const disk = new RowsDisk();
  const first = await openWithRows(disk);
  await liveRandomly(first.bank, new Random(7), 20);
  await first.bank.close();
  for (const position of [undefined, 3]) {
    disk.rows.clear();
    disk.rows.set("1", { posted: "1000000" });
    disk.position = position;
    const replaced = disk.replaced;
    const { bank } = await openWithRows(disk);
    expect(disk.replaced).toBe(replaced + 1);
    expect(disk.rows).toEqual(rowsByLedger(bank.ledger));
    expect(disk.position).toBe(bank.committedPosition);
    await bank.close();
  }
});

it("starts where there is no room for the rows, says so, and writes them at the next start", async () => {
  const disk = new RowsDisk();
  const first = await openWithRows(disk);
  await first.bank.submit([request(1, openAccount())]);
  await first.bank.close();
  disk.position = undefined;
  const full = new RowsStore(disk);
  vi.spyOn(full, "replaceAccounts").mockRejectedValue(new AppendRefusedError("no room"));
  const { bank, platform } = await openWithRows(disk, { store: full });
  expect(JSON.stringify(platform.log.lines)).toContain("the rows of accounts stay behind the journal");
  await bank.submit([request(2, deposit(1, 5))]);
  await bank.close();
  expect(disk.position).toBeUndefined();
  const next = await openWithRows(disk);
  expect(disk.rows).toEqual(rowsByLedger(next.bank.ledger));
  await next.bank.close();
});
