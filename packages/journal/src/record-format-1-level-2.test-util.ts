// Records the journal of testdata/format-1-level-2, which every later version must replay to the same state:
//
//   npx node --conditions=bank-src packages/journal/src/record-format-1-level-2.test-util.ts
//
// Run when format level 2 was fixed. To run it again is to break every journal that reached the level: what comes later
// is recorded in a folder of its own.
import { mkdirSync, writeFileSync } from "node:fs";
import { toHex } from "@bank/core";
import { tellFullStory, workAtEverything } from "./full-story.test-util.ts";
import type { ExpectedLevel2 } from "./recorded-journal.test-util.ts";
import { dump, FIXTURE_LEVEL_2, packBlocks, summaryOf } from "./recorded-journal.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { takeSnapshot } from "./snapshot.ts";
import { TestBank } from "./test-bank.test-util.ts";

const bank = new TestBank();
tellFullStory(bank, { seed: 20_261_122, batches: 80 });
const snapshot = takeSnapshot(bank.replay, sha256);
const batches = bank.frames.length;
bank.recordRoot(snapshot.position, snapshot.root);
workAtEverything(bank, { seed: 1_121_2026, batches: 60 });

const expected: ExpectedLevel2 = {
  bankId: toHex(bank.replay.bankId),
  batches: bank.frames.length,
  ...summaryOf(bank.replay),
  snapshot: { batches, position: snapshot.position, root: toHex(snapshot.root) },
};

mkdirSync(FIXTURE_LEVEL_2, { recursive: true });
const write = (file: string, contents: string | Uint8Array) => writeFileSync(new URL(file, FIXTURE_LEVEL_2), contents);
write("journal.bin", packBlocks(bank.frames.flatMap(({ frame, chainHash }) => [frame, chainHash])));
write("snapshot.bin", packBlocks([snapshot.header, ...snapshot.pages]));
write("expected.json", `${JSON.stringify(expected, undefined, 2)}\n`);
write("dump.txt", dump(bank.frames.slice(0, 25)));
