import { describe, expect, it } from "vitest";
import { ManualPlatform } from "./manual-platform.ts";
import { type Fault, Nemesis, type NemesisEvent, type NemesisOptions } from "./nemesis.ts";
import { seeds, withSeed } from "./random.ts";
import { driven, until, watch } from "./waiting.ts";

const FILE = "packages/testkit/src/nemesis.test.ts";

/** A fault that knows whether it is there. */
class Switch implements Fault {
  readonly name: string;
  readonly group: string;
  isOn = false;
  begun = 0;
  readonly drawn: number[] = [];

  constructor(name: string, group = name) {
    this.name = name;
    this.group = group;
  }

  begin(random: { word(): number }): void {
    expect(this.isOn, `${this.name} begins once`).toBe(false);
    this.isOn = true;
    this.begun++;
    this.drawn.push(random.word());
  }

  end(): void | Promise<void> {
    expect(this.isOn, `${this.name} ends once`).toBe(true);
    this.isOn = false;
  }
}

function optionsFor(seed: number, faults: readonly Fault[]): NemesisOptions {
  return { seed, faults, forMs: 10_000, calmMs: [100, 400], faultMs: [200, 900], atOnceMax: 2 };
}

function fourSwitches(): readonly Switch[] {
  return [new Switch("cut"), new Switch("slow"), new Switch("kill", "bank"), new Switch("pause", "bank")];
}

/** Each fault's times, from the log. */
function spans(log: readonly NemesisEvent[]): { name: string; beginMs: number; endMs: number }[] {
  const open = new Map<string, number>();
  const all = [];
  for (const { atMs, what, name } of log) {
    if (what === "begin") open.set(name, atMs);
    if (what === "end") all.push({ name, beginMs: open.get(name) ?? Number.NaN, endMs: atMs });
  }
  return all;
}

describe("a nemesis", () => {
  it("carries out its plan, every fault of it for its time, and leaves none behind", async () => {
    for (const seed of seeds(5)) {
      await withSeed(seed, FILE, async () => {
        const faults = fourSwitches();
        const platform = new ManualPlatform();
        const nemesis = new Nemesis(optionsFor(seed, faults), platform);
        const log = await driven(platform, nemesis.run());
        expect(spans(log).sort((a, b) => a.beginMs - b.beginMs)).toEqual(nemesis.plan);
        for (const fault of faults) expect([fault.isOn, fault.begun > 0]).toEqual([false, true]);
        for (const { beginMs, endMs } of nemesis.plan) {
          expect(endMs - beginMs >= 200 || endMs === 10_000).toBe(true);
          expect(endMs - beginMs).toBeLessThanOrEqual(900);
          expect(endMs).toBeLessThanOrEqual(10_000);
        }
        // Two at a time now and then, never more, and never two that exclude each other.
        const together = nemesis.plan.map(({ beginMs }) =>
          nemesis.plan.filter((other) => other.beginMs <= beginMs && beginMs < other.endMs).map(({ name }) => name),
        );
        expect(Math.max(...together.map(({ length }) => length))).toBe(2);
        for (const names of together) expect(names.filter((name) => /kill|pause/.test(name)).length).toBeLessThan(2);
      });
    }
  });

  it("plans the same for the same seed, draws included, and otherwise for another", async () => {
    const run = async (seed: number) => {
      const faults = fourSwitches();
      const platform = new ManualPlatform();
      const log = await driven(platform, new Nemesis(optionsFor(seed, faults), platform).run());
      return { log, drawn: faults.map(({ drawn }) => drawn) };
    };
    expect(await run(7)).toEqual(await run(7));
    expect((await run(7)).log).not.toEqual((await run(8)).log);
  });

  it("ends what is there as soon as it is told to, and begins nothing more", async () => {
    const faults = fourSwitches();
    const platform = new ManualPlatform();
    const nemesis = new Nemesis(optionsFor(1, faults), platform);
    const stop = new AbortController();
    const running = nemesis.run(stop.signal);
    await until(() => faults.some(({ isOn }) => isOn), { platform });
    const begun = faults.reduce((sum, fault) => sum + fault.begun, 0);
    stop.abort();
    await running;
    expect(faults.some(({ isOn }) => isOn)).toBe(false);
    expect(faults.reduce((sum, fault) => sum + fault.begun, 0)).toBe(begun);
    expect(platform.timerCount).toBe(0);
  });

  it("heals everything when a fault fails, and tells the seed and what it did", async () => {
    const well = fourSwitches().slice(0, 2);
    let ends = 0;
    const broken: Fault = {
      name: "broken",
      begin: () => {
        throw new Error("half of it is there");
      },
      end: () => {
        ends++;
        throw new Error("and does not go away");
      },
    };
    const platform = new ManualPlatform();
    const nemesis = new Nemesis(optionsFor(3, [...well, broken]), platform);
    const running = watch(nemesis.run());
    await until(() => running.state !== "pending", { platform });
    const error = running.reason as AggregateError;
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.errors.map(({ message }) => message)).toEqual(["half of it is there", "and does not go away"]);
    expect(error.message).toMatch(/nemesis with seed 3\n(.*\n)* +\d+ ms {2}failed broken: half of it is there\n/);
    expect(ends).toBe(1);
    expect(well.some(({ isOn }) => isOn)).toBe(false);
  });

  it("waits for a fault that takes long to end before another of its group begins", async () => {
    const [kill, pause] = [new Switch("kill", "bank"), new Switch("pause", "bank")];
    const platform = new ManualPlatform();
    const slow: Fault = {
      name: "kill",
      group: "bank",
      begin: (random) => kill.begin(random),
      end: async () => {
        await platform.delay(3_000, new AbortController().signal);
        kill.end();
      },
    };
    const checked: Fault = {
      name: "pause",
      group: "bank",
      begin: (random) => {
        expect(kill.isOn).toBe(false);
        pause.begin(random);
      },
      end: () => pause.end(),
    };
    await driven(platform, new Nemesis(optionsFor(2, [slow, checked]), platform).run());
    expect(kill.begun * pause.begun).toBeGreaterThan(0);
  });

  it("does so in real time too", async () => {
    const fault = new Switch("only");
    const options = { seed: 1, faults: [fault], forMs: 60, calmMs: [1, 5], faultMs: [5, 10] } as const;
    const log = await new Nemesis(options).run();
    expect(fault.begun).toBeGreaterThan(2);
    expect(spans(log)).toHaveLength(fault.begun);
    expect(fault.isOn).toBe(false);
  });

  it("takes no two faults of one name", () => {
    expect(() => new Nemesis(optionsFor(1, [new Switch("a"), new Switch("a")]))).toThrow("two faults have one name");
  });
});
