import { ManualPlatform, type Random, seeds, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { JournalClock, WALL_JUMP_MAX_MS } from "./journal-clock.ts";

const FILE = "packages/replica/src/journal-clock.test.ts";
const START = 1_700_000_000_000;

function start(journalMs = 0) {
  const platform = new ManualPlatform({ wallMs: START });
  return { platform, clock: new JournalClock(platform, journalMs) };
}

describe("journal time", () => {
  it("begins at the later of the wall clock and the journal's last time", () => {
    expect(start().clock.now(0)).toBe(START);
    expect(start(START - 5).clock.now(START - 5)).toBe(START);
    expect(start(START + 99_999).clock.now(START + 99_999)).toBe(START + 99_999);
  });

  it("is in whole milliseconds and follows the monotonic clock", () => {
    const { platform, clock } = start(START + 50_000);
    platform.advance(1_000.75);
    expect(clock.now(0)).toBe(START + 51_000);
  });

  it("is never below the journal's last time", () => {
    expect(start().clock.now(START + 7)).toBe(START + 7);
  });

  it("goes on when the wall clock is set back, and when it comes forward again", () => {
    const { platform, clock } = start();
    platform.setWallForward(-3_600_000);
    platform.advance(10);
    expect(clock.now(START)).toBe(START + 10);
    platform.setWallForward(3_600_000);
    platform.advance(10);
    expect(clock.now(START)).toBe(START + 20);
    expect(platform.log.lines).toEqual([]);
  });

  it("follows small corrections forward, and keeps them", () => {
    const { platform, clock } = start();
    platform.setWallForward(WALL_JUMP_MAX_MS);
    expect(clock.now(0)).toBe(START + WALL_JUMP_MAX_MS);
    platform.setWallForward(-WALL_JUMP_MAX_MS);
    platform.advance(10);
    expect(clock.now(0)).toBe(START + WALL_JUMP_MAX_MS + 10);
    expect(platform.log.lines).toEqual([]);
  });

  it("does not follow a jump, alarms it once, and alarms the next one again", () => {
    const { platform, clock } = start();
    for (let jump = 1; jump <= 2; jump++) {
      platform.setWallForward(WALL_JUMP_MAX_MS + 1);
      expect(clock.now(0)).toBe(START);
      expect(clock.now(0)).toBe(START);
      expect(platform.log.lines).toHaveLength(jump);
      expect(platform.log.lines[0]).toMatchObject({ level: "error", fields: { ahead_ms: WALL_JUMP_MAX_MS + 1 } });
      platform.setWallForward(-WALL_JUMP_MAX_MS - 1);
      expect(clock.now(0)).toBe(START);
    }
  });

  it.each(seeds(5))("never runs back and never runs away, whatever the wall clock does (seed %d)", async (seed) => {
    await withSeed(seed, FILE, async (random: Random) => {
      const { platform, clock } = start();
      let last = START;
      let elapsed = 0;
      let corrections = 0;
      for (let i = 0; i < 300; i++) {
        const jump = Math.round((random.fraction() - 0.5) * 10 ** random.below(9));
        const step = random.below(1_000);
        platform.setWallForward(jump);
        platform.advance(step);
        elapsed += step;
        if (jump > 0) corrections += WALL_JUMP_MAX_MS;
        const now = clock.now(last);
        expect(now).toBeGreaterThanOrEqual(last);
        expect(now).toBeGreaterThanOrEqual(START + elapsed);
        expect(now).toBeLessThanOrEqual(START + elapsed + corrections);
        last = now;
      }
    });
  });
});
