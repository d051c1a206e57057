import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { RowInserter } from "./row-inserter.ts";

test.each([0, 1, 15, 16, 17, 32, 41])("inserts %i rows, each once, in their order", (count) => {
  using database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE pairs (a INTEGER, b TEXT)");
  const inserter = new RowInserter(database, "pairs", 2);
  const rows = Array.from({ length: count }, (_, i) => ({ a: i, b: `${i}` }));
  for (const { a, b } of rows) inserter.add(a, b);
  inserter.flush();
  inserter.flush();
  expect(database.prepare("SELECT a, b FROM pairs ORDER BY rowid").all()).toEqual(
    rows.map((row) => expect.objectContaining(row)),
  );
});

test("fails for a row that the table does not take, at the latest when it is flushed", () => {
  using database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE numbers (number INTEGER PRIMARY KEY) STRICT");
  const inserter = new RowInserter(database, "numbers", 1);
  inserter.add(1);
  inserter.add(1);
  expect(() => inserter.flush()).toThrow("UNIQUE");
});
