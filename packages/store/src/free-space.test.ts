import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { StoreFullError } from "./errors.ts";
import { FREE_SPACE_MARK_MIN_BYTES, FreeSpace } from "./free-space.ts";
import { openStore } from "./open.ts";

const MIB = 1024 * 1024;

/** A disk that says what it is told to say, and a clock that stands. */
function watched({ freeMib, markMib }: { readonly freeMib: number; readonly markMib: number }) {
  const disk = { free: freeMib * MIB, looks: 0, problem: undefined as Error | undefined };
  const clock = { ms: 0 };
  const space = new FreeSpace({
    folder: "/data",
    markBytes: markMib * MIB,
    freeBytes: () => {
      disk.looks++;
      if (disk.problem !== undefined) throw disk.problem;
      return disk.free;
    },
    nowMs: () => clock.ms,
  });
  return { disk, clock, space };
}

describe("the room on a disk", () => {
  it("is short below the mark, to the byte, and is enough again only an eighth above it", () => {
    const { disk, clock, space } = watched({ freeMib: 400, markMib: 400 });
    expect(space.shortage).toBeUndefined();
    disk.free--;
    clock.ms += 1_000;
    expect(space.shortage).toMatch(/disk of \/data has 399\.9 MiB left.*below 400\.0 MiB.*from 450\.0 MiB on/);
    expect(() => space.require("append")).toThrow(StoreFullError);
    expect(() => space.require("append")).toThrow(/nothing was stored: cannot append: the disk/);
    disk.free = 450 * MIB - 1;
    clock.ms += 1_000;
    expect(space.shortage).toBeDefined();
    disk.free++;
    clock.ms += 1_000;
    expect(space.shortage).toBeUndefined();
    space.require("append");
  });

  it("is looked at once a second, however often it is asked for", () => {
    const { disk, clock, space } = watched({ freeMib: 4_000, markMib: 400 });
    for (let ms = 0; ms < 10_000; ms++) {
      clock.ms = ms;
      expect(space.shortage).toBeUndefined();
      space.wrote(100);
    }
    expect(disk.looks).toBe(10);
  });

  it("is looked at again once so much was written that the mark may be reached, also within the second", () => {
    const { disk, space } = watched({ freeMib: 500, markMib: 400 });
    expect(space.shortage).toBeUndefined();
    // A hundred are left, and each byte may take four.
    disk.free = 300 * MIB;
    space.wrote(25 * MIB - 1);
    expect(space.shortage).toBeUndefined();
    space.wrote(1);
    expect(space.shortage).toBeDefined();
  });

  it("is not looked at with each write where the mark is near", () => {
    const { disk, space } = watched({ freeMib: 400, markMib: 400 });
    for (let i = 0; i < 1_000; i++) {
      expect(space.shortage).toBeUndefined();
      space.wrote(10_240);
    }
    expect(disk.looks).toBe(10);
  });

  it("counts as short while it cannot be told", () => {
    const { disk, clock, space } = watched({ freeMib: 500, markMib: 400 });
    disk.problem = new Error("EIO");
    expect(space.shortage).toMatch(/cannot be told.*\/data.*EIO/);
    disk.problem = undefined;
    clock.ms += 1_000;
    expect(space.shortage).toBeUndefined();
  });

  it("is that of the real disk where nothing else is said", () => {
    const folder = tmpdir();
    expect(new FreeSpace({ folder, markBytes: 1 }).shortage).toBeUndefined();
    expect(new FreeSpace({ folder, markBytes: Number.MAX_SAFE_INTEGER }).shortage).toMatch(/ MiB left/);
    expect(new FreeSpace({ folder: "/nowhere/at/all", markBytes: 1 }).shortage).toMatch(/ENOENT/);
  });
});

it.each([1, FREE_SPACE_MARK_MIN_BYTES - 1, -1, 1.5 * FREE_SPACE_MARK_MIN_BYTES + 0.5, Number.NaN])(
  "a mark of %d bytes is none",
  (minFreeBytes) => {
    expect(() => openStore("sqlite:data", { minFreeBytes })).toThrow(/0 for none, or at least 128\.0 MiB/);
  },
);

it("a store watches its disk only where it is told a mark", () => {
  expect(openStore("sqlite:data").room).toBeUndefined();
  expect(openStore("sqlite:data", { minFreeBytes: 0 }).room).toBeUndefined();
  expect(openStore("sqlite:data", { minFreeBytes: FREE_SPACE_MARK_MIN_BYTES }).room).toBeDefined();
});
