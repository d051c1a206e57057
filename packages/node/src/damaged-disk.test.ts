import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ANONYMOUS_PRINCIPAL, formatRequestId, type Request, STATUS_NUMBERS, toHex } from "@bank/core";
import { LossDetectedError } from "@bank/replica";
import { StoreError } from "@bank/store";
import { deposit, openAccount, type Random, request, seeds, transfer, withSeed } from "@bank/testkit";
import { expect, it, vi } from "vitest";
import { failureOf, usd } from "./calls.test-util.ts";
import { listAll, plain } from "./history-calls.test-util.ts";
import { clientOf, crashImage, startTestBank, temporaryFolder } from "./servers.test-util.ts";

const FILE = "packages/node/src/damaged-disk.test.ts";
const PATIENT = { timeout: 20_000, interval: 5 };

/** How many disks are damaged in each run; more by BANK_DAMAGES. */
const DAMAGES = Number(process.env["BANK_DAMAGES"] ?? 3);

/** What a bank has that lived for a while, and what everybody was told of it. */
interface Life {
  /** Data folders to damage copies of: as a power cut leaves it, and as a clean stop does. */
  readonly images: readonly string[];
  readonly position: number;
  /** Each record, as text. */
  readonly records: readonly string[];
  /** The transactions of each account, as text. */
  readonly histories: ReadonlyMap<string, string>;
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "bigint" ? `${part}n` : part instanceof Uint8Array ? toHex(part) : part,
  );

async function recordsOf({ replica }: Awaited<ReturnType<typeof startTestBank>>, end: number): Promise<string[]> {
  const records: string[] = [];
  for (let position = 1; position <= end; position++) records.push(text(await replica.recordAt(position)));
  return records;
}

async function live(random: Random): Promise<Life> {
  const bank = await startTestBank({ history: "eager", snapshotEveryRecords: 40 });
  const { replica, dataDir } = bank;
  await replica.submit([request(1, openAccount()), request(2, openAccount("Bob")), request(3, deposit(1, 1_000_000))]);
  for (let id = 10; id < 100; id++) {
    const amount = 1 + random.below(5_000);
    await replica.submit([request(id, random.below(2) === 0 ? deposit(2, amount) : transfer(1, 2, amount))]);
  }
  const client = clientOf(bank.url);
  const histories = new Map<string, string>();
  for (const account of ["1", "2"]) histories.set(account, text((await listAll(client, { account })).map(plain)));
  const position = replica.committedPosition;
  // The proof of a snapshot is one record more, and nothing may be written while files are copied.
  await vi.waitUntil(() => replica.ledger.root !== undefined, PATIENT);
  const anchored = () =>
    readFileSync(join(dataDir, "anchor.json"), "utf8").includes(`"position":"${replica.committedPosition}"`);
  await vi.waitUntil(anchored, PATIENT);
  const killed = await crashImage(dataDir);
  const records = await recordsOf(bank, position);
  await bank.close();
  return { images: [killed, await crashImage(dataDir)], position, records, histories };
}

/** Flips a bit of a file, or cuts its end off. Gives what was done. */
function damage(folder: string, random: Random): string {
  // Of journal.db and its log more often: they are what matters, and by far the largest.
  const files = readdirSync(folder).filter((name) => readFileSync(join(folder, name)).length > 0);
  const journals = files.filter((name) => /^journal\.db(-wal)?$/.test(name));
  const name = random.pick(random.below(3) > 0 ? journals : files);
  const path = join(folder, name);
  const bytes = readFileSync(path);
  const offset = random.below(bytes.length);
  if (random.below(4) === 0) {
    truncateSync(path, offset);
    return `${name} cut to ${offset} of ${bytes.length} bytes`;
  }
  const bit = random.below(8);
  bytes[offset] = (bytes[offset] as number) ^ (1 << bit);
  writeFileSync(path, bytes);
  return `${name}: bit ${bit} of byte ${offset} of ${bytes.length} flipped`;
}

/** Whether it says what is wrong with the disk, as a start that is refused has to. */
function isReport(error: unknown): boolean {
  return error instanceof StoreError || error instanceof LossDetectedError || /is damaged/.test(String(error));
}

/** Starts a bank on the folder. Gives how it went; throws where anything that it serves is not what was. */
async function lookAt(
  dataDir: string,
  { position, records, histories }: Life,
): Promise<"refused" | "reported" | "right"> {
  let bank: Awaited<ReturnType<typeof startTestBank>>;
  try {
    bank = await startTestBank({ dataDir, history: "eager" });
  } catch (error) {
    if (isReport(error)) return "refused";
    throw error;
  }
  try {
    let reports = 0;
    const { replica } = bank;
    expect(replica.committedPosition).toBeGreaterThan(position);
    for (let at = 1; at <= position; at++) {
      const found = await replica.recordAt(at).then(text, (error: unknown) => {
        if (!isReport(error)) throw error;
        reports++;
      });
      if (found !== undefined) expect(found).toBe(records[at - 1]);
    }
    const client = clientOf(bank.url);
    for (const [account, history] of histories) {
      const list = (timeoutMs: number) => listAll(client, { account }, { timeoutMs });
      // Whoever comes to damage of the history's file is told so once; then it is built anew.
      const listed = reports > 0 ? list(300) : vi.waitFor(() => list(20_000), PATIENT);
      const found = await listed.then(
        (all) => text(all.map(plain)),
        (error: unknown) => {
          // The history is built from what can be read of the journal, and waits for the rest.
          if (reports === 0) throw error;
        },
      );
      if (found !== undefined) expect(found).toBe(history);
    }
    return reports > 0 ? "reported" : "right";
  } finally {
    await bank.close();
  }
}

