import { ManualPlatform, rest } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { ALARM_WAIT_MAX_MS, Alarm } from "./alarm.ts";

function setUp() {
  const platform = new ManualPlatform();
  const start = platform.monotonicMs();
  const rings: number[] = [];
  const alarm = new Alarm(platform, () => rings.push(platform.monotonicMs() - start));
  return { platform, rings, alarm };
}

describe("an alarm", () => {
  it("rings once, when it is time", async () => {
    const { platform, rings, alarm } = setUp();
    alarm.ringWithin(30);
    platform.advance(29);
    await rest();
    expect(rings).toEqual([]);
    platform.advance(1);
    await rest();
    platform.advance(1_000);
    await rest();
    expect(rings).toEqual([30]);
    expect(platform.timerCount).toBe(0);
  });

  it("can be set again once it rang", async () => {
    const { platform, rings, alarm } = setUp();
    for (let i = 0; i < 3; i++) {
      alarm.ringWithin(10);
      platform.advance(10);
      await rest();
    }
    expect(rings).toEqual([10, 20, 30]);
  });

  it("has one timer, for the earliest that was asked", async () => {
    const { platform, rings, alarm } = setUp();
    alarm.ringWithin(30);
    alarm.ringWithin(50);
    alarm.ringWithin(20);
    await rest();
    expect(platform.timerCount).toBe(1);
    platform.advance(20);
    await rest();
    expect(rings).toEqual([20]);
    platform.advance(100);
    await rest();
    expect(rings).toEqual([20]);
  });

  it("never waits longer than it may, nor shorter than a millisecond", async () => {
    const { platform, rings, alarm } = setUp();
    alarm.ringWithin(Number.MAX_SAFE_INTEGER);
    platform.advance(ALARM_WAIT_MAX_MS);
    await rest();
    expect(rings).toEqual([ALARM_WAIT_MAX_MS]);
    alarm.ringWithin(-5);
    platform.advance(0.5);
    await rest();
    expect(rings).toHaveLength(1);
    platform.advance(0.5);
    await rest();
    expect(rings).toHaveLength(2);
  });

  it("that is cancelled does not ring, not even in the moment in which its time is over, and leaves no timer", async () => {
    const { platform, rings, alarm } = setUp();
    alarm.ringWithin(10);
    alarm.cancel();
    expect(platform.timerCount).toBe(0);
    alarm.ringWithin(10);
    platform.advance(10);
    alarm.cancel();
    await rest();
    expect(rings).toEqual([]);
    alarm.ringWithin(10);
    platform.advance(10);
    await rest();
    expect(rings).toEqual([20]);
  });
});
