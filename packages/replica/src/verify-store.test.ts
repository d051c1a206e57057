import { mkdtempSync, rmSync } from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { RecordKind } from "@bank/core";
import { applyBatch, decodeFrame, encodeFrame, nextHash } from "@bank/journal";
import { SnapshotHeaderSchema } from "@bank/proto";
import { MemoryDisk, MemoryJournalStore, SqliteJournalStore, type StoredSnapshot, sourceOf } from "@bank/store";
import { deposit, ManualPlatform, openAccount, request, sha256 } from "@bank/testkit";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyReplay } from "./recover.ts";
import { RowsDisk, RowsStore } from "./rows-store.test-util.ts";
import { copied, madeBank, newFolder, startBankOn, verified } from "./store-tools.test-util.ts";

const open = (folder: string) => new SqliteJournalStore({ folder });

/** One bank, made once: each test has a copy of it. */
let template: { readonly folder: string; readonly made: Awaited<ReturnType<typeof madeBank>> };

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "bank-verified-"));
  template = { folder, made: await madeBank(folder) };
});
afterAll(() => rmSync(template.folder, { recursive: true, force: true }));

async function sameBank(folder: string): Promise<typeof template.made> {
  await cp(template.folder, folder, { recursive: true });
  return template.made;
}

/** Changes a stopped bank's file behind its back. */
function change(folder: string, act: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(join(folder, "journal.db"));
  act(database);
  database.close();
}

/** First and last positions of all batches. */
function batchesOf(database: DatabaseSync): { first: number; last: number }[] {
  const rows = database.prepare("SELECT first_position, last_position FROM journal ORDER BY first_position").all();
  return rows.map((row) => ({ first: Number(row["first_position"]), last: Number(row["last_position"]) }));
}

/** With one bit flipped: of the last byte, where nothing else is said. */
function flipped(bytes: unknown, at?: number): Uint8Array {
  const changed = (bytes as Uint8Array).slice();
  const index = at ?? changed.length - 1;
  changed[index] = (changed[index] as number) ^ 1;
  return changed;
}

/** Writes the frames from this batch on anew, each with a true chain: what a program that computes wrongly would leave. */
function rewrite(database: DatabaseSync, first: number, digest: (before: Uint8Array) => Uint8Array): void {
  const rows = database.prepare("SELECT * FROM journal WHERE first_position >= ? ORDER BY first_position").all(first);
  let hash = rows[0]?.["previous_hash"] as Uint8Array;
  for (const row of rows) {
    const { header, records } = decodeFrame(row["frame"] as Uint8Array);
    const isIt = row["first_position"] === first;
    const frame = encodeFrame(isIt ? { ...header, digestAfter: digest(header.digestAfter) } : header, records);
    const next = nextHash(sha256, hash, frame);
    database
      .prepare("UPDATE journal SET frame = ?, previous_hash = ?, chain_hash = ? WHERE first_position = ?")
      .run(frame, hash, next, Number(row["first_position"]));
    hash = next;
  }
}

