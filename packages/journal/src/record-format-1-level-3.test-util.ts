// Records the journal of testdata/format-1-level-3, which every later version must replay to the same state:
//
//   npx node --conditions=bank-src packages/journal/src/record-format-1-level-3.test-util.ts
//
// Run when format level 3 was fixed. To run it again is to break every journal that reached the level: what comes later
// is recorded in a folder of its own.
import { mkdirSync, writeFileSync } from "node:fs";
import { toHex } from "@bank/core";
import type { ExpectedLevel3 } from "./recorded-journal.test-util.ts";
import { dump, FIXTURE_LEVEL_3, packBlocks, summaryOf, summaryOfBranches } from "./recorded-journal.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { takeSnapshot } from "./snapshot.ts";
import { TestBank } from "./test-bank.test-util.ts";
import { tellWholeStory, workAmongBranches } from "./whole-story.test-util.ts";

const bank = new TestBank();
tellWholeStory(bank, { seed: 20_261_123, batches: 60 });
const snapshot = takeSnapshot(bank.replay, sha256);
const batches = bank.frames.length;
bank.recordRoot(snapshot.position, snapshot.root);
workAmongBranches(bank, { seed: 1_123_2026, batches: 60 });

const expected: ExpectedLevel3 = {
  bankId: toHex(bank.replay.bankId),
  batches: bank.frames.length,
  ...summaryOf(bank.replay),
  ...summaryOfBranches(bank.replay),
  snapshot: { batches, position: snapshot.position, root: toHex(snapshot.root) },
};

// What level 3 adds is worth reading: from the batch before the level is raised, on to the random working day.
const raised = bank.frames.findIndex((_, i) => dump(bank.frames.slice(i, i + 1)).includes('{"level":3}'));

mkdirSync(FIXTURE_LEVEL_3, { recursive: true });
const write = (file: string, contents: string | Uint8Array) => writeFileSync(new URL(file, FIXTURE_LEVEL_3), contents);
write("journal.bin", packBlocks(bank.frames.flatMap(({ frame, chainHash }) => [frame, chainHash])));
write("snapshot.bin", packBlocks([snapshot.header, ...snapshot.pages]));
write("expected.json", `${JSON.stringify(expected, undefined, 2)}\n`);
write("dump.txt", dump(bank.frames.slice(raised - 1, raised + 20)));
