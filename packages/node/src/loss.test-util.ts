import { readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Position } from "@bank/core";
import { vi } from "vitest";
import { type Answered, deposit, give, openAccount } from "./books.test-util.ts";
import { clientOf, crashImage, startFollowing, startTestBank, temporaryFolder } from "./servers.test-util.ts";

/** A bank whose machine died, with the end of its journal, and whose branch has everything. Nothing of it is running. */
export interface LostTail {
  /** The bank's data folder. Its anchor file is there. */
  readonly bankDir: string;
  readonly bankPort: number;
  readonly branchDir: string;
  readonly branchPort: number;
  readonly branchUrl: string;
  /** Where the bank's journal ends now. */
  readonly kept: Position;
  /** Where it once ended, and the branch's copy does. */
  readonly end: Position;
  readonly account: string;
  /** All that customers were told, also of what is lost. */
  readonly answered: readonly Answered[];
  /** Balance of the account at `kept` and at `end`. */
  readonly keptBalance: bigint;
  readonly endBalance: bigint;
  /** What the customer had seen at the end. */
  readonly session: string;
  /** Digest at the end. */
  readonly digest: string;
}

const KEPT_DEPOSITS = 5;
const LOST_DEPOSITS = 4;
const AMOUNT = 100n;

/**
 * Makes one: a bank that is not closed, whose write-ahead log is then cut where it ended some deposits earlier.
 *
 * @param epochs of which the last is lost as a whole where there are two.
 */
export async function loseTail(options: { readonly epochs?: 1 | 2; readonly from?: LostTail } = {}): Promise<LostTail> {
  const { epochs = 1, from } = options;
  const folder = await temporaryFolder();
  const bankDir = from?.bankDir ?? join(folder, "bank");
  const branchDir = from?.branchDir ?? join(folder, "branch");
  const wal = join(bankDir, "journal.db-wal");
  let bank = await startTestBank({ dataDir: bankDir, port: from?.bankPort ?? 0 });
  const { port } = bank;
  const branch = await startFollowing(bank.url, [1], { dataDir: branchDir, firstPort: from?.branchPort ?? 0 });
  const client = clientOf(branch.url);
  const account = from?.account ?? (await openAccount(client));
  const answered: Answered[] = [];
  const pay = async (times: number) => {
    for (let i = 0; i < times; i++) {
      const order = deposit(1, account, AMOUNT);
      answered.push({ order, reply: await give(client, order) });
    }
  };
  await pay(KEPT_DEPOSITS);
  const kept = bank.replica.committedPosition;
  const keptBalance = await client.balance(account);
  const keptBytes = (await stat(wal)).size;
  // Nothing may be written while the folder is copied, and the anchor is written behind the journal.
  await untilAnchored(bankDir, kept);
  let image = epochs === 2 ? await crashImage(bankDir) : undefined;
  if (epochs === 2) {
    await bank.close();
    bank = await startTestBank({ dataDir: bankDir, port });
    await branch.whenFollowing(AbortSignal.timeout(10_000));
  }
  await pay(LOST_DEPOSITS);
  const end = bank.replica.committedPosition;
  const endBalance = await client.balance(account);
  const { readInfo } = await client.accounts.getBalance({ account });
  const session = readInfo?.session ?? "";
  const { digest } = await client.status();
  await branch.replica().whenApplied(end);
  await untilAnchored(bankDir, end);
  const anchor = await readFile(join(bankDir, "anchor.json"), "utf8");
  image ??= await crashImage(bankDir);
  await branch.close();
  await bank.close();
  await rm(bankDir, { recursive: true });
  await rename(image, bankDir);
  if (epochs === 1) await truncate(wal, keptBytes);
  await writeFile(join(bankDir, "anchor.json"), anchor);
  const branchUrl = branch.url;
  const branchPort = Number(new URL(branchUrl).port);
  return {
    bankDir,
    bankPort: port,
    branchDir,
    branchPort,
    branchUrl,
    kept,
    end,
    account,
    answered,
    keptBalance,
    endBalance,
    session,
    digest,
  };
}

export async function anchoredPosition(bankDir: string): Promise<Position> {
  const { position } = JSON.parse(await readFile(join(bankDir, "anchor.json"), "utf8")) as { position: string };
  return Number(position);
}

async function untilAnchored(bankDir: string, position: Position): Promise<void> {
  await vi.waitUntil(async () => (await anchoredPosition(bankDir)) === position);
}

export async function removeAnchor(bankDir: string): Promise<void> {
  await rm(join(bankDir, "anchor.json"));
}
