import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import { openDatabase, removeDatabase } from "./database.ts";
import { isDamage } from "./errors.ts";

function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "bank-history-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "history.db");
}

function failureOf(open: () => DatabaseSync): unknown {
  try {
    open().close();
  } catch (error) {
    return error;
  }
  throw new Error("it can be opened");
}

function change(file: string, sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

it("is made where there is none, and found again", () => {
  const file = temporaryFile();
  const made = openDatabase(file);
  made.exec("INSERT INTO batches VALUES (5, 6)");
  made.close();
  const found = openDatabase(file);
  expect(found.prepare("SELECT * FROM batches").all().map(Object.values)).toEqual([[5n, 6n]]);
  found.close();
});

it("is damaged where the file is something else", () => {
  const file = temporaryFile();
  writeFileSync(file, "This is no database, and never was one, however long anybody reads it.".repeat(100));
  expect(isDamage(failureOf(() => openDatabase(file)))).toBe(true);
});

it("is damaged where the file is another program's database, or of another layout", () => {
  const other = temporaryFile();
  change(other, "CREATE TABLE notes (text TEXT)");
  expect(isDamage(failureOf(() => openDatabase(other)))).toBe(true);
  const newer = temporaryFile();
  openDatabase(newer).close();
  change(newer, "PRAGMA user_version = 3");
  expect(isDamage(failureOf(() => openDatabase(newer)))).toBe(true);
});

it("is damaged where the file was cut", () => {
  const file = temporaryFile();
  openDatabase(file).close();
  truncateSync(file, statSync(file).size - 9_000);
  const error = failureOf(() => {
    const database = openDatabase(file);
    database.prepare("SELECT * FROM holds JOIN entries JOIN reversals JOIN head").all();
    return database;
  });
  expect(isDamage(error)).toBe(true);
});

it("is not damaged where the path cannot be used: trying again may help", () => {
  const file = temporaryFile();
  mkdirSync(file);
  expect(isDamage(failureOf(() => openDatabase(file)))).toBe(false);
});

it("is not damaged where somebody else has it open, and is given to one at a time", () => {
  const file = temporaryFile();
  const mine = openDatabase(file);
  expect(isDamage(failureOf(() => openDatabase(file)))).toBe(false);
  mine.close();
  openDatabase(file).close();
});

it("is gone when it is removed, with all that lies beside it", () => {
  const file = temporaryFile();
  openDatabase(file).close();
  for (const suffix of ["-wal", "-shm", "-journal"]) writeFileSync(`${file}${suffix}`, "left over");
  removeDatabase(file);
  for (const suffix of ["", "-wal", "-shm", "-journal"])
    expect(statSync(`${file}${suffix}`, { throwIfNoEntry: false })).toBeUndefined();
  removeDatabase(file);
});
