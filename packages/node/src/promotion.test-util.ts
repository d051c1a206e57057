import { createServer } from "node:net";
import { join } from "node:path";
import { type LedgerRecord, type Position, RecordKind } from "@bank/core";
import { recover } from "@bank/replica";
import { openStore } from "@bank/store";
import { openAccount } from "./books.test-util.ts";
import { silentLog } from "./log.ts";
import { nodePlatform } from "./platform.ts";
import type { PromoteOptions } from "./promote.ts";
import { clientOf, startFollowing, startTestBank, temporaryFolder } from "./servers.test-util.ts";
import { appendRecords, SYSTEM_ACTED } from "./write-epoch.ts";

export const platform = nodePlatform(silentLog);

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a port was expected");
  return address.port;
}

/** Data folders of branches whose bank is gone. Nothing of them is running. */
export interface Orphans {
  /** By branch, from 1. */
  readonly folders: readonly string[];
  /** The ports that their journals name, by branch. */
  readonly ports: readonly number[];
  /** Where all of them end. */
  readonly position: Position;
  readonly account: string;
}

/** Makes them: branches 1 to `count`, each with a copy of its own, of which `copies` must have a write; 0 for none. */
export async function orphans(options: { readonly count: number; readonly copies: number }): Promise<Orphans> {
  const { count, copies } = options;
  const folder = await temporaryFolder();
  const bank = await startTestBank({ dataDir: join(folder, "bank") });
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const folders = numbers.map((number) => join(folder, `branch-${number}`));
  const branches = await Promise.all(
    numbers.map((number) => startFollowing(bank.url, [number], { dataDir: folders[number - 1] as string })),
  );
  const client = clientOf(bank.url);
  const account = await openAccount(client);
  if (copies > 0) {
    for (const branch of branches) await branch.replica().whenApplied(bank.replica.committedPosition);
    await client.branches.setDurability({ requestId: crypto.randomUUID(), copies, branches: numbers });
  }
  const position = bank.replica.committedPosition;
  const signal = AbortSignal.timeout(10_000);
  // Of what counts by copies, followers learn with the next message that it is committed.
  for (const branch of branches) await branch.replica().whenApplied(position, signal);
  for (const branch of branches) await branch.close();
  await bank.close();
  return { folders, ports: branches.map(({ url }) => Number(new URL(url).port)), position, account };
}

/** Puts records at the end of a branch's journal, as if a bank had sent them that never heard that they are stored. */
export async function appendTo(dataDir: string, records: readonly LedgerRecord[]): Promise<Position> {
  const store = openStore(`sqlite:${dataDir}/journal`);
  const { bankId } = await store.open();
  if (bankId === undefined) throw new Error(`there is no journal in ${dataDir}`);
  const { replay } = await recover(store, bankId, platform);
  await appendRecords(
    store,
    replay,
    platform,
    records.map((record) => (record.kind === RecordKind.EPOCH_BEGUN ? { ...record, bankId } : record)),
  );
  await store.close();
  return replay.ledger.position;
}

export function ticks(count: number): LedgerRecord[] {
  return Array.from({ length: count }, () => ({ ...SYSTEM_ACTED, kind: RecordKind.TIME_TICKED }));
}

export function epochBegun(number: number): LedgerRecord {
  const [id, bankId] = [platform.randomBytes(16), new Uint8Array(16)];
  return { ...SYSTEM_ACTED, kind: RecordKind.EPOCH_BEGUN, number, id, bankId, lossAccepted: false };
}

/** What an operator says who says nothing. */
export function promotionOf(dataDir: string, overrides: Partial<PromoteOptions> = {}): PromoteOptions {
  const word = { oldBankIsStopped: false, acceptLoss: false, evenThoughBehind: false };
  return { dataDir, ...word, log: silentLog, ...overrides };
}

/** The whole word of an operator who gives up what is lost. */
export const WORD = { oldBankIsStopped: true, acceptLoss: true } as const;
