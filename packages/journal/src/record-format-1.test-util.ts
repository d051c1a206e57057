// Records the journal of testdata/format-1, which every later version must replay to the same state:
//
//   npx node --conditions=bank-src packages/journal/src/record-format-1.test-util.ts
//
// Run once, when the format was fixed. To run it again is to break every journal that exists: the files change only if
// the format does, and then the new ones go into a folder of their own.
import { mkdirSync, writeFileSync } from "node:fs";
import { toHex, totals } from "@bank/core";
import type { Expected } from "./recorded-journal.test-util.ts";
import { dump, FIXTURE, packBlocks } from "./recorded-journal.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { takeSnapshot } from "./snapshot.ts";
import { tellStory, workRandomly } from "./story.test-util.ts";
import { TestBank } from "./test-bank.test-util.ts";

const bank = new TestBank();
const { ledger } = bank.replay;

tellStory(bank, { seed: 20_261_121, batches: 60 });
const snapshot = takeSnapshot(bank.replay, sha256);
const batches = bank.frames.length;
bank.recordRoot(snapshot.position, snapshot.root);
workRandomly(bank, { seed: 1_121_2026, batches: 40 });

const expected: Expected = {
  bankId: toHex(bank.replay.bankId),
  batches: bank.frames.length,
  position: ledger.position,
  timeMs: ledger.timeMs,
  digest: toHex(ledger.digestBytes()),
  chainHash: toHex(bank.replay.chainHash),
  accounts: ledger.accounts.count,
  requests: ledger.requests.count,
  totals: Object.fromEntries([...totals(ledger)].map(([currency, sum]) => [currency, String(sum)])),
  snapshot: { batches, position: snapshot.position, root: toHex(snapshot.root) },
};

mkdirSync(FIXTURE, { recursive: true });
const write = (file: string, contents: string | Uint8Array) => writeFileSync(new URL(file, FIXTURE), contents);
write("journal.bin", packBlocks(bank.frames.flatMap(({ frame, chainHash }) => [frame, chainHash])));
write("snapshot.bin", packBlocks([snapshot.header, ...snapshot.pages]));
write("expected.json", `${JSON.stringify(expected, undefined, 2)}\n`);
write("dump.txt", dump(bank.frames.slice(0, 16)));
