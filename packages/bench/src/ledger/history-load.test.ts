import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { HistoryLoad } from "./history-load.ts";

it("projects what it puts into its journal", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bank-bench-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const load = new HistoryLoad(folder);
  onTestFinished(() => load.close());
  await load.ready();
  await Promise.all([load.project(10), load.project(1)]);
  await load.project(20);
  expect(existsSync(join(folder, "history.db"))).toBe(true);
});