describe("a store that is verified", () => {
  it("is whole after a random life, and says what was looked at", async () => {
    const folder = await newFolder();
    const made = await sameBank(folder);
    const report = await verified(open(folder));
    expect(report).toMatchObject({ damages: [], records: made.position, digest: made.digest, gap: undefined });
    expect(report.head?.position).toBe(made.position);
    expect(report.accounts).toBe(made.nextAccount - 1);
    expect(report.snapshots).toHaveLength(2);
    expect(report.snapshots.every(({ compared }) => compared)).toBe(true);
    expect(report.roots).toBeGreaterThan(0);
    expect(report.batches).toBeGreaterThan(20);
    expect(report.transactions).toBeGreaterThan(20);
    // Looking has changed nothing: the bank goes on.
    expect((await startBankOn(open(folder), 2)).ledger.position).toBe(made.position + 1);
  });

  it("has no bank, or an empty one", async () => {
    const disk = new MemoryDisk();
    await expect(verified(new MemoryJournalStore(disk))).rejects.toThrow("no bank lives");
    const store = new MemoryJournalStore(disk);
    await store.open();
    await store.initialize(new Uint8Array(16).fill(1));
    await store.close();
    expect(await verified(new MemoryJournalStore(disk))).toMatchObject({ damages: [], records: 0, head: undefined });
  });

  it.each([0.2, 0.5, 0.9])("is damaged where a bit of a frame has flipped (%d of the way)", async (share) => {
    const folder = await newFolder();
    await sameBank(folder);
    let first = 0;
    change(folder, (database) => {
      const batches = batchesOf(database);
      ({ first } = batches[Math.floor(batches.length * share)] as { first: number });
      const row = database.prepare("SELECT frame FROM journal WHERE first_position = ?").get(first);
      const frame = flipped(row?.["frame"]);
      database.prepare("UPDATE journal SET frame = ? WHERE first_position = ?").run(frame, first);
    });
    const report = await verified(open(folder));
    expect(report.damages).toEqual([
      { what: "journal", position: first, problem: expect.stringContaining("chain hash") },
    ]);
    expect(report.records).toBe(first - 1);
  });

  it("is damaged where a batch is missing", async () => {
    const folder = await newFolder();
    await sameBank(folder);
    let first = 0;
    change(folder, (database) => {
      const batches = batchesOf(database);
      ({ first } = batches[Math.floor(batches.length / 2)] as { first: number });
      database.prepare("DELETE FROM journal WHERE first_position = ?").run(first);
    });
    const report = await verified(open(folder));
    expect(report.damages[0]).toMatchObject({ what: "journal", position: first });
    expect(report.damages.filter(({ what }) => what === "journal")).toHaveLength(1);
    expect(report.records).toBe(first - 1);
    // What lies behind can only prove itself.
    expect(report.snapshots.filter(({ position }) => position > first).every(({ compared }) => !compared)).toBe(true);
  });

  it("is damaged where a digest is wrong and the chain is not", async () => {
    const folder = await newFolder();
    await sameBank(folder);
    let first = 0;
    change(folder, (database) => {
      const batches = batchesOf(database);
      ({ first } = batches[Math.floor(batches.length / 3)] as { first: number });
      rewrite(database, first, (digest) => flipped(digest, 0));
    });
    const report = await verified(open(folder));
    expect(report.damages[0]).toMatchObject({
      what: "journal",
      position: first,
      problem: expect.stringContaining("digest"),
    });
    expect(report.head?.position).toBe(first - 1);
    expect(report.records).toBe(first - 1);
  });

  it.each([
    ["a page has changed", "page", "UPDATE snapshot_pages SET page = ? WHERE position = ? AND page_number = 0"],
    ["its header has changed", "header", "UPDATE snapshots SET header = ? WHERE position = ?"],
  ])("has a damaged snapshot where %s", async (_, column, update) => {
    const folder = await newFolder();
    await sameBank(folder);
    let position = 0;
    change(folder, (database) => {
      const table = column === "page" ? "snapshot_pages" : "snapshots";
      const row = database.prepare(`SELECT position, ${column} FROM ${table} ORDER BY position LIMIT 1`).get();
      position = Number(row?.["position"]);
      database.prepare(update).run(flipped(row?.[column], 20), position);
    });
    const report = await verified(open(folder));
    expect(report.damages).toEqual([{ what: "snapshot", position, problem: expect.stringContaining(column) }]);
    expect(report.snapshots).toHaveLength(1);
  });

  it("has a damaged snapshot where it proves itself, but is of another state", async () => {
    const [folder, other] = [await newFolder(), await newFolder()];
    await madeBank(folder, 40);
    await madeBank(other, 60);
    let position = 0;
    change(folder, (database) => {
      position = Number(database.prepare("SELECT max(position) AS p FROM snapshots").get()?.["p"]);
      database.exec(`ATTACH '${join(other, "journal.db")}' AS o`);
      const from = database.prepare("SELECT position, header FROM o.snapshots ORDER BY position DESC LIMIT 1").get();
      database
        .prepare("UPDATE snapshots SET header = ? WHERE position = ?")
        .run(from?.["header"] as Uint8Array, position);
    });
    const { damages } = await verified(open(folder));
    expect(damages.map(({ what, position }) => ({ what, position }))).toEqual([{ what: "snapshot", position }]);
  });

  it("has a damaged snapshot where all is right but the chain hash that its header names", async () => {
    const folder = await newFolder();
    await sameBank(folder);
    let position = 0;
    change(folder, (database) => {
      const row = database.prepare("SELECT position, header FROM snapshots ORDER BY position LIMIT 1").get();
      position = Number(row?.["position"]);
      const header = fromBinary(SnapshotHeaderSchema, Buffer.from(row?.["header"] as Uint8Array).subarray(0, -32));
      const bytes = toBinary(SnapshotHeaderSchema, { ...header, chainHash: flipped(header.chainHash) });
      const sealed = Buffer.concat([bytes, sha256(bytes)]);
      database.prepare("UPDATE snapshots SET header = ? WHERE position = ?").run(sealed, position);
    });
    expect((await verified(open(folder))).damages).toEqual([
      { what: "snapshot", position, problem: expect.stringContaining("header names another") },
    ]);
  });

  it("has a journal that names a root to which it does not lead", async () => {
    const folder = await newFolder();
    await sameBank(folder);
    let position = 0;
    change(folder, (database) => {
      const bankId = database.prepare("SELECT bank_id FROM meta").get()?.["bank_id"] as Uint8Array;
      const replay = emptyReplay(bankId, new ManualPlatform());
      // The journal of a bank that had worked out another root: chain and digests are those of what it wrote.
      for (const row of database.prepare("SELECT * FROM journal ORDER BY first_position").all()) {
        const { header, records } = decodeFrame(row["frame"] as Uint8Array);
        const written = [...records].map((record) => {
          if (record.kind !== RecordKind.STATE_ROOT || position > 0) return record;
          ({ position } = record);
          return { ...record, root: flipped(record.root) };
        });
        applyBatch(replay.ledger, header.timeMs, written);
        const frame = encodeFrame({ ...header, digestAfter: replay.ledger.digestBytes() }, written);
        const hash = nextHash(sha256, replay.chainHash, frame);
        database
          .prepare("UPDATE journal SET frame = ?, previous_hash = ?, chain_hash = ? WHERE first_position = ?")
          .run(frame, replay.chainHash, hash, Number(row["first_position"]));
        replay.chainHash = hash;
      }
      database.exec("DELETE FROM snapshot_pages; DELETE FROM snapshots");
    });
    // Whatever comes behind is another state by now, and so has another root than the journal names there.
    const { damages, records } = await verified(open(folder));
    expect(damages[0]).toEqual({
      what: "root",
      position,
      problem: expect.stringContaining("says that the state has root"),
    });
    expect(damages.every(({ what }) => what === "root")).toBe(true);
    expect(records).toBeGreaterThan(position);
  });

  it("has a gap, which is told, and what is there is checked", async () => {
    const folder = await newFolder();
    const made = await sameBank(folder);
    const source = open(folder);
    await source.open();
    const bankId = (await source.recover()).bankId as Uint8Array;
    const position = (await source.snapshotPositions()).at(-1) as number;
    const snapshot = (await source.loadSnapshot(position)) as StoredSnapshot;
    const chainHash = (await source.chainHashAt(position)) as Uint8Array;
    const batches = await source.read(0);
    await source.close();
    for (const damaged of [false, true]) {
      const disk = new MemoryDisk();
      const store = new MemoryJournalStore(disk);
      await store.open();
      await store.initialize(bankId);
      const pages = damaged ? [flipped(snapshot.pages[0]), ...snapshot.pages.slice(1)] : snapshot.pages;
      await store.seed(sourceOf({ ...snapshot, pages }), chainHash);
      await store.append(
        batches.filter(({ firstPosition }) => firstPosition > position),
        { epoch: 1 },
      );
      await store.fill(batches.slice(0, 3));
      await store.close();
      const report = await verified(new MemoryJournalStore(disk));
      expect(report.gap).toMatchObject({
        after: 0,
        upTo: { position },
        filled: { position: batches[2]?.lastPosition },
      });
      if (damaged) expect(report.damages).toMatchObject([{ what: "snapshot", position }]);
      else {
        expect(report).toMatchObject({ damages: [], digest: made.digest, head: { position: made.position } });
        expect(report.records).toBe(made.position - position);
        await expect(copied(new MemoryJournalStore(disk), new MemoryJournalStore())).rejects.toThrow(
          "the source lacks",
        );
      }
    }
  });

  it("has rows of accounts that are not those of the ledger", async () => {
    const disk = new RowsDisk();
    const bank = await startBankOn(new RowsStore(disk));
    await bank.submit([request(1, openAccount()), request(2, deposit(1, 500))]);
    await bank.close();
    const look = () => verified(new RowsStore(disk));
    expect(await look()).toMatchObject({ damages: [], accountRows: bank.ledger.accounts.count });
    const row = disk.rows.get("1") as Record<string, string>;
    disk.rows.set("1", { ...row, posted: "1000" });
    expect((await look()).damages).toEqual([
      { what: "account rows", position: bank.ledger.position, problem: expect.stringContaining("another posted") },
    ]);
    disk.rows.set("1", row);
    disk.rows.set("77", row);
    expect((await look()).damages).toMatchObject([{ what: "account rows", problem: expect.stringContaining("77") }]);
    disk.rows.delete("77");
    disk.rows.delete("1");
    expect((await look()).damages).toMatchObject([{ what: "account rows", problem: "account 1 has no row" }]);
    disk.position = 1;
    expect((await look()).damages).toMatchObject([
      { what: "account rows", problem: expect.stringContaining("position 1") },
    ]);
  });
});
