import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RecordingLog } from "@bank/testkit";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type Anchor, AnchorFile } from "./anchor-file.ts";
import { startTestBank, temporaryFolder } from "./servers.test-util.ts";

function anchorAt(position: number): Anchor {
  return {
    bankId: new Uint8Array(16).fill(1),
    epochId: new Uint8Array(16).fill(2),
    position,
    chainHash: new Uint8Array(32).fill(position % 256),
  };
}

async function newAnchorFile() {
  const folder = await temporaryFolder();
  const log = new RecordingLog();
  const anchor = new AnchorFile(folder, log);
  onTestFinished(() => anchor.close());
  return { folder, log, anchor };
}

describe("the anchor file", () => {
  it("is no witness before it is written", async () => {
    const { anchor } = await newAnchorFile();
    expect(await anchor.read()).toBeUndefined();
  });

  it("says after a restart where the journal ended", async () => {
    const { folder, log, anchor } = await newAnchorFile();
    anchor.update(anchorAt(2 ** 53 - 1));
    await anchor.close();
    const { position, chainHash, epochId } = anchorAt(2 ** 53 - 1);
    const name = `the anchor file ${join(folder, "anchor.json")}`;
    expect(await new AnchorFile(folder, log).read()).toEqual({ name, position, chainHash, epochId });
    expect(log.lines).toEqual([]);
  });

  it("ends with the newest head, however fast they come, in few writes", async () => {
    const { anchor } = await newAnchorFile();
    const seen = new Set<number>();
    for (let position = 1; position <= 2_000; position++) {
      anchor.update(anchorAt(position));
      // Every so often whoever waits gets its turn, and the file may be looked at.
      if (position % 10 === 0) seen.add((await anchor.read())?.position ?? 0);
    }
    await anchor.close();
    expect((await anchor.read())?.position).toBe(2_000);
    // The first at once, then no more than one in a tenth of a second.
    expect(seen.size).toBeLessThan(20);
  });

  it("misses no head that comes as it comes to rest", async () => {
    const { anchor } = await newAnchorFile();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    for (let position = 1; position <= 50; position++) {
      anchor.update(anchorAt(position));
      await vi.waitUntil(async () => (await anchor.read())?.position === position, { interval: 1 });
      // Its pause ends, and some turns later it rests: the next head comes in one of them.
      await vi.waitUntil(() => vi.getTimerCount() > 0, { interval: 1 });
      vi.advanceTimersByTime(100);
      for (let turns = 0; turns < position % 6; turns++) await Promise.resolve();
    }
  });

  it("is replaced as a whole, never written in place", async () => {
    const { folder, anchor } = await newAnchorFile();
    anchor.update(anchorAt(1));
    await vi.waitUntil(async () => (await anchor.read())?.position === 1);
    // Were it written in place, this reader would now and then see half of it, which is refused as damaged.
    const reading = new AbortController();
    const reader = (async () => {
      while (!reading.signal.aborted) expect((await anchor.read())?.position).toBeGreaterThan(0);
    })();
    for (let position = 2; position < 30; position++) {
      const other = new AnchorFile(folder, new RecordingLog());
      other.update(anchorAt(position));
      await other.close();
    }
    reading.abort();
    await reader;
    expect(await readdir(folder)).toEqual(["anchor.json"]);
  });

  it("survives a crash between the two files, and a leftover of it", async () => {
    const { folder, anchor } = await newAnchorFile();
    await writeFile(join(folder, "anchor.json.new"), "{half a");
    expect(await anchor.read()).toBeUndefined();
    anchor.update(anchorAt(3));
    await anchor.close();
    expect((await anchor.read())?.position).toBe(3);
  });

  it("says so, once for each try, when it cannot be written, and is written when it can be", async () => {
    const { folder, log, anchor } = await newAnchorFile();
    await mkdir(join(folder, "anchor.json.new"));
    anchor.update(anchorAt(1));
    await anchor.close();
    expect(log.lines).toMatchObject([{ level: "error", event: "anchor not written" }]);
    expect(await anchor.read()).toBeUndefined();
  });
});

describe("a damaged anchor file", () => {
  const good = {
    bank_id: "01".repeat(16),
    epoch_id: "02".repeat(16),
    position: "7",
    chain_hash: "03".repeat(32),
  };
  const damaged: Record<string, string> = {
    "an empty file": "",
    zeros: "\0".repeat(100),
    "half of one": JSON.stringify(good).slice(0, 60),
    "another kind of document": "[1, 2]",
    null: "null",
    "no position": JSON.stringify({ ...good, position: undefined }),
    "a negative position": JSON.stringify({ ...good, position: "-7" }),
    "a position that is a number": JSON.stringify({ ...good, position: 7 }),
    "a hash of the wrong length": JSON.stringify({ ...good, chain_hash: "03" }),
    "a hash that is none": JSON.stringify({ ...good, chain_hash: "xy".repeat(32) }),
    "no epoch": JSON.stringify({ ...good, epoch_id: "" }),
  };

  it.each(Object.keys(damaged))("is refused: %s", async (kind) => {
    const { folder, anchor } = await newAnchorFile();
    await writeFile(anchor.path, JSON.stringify(good));
    expect((await anchor.read())?.position).toBe(7);
    await writeFile(anchor.path, damaged[kind] as string);
    await expect(anchor.read()).rejects.toThrow(`${join(folder, "anchor.json")} is damaged`);
  });

  it("keeps the bank from starting, says what to do, and is left as it is", async () => {
    const bank = await startTestBank();
    const { dataDir } = bank;
    await bank.close();
    const path = join(dataDir, "anchor.json");
    await writeFile(path, "oops");
    await expect(startTestBank({ dataDir })).rejects.toThrow("move the file away and start again");
    expect(await readFile(path, "utf8")).toBe("oops");
    await writeFile(path, JSON.stringify({ ...good, position: "3" }));
    await expect(startTestBank({ dataDir })).rejects.toThrow("The journal ends at position 2, and the anchor file");
  });
});
