// A process that uses a store, to be killed or starved by a test: node store-process.test-util.ts MODE FOLDER SEED.
// It prints one line per event, each written at once, so that a kill loses none that it has printed:
//   "ready", "stored POSITION", "unknown", "recovered POSITION", or "error NAME: MESSAGE" before it ends.
import { writeSync } from "node:fs";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { Random } from "../conformance/seeded.ts";
import { AppendUnknownError } from "../errors.ts";
import type { StoredBatch } from "../port.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

const EPOCH = { epoch: 1 };

async function main(mode: string, folder: string, seed: number): Promise<void> {
  const store = new SqliteJournalStore({ folder });
  await store.open();
  await store.initialize(BANK_ID);
  say("ready");
  if (mode === "hold") return stayAlive();
  const chain = new Chain(await readAll(store));
  const random = new Random(seed);
  if (mode === "append") return appendForEver(store, chain, random);
  if (mode === "starve") return appendThroughDoubt(store, chain, random);
  throw new Error(`unknown mode ${mode}`);
}

async function appendForEver(store: SqliteJournalStore, chain: Chain, random: Random): Promise<void> {
  for (;;) {
    await store.append(growArray(chain, random), EPOCH);
    say(`stored ${chain.end}`);
    if (random.integer(1, 5) === 1) {
      await saveSnapshot(store, chain, random);
    }
  }
}

/** Of the end of the chain, which goes on growing between the pages. */
async function saveSnapshot(store: SqliteJournalStore, chain: Chain, random: Random): Promise<void> {
  const { end: position, hash } = chain;
  const pages = async function* () {
    for (let page = 0; page < 2; page++) {
      await store.append(growArray(chain, random), EPOCH);
      say(`stored ${chain.end}`);
      yield hash;
    }
  };
  await store.saveSnapshot({ position, pages: pages(), header: () => hash });
}

/** Appends until two doubts were settled: the log fills sooner than the journal's file, so each recovery has room. */
async function appendThroughDoubt(store: SqliteJournalStore, chain: Chain, random: Random): Promise<void> {
  for (let doubts = 0; doubts < 2; ) {
    const array = growArray(chain, random, { largeFrames: false });
    try {
      await store.append(array, EPOCH);
    } catch (error) {
      if (!(error instanceof AppendUnknownError)) throw error;
      doubts++;
      say("unknown");
      const { head } = await store.recover();
      say(`recovered ${head?.position ?? 0}`);
      await store.append(array, EPOCH);
    }
    say(`stored ${chain.end}`);
  }
  await store.close();
}

/** The next array of 1 to 4 batches. Its length and each batch's place in it stand in the last two bytes of the frames. */
function growArray(chain: Chain, random: Random, { largeFrames = true } = {}): StoredBatch[] {
  const length = random.integer(1, 4);
  return Array.from({ length }, (_, index) => {
    const large = largeFrames && random.integer(1, 15) === 1;
    const frameBytes = random.integer(10, large ? 200_000 : 3_000);
    return chain.grow({ records: random.integer(1, 5), frameBytes, ending: [index, length] });
  });
}

function stayAlive(): Promise<void> {
  setInterval(() => undefined, 60_000);
  return Promise.resolve();
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

const [mode = "", folder = "", seed = "0"] = process.argv.slice(2);
try {
  await main(mode, folder, Number(seed));
} catch (error) {
  say(`error ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`);
  process.exitCode = 1;
}
