import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { AccountIndex, Position } from "@bank/core";
import { NaiveHistory, RecordingLog } from "@bank/testkit";
import { expect, onTestFinished } from "vitest";
import { History, type HistoryOptions } from "./history.ts";
import type { HistoryJournal } from "./history-journal.ts";
import type { TestBatch } from "./random-journal.test-util.ts";

/** A path in a folder of the test's own, removed at its end. */
export function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "bank-history-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "history.db");
}

/** A signal that aborts when a test has waited in vain. */
export function patience(): AbortSignal {
  return AbortSignal.timeout(20_000);
}

export interface TestHistory extends History {
  readonly log: RecordingLog;
}

/** A history of a journal, closed at the end of the test, whose tries follow each other quickly. */
export function startHistory(journal: HistoryJournal, options: Partial<HistoryOptions> = {}): TestHistory {
  const log = new RecordingLog();
  const platform = {
    log,
    delay: async (ms: number, signal: AbortSignal) => {
      await delay(Math.min(ms, 20), undefined, { signal });
    },
    monotonicMs: () => performance.now(),
    random: () => Math.random(),
  };
  const history = new History({ journal, file: undefined, start: "eager", platform, ...options });
  onTestFinished(() => history.close());
  return Object.assign(history, { log });
}

/** Compares everything that a history knows up to a position with what the naive history says of the batches. */
export async function expectSameAsNaive(
  history: History,
  batches: readonly TestBatch[],
  upTo: Position,
): Promise<void> {
  const naive = new NaiveHistory();
  for (const batch of batches) naive.add(batch);
  const options = { needed: upTo, signal: patience() };
  for (let index = 0; index < 8; index++) {
    const account = index as AccountIndex;
    const list = { account, upper: upTo, oldestFirst: index % 2 === 0, filter: {} };
    const more = { cursor: undefined, pageSize: 100_000, expected: naive.balance(account, upTo) };
    const page = await history.ask("list", { ...list, ...more }, options);
    expect(page.entries).toEqual(naive.list(list));
    for (let position = upTo; position > 0; position -= Math.ceil(upTo / 50)) {
      const balance = await history.ask("balance", { account, position }, options);
      expect(balance, `account ${account} at ${position}`).toEqual(naive.balance(account, position));
    }
  }
}
