import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EpochPromises, PROMISE_FILE } from "./epoch-promise.ts";
import { temporaryFolder } from "./servers.test-util.ts";

const mine = new Uint8Array(16).fill(1);
const other = new Uint8Array(16).fill(2);

describe("a promise", () => {
  it("is on disk before it stands, and stands for ever", async () => {
    const folder = await temporaryFolder();
    const promises = new EpochPromises(folder);
    expect(promises.epoch).toBe(0);
    expect(await readdir(folder)).toEqual([]);
    expect(promises.give({ epoch: 5, candidate: mine })).toBe(true);
    expect(JSON.parse(await readFile(join(folder, PROMISE_FILE), "utf8"))).toMatchObject({
      epoch: "5",
      candidate: "01".repeat(16),
    });
    for (const kept of [promises, new EpochPromises(folder)]) {
      expect(kept.epoch).toBe(5);
      expect(kept.give({ epoch: 5, candidate: mine })).toBe(true);
      expect(kept.give({ epoch: 5, candidate: other })).toBe(false);
      expect(kept.give({ epoch: 4, candidate: mine })).toBe(false);
      expect(kept.epoch).toBe(5);
    }
    expect(new EpochPromises(folder).give({ epoch: 6, candidate: other })).toBe(true);
    expect(new EpochPromises(folder).epoch).toBe(6);
  });

  it("is not given where it cannot be written", async () => {
    const folder = join(await temporaryFolder(), "gone");
    const promises = new EpochPromises(folder);
    expect(() => promises.give({ epoch: 5, candidate: mine })).toThrow(/ENOENT/);
    expect(promises.epoch).toBe(0);
  });

  it("is not forgotten because its file is damaged: the copy says so and does not start", async () => {
    const folder = await temporaryFolder();
    for (const text of ["", "{", "null", '{"epoch":"x","candidate":""}', '{"epoch":"5","candidate":"01"}']) {
      await writeFile(join(folder, PROMISE_FILE), text);
      expect(() => new EpochPromises(folder), text).toThrow(/promised-epoch.json is damaged/);
    }
  });

  it("of a copy in memory ends with it", () => {
    expect(new EpochPromises(undefined).give({ epoch: 5, candidate: mine })).toBe(true);
    expect(new EpochPromises(undefined).epoch).toBe(0);
  });
});
