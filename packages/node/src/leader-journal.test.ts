import { nextHash, type Replay } from "@bank/journal";
import { expect, it, onTestFinished, vi } from "vitest";
import { RemoteJournal } from "./bank-link.ts";
import { LeaderJournal } from "./leader-journal.ts";
import { silentLog } from "./log.ts";
import { nodePlatform } from "./platform.ts";
import { clientOf, startTestBank, type TestBank } from "./servers.test-util.ts";

const platform = nodePlatform(silentLog);
const FROM = { bankId: undefined, epochId: undefined, position: 0, chainHash: new Uint8Array(0) };

function journalOf({ url }: TestBank, own?: Replay): LeaderJournal {
  const journal = new LeaderJournal(url, "a test", { platform, own: () => own });
  onTestFinished(() => journal.close());
  return journal;
}

async function bankWithAccount(): Promise<TestBank> {
  const bank = await startTestBank({ store: "memory:" });
  for (let i = 1; i <= 3; i++)
    await clientOf(bank.url).accounts.openAccount({
      requestId: `0000000${i}-0000-4000-8000-000000000000`,
      currencyCode: "USD",
    });
  return bank;
}

it("a leader of an epoch before the own one is not followed", async () => {
  const [bank, other] = [await startTestBank(), await startTestBank()];
  const { dataDir } = other;
  await other.close();
  const { bankId, replica } = await startTestBank({ dataDir });
  const own: Replay = { bankId, ledger: replica.ledger, chainHash: new Uint8Array(32) };
  const head = journalOf(bank, own).head(FROM, platform.timeout(10_000));
  await expect(head).rejects.toThrow(`${bank.url} is of epoch 1, and epoch 2 has begun`);
  expect(await journalOf(bank).head(FROM, platform.timeout(10_000))).toMatchObject({ bankId: bank.bankId });
});

it("batches of its past are believed only where each is hashed onto the one before", async () => {
  const bank = await bankWithAccount();
  const { committedPosition: last } = bank.replica;
  const read = (after: number) => journalOf(bank).read(bank.bankId, { after, last }, {});
  const [first, second, ...others] = await read(0);
  expect(await read(first?.lastPosition ?? 0)).toEqual([second, ...others]);
  const fetchBatches = RemoteJournal.prototype.fetchBatches;
  const change = (frame: Uint8Array, chainHash: Uint8Array) => {
    const other = frame.map((byte, i) => (i === frame.length - 1 ? byte ^ 1 : byte));
    return { frame: other, chainHash };
  };
  vi.spyOn(RemoteJournal.prototype, "fetchBatches").mockImplementation(async function* (this: RemoteJournal, ...asked) {
    for await (const { frame, chainHash } of fetchBatches.apply(this, asked)) yield change(frame, chainHash);
  });
  await expect(read(0)).rejects.toThrow(/gives a batch at 1 that does not continue its journal/);
  expect(nextHash(platform.sha256, second?.previousHash as Uint8Array, second?.frame as Uint8Array)).toEqual(
    second?.chainHash,
  );
});
