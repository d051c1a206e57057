import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RecordingLog } from "@bank/testkit";
import { expect, it } from "vitest";
import { AnchorFile } from "./anchor-file.ts";
import { EpochPromises, PROMISE_FILE } from "./epoch-promise.ts";
import { PromotionFile } from "./promotion-file.ts";
import { temporaryFolder } from "./servers.test-util.ts";
import { SupersededFile } from "./superseded-file.ts";

interface Kept {
  readonly path: string;
  read(): unknown;
}

const ID = new Uint8Array(16).fill(0xa5);

/** Everything that a server writes down beside its journal, each in a folder of its own. */
const FILES: Readonly<Record<string, (folder: string) => Promise<Kept>>> = {
  "the promise of an epoch": async (folder) => {
    new EpochPromises(folder).give({ epoch: 1_234_567_890, candidate: ID });
    return { path: join(folder, PROMISE_FILE), read: () => new EpochPromises(folder).given };
  },
  "the word of a newer bank": async (folder) => {
    const file = new SupersededFile(folder);
    file.write({ epoch: 12, newer: 34 });
    return file;
  },
  "a promotion": async (folder) => {
    const file = new PromotionFile(folder);
    file.write({ epoch: 12, from: ID, store: "sqlite:somewhere" });
    return file;
  },
  "the anchor": async (folder) => {
    const file = new AnchorFile(folder, new RecordingLog());
    file.update({ bankId: ID, epochId: ID, position: 1_234_567_890, chainHash: new Uint8Array(32).fill(0x5a) });
    await file.close();
    return file;
  },
};

it.each(Object.keys(FILES))(
  "whatever part of it flips, %s says what was written, or that it is damaged",
  async (name) => {
    const kept = await FILES[name]?.(await temporaryFolder());
    if (kept === undefined) throw new Error("there is such a file");
    const { path } = kept;
    const good = await kept.read();
    const bytes = readFileSync(path);
    let refused = 0;
    // One of each byte, or nearly: each of the eight in turn.
    for (let bit = 0; bit < 8 * bytes.length; bit += 9) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      writeFileSync(path, damaged);
      try {
        expect(await kept.read()).toEqual(good);
      } catch (error) {
        expect(String(error)).toContain(`${path} is damaged`);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(bytes.length / 2);
  },
);

it("takes what an earlier release wrote, without a checksum", async () => {
  const file = new SupersededFile(await temporaryFolder());
  writeFileSync(file.path, '{"epoch":"12","newer":"34","at":"2026-01-01T00:00:00.000Z"}\n');
  expect(file.read()).toEqual({ epoch: 12, newer: 34 });
});