/** Flips a bit in the middle of the frame with the seventh record, as a disk does of which nobody has read that part for long. */
function rot(dataDir: string): void {
  const file = new DatabaseSync(join(dataDir, "journal.db"));
  const frame = file.prepare("SELECT frame FROM journal WHERE first_position = 7").get()?.["frame"] as Uint8Array;
  const at = frame.length - 3;
  frame[at] = (frame[at] as number) ^ 1;
  file.prepare("UPDATE journal SET frame = ? WHERE first_position = 7").run(frame);
  file.close();
}

it("a batch that rotted behind a snapshot is neither answered from nor handed on, and the bank goes on", async () => {
  const first = await startTestBank();
  const requests = [request(1, openAccount()), ...[2, 3, 4, 5, 6].map((id) => request(id, deposit(1, 100 * id)))];
  for (const each of requests) await first.replica.submit([each]);
  const { dataDir } = first;
  const { committedPosition } = first.replica;
  await first.close();
  rot(dataDir);
  const { replica, fatal, url, log } = await startTestBank({ dataDir });
  expect(replica.recovered.snapshotPosition).toBe(committedPosition);
  const damaged = /positions 7 to 7 is damaged.*store verify/;
  await expect(replica.recordAt(7)).rejects.toThrow(damaged);
  expect(await replica.recordAt(8)).toBeDefined();
  await expect(replica.feed.follow(0, AbortSignal.timeout(10_000)).next()).rejects.toThrow(damaged);
  // It was replayed into the snapshot before it rotted.
  const client = clientOf(url);
  expect(await client.balance("1")).toBe(2_000n);
  const rotten = requests.find(
    ({ id }) => replica.ledger.requests.positionOf(replica.ledger.findRequest(ANONYMOUS_PRINCIPAL, id)) === 7,
  );
  expect(fatal).toEqual([]);
  const [again, reversal, another] = await replica.submit([
    rotten as Request,
    request(20, { kind: "reverse", transaction: 7 }),
    request(21, { kind: "reverse", transaction: 8 }),
  ]);
  const refused = { refusal: { reason: "RECORD_DAMAGED", metadata: { position: "7" } } };
  expect(again).toMatchObject({ error: refused, position: 7 });
  expect(again).toMatchObject({ error: { refusal: { outcome: "OUTCOME_UNKNOWN" } } });
  expect(reversal).toMatchObject({ error: refused });
  expect(reversal).toMatchObject({ error: { refusal: { outcome: "NOT_APPLIED" } } });
  expect(another).toMatchObject({ kind: "answered" });
  // Customers are told so as well, and that to try again is of no use.
  const requestId = formatRequestId((rotten as Request).id);
  const amount = usd(100 * (requests.indexOf(rotten as Request) + 1));
  const { reason, code, metadata } = await failureOf(client.transactions.deposit({ account: "1", amount, requestId }));
  expect({ reason, code }).toEqual({ reason: "RECORD_DAMAGED", code: STATUS_NUMBERS.DATA_LOSS });
  expect(metadata).toMatchObject({ outcome: "OUTCOME_UNKNOWN", position: "7" });
  expect(fatal).toEqual([]);
  expect(log.about("ARE DAMAGED").length).toBeGreaterThan(1);
});

it.each(seeds(0))(
  `a bank whose disk is damaged reports it, or serves what was, with seed %i`,
  { timeout: 60_000 + DAMAGES * 5_000 },
  (seed) =>
    withSeed(seed, FILE, async (random) => {
      const life = await live(random);
      const folder = join(await temporaryFolder(), "bank");
      const seen = { refused: 0, reported: 0, right: 0 };
      for (let i = 0; i < DAMAGES; i++) {
        rmSync(folder, { recursive: true, force: true });
        execFileSync("cp", ["-r", random.pick(life.images), folder]);
        const what = damage(folder, random);
        try {
          seen[await lookAt(folder, life)]++;
        } catch (error) {
          throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        }
      }
      if (DAMAGES > 100) process.stdout.write(`${JSON.stringify(seen)}\n`);
      // Of a few none may matter.
      if (DAMAGES >= 100) expect(Math.min(seen.refused, seen.reported, seen.right)).toBeGreaterThan(0);
    }),
);
