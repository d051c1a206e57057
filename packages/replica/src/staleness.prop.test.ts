import { deposit, LocalLink, ManualPlatform, type Random, request, seeds, turn, until, withSeed } from "@bank/testkit";
import { afterAll, expect, it } from "vitest";
import { openBank } from "./bank-replica.test-util.ts";
import { caughtUp, openBranch } from "./branch-replica.test-util.ts";
import { HEARTBEAT_MS, LINK_TICK_MS } from "./link-watch.ts";
import { digestOf } from "./sequencer.test-util.ts";

const FILE = "packages/replica/src/staleness.prop.test.ts";
/** Steps in which all is well, and then in which nothing is; both three times. */
const CALM_STEPS = 1_000;
const WILD_STEPS = 250;
/** Of an answer, at the most, while all is well. */
const LATENCY_MAX_MS = 40;

/** Time goes by in steps of up to 10 ms, and a message takes some of them besides. */
const STEP_SLACK_MS = 80;

const tally = { worlds: 0, known: 0, behind: 0, unknown: 0, calm: 0 };

/** Who waits for a moment of the one true time. */
class TrueTime {
  nowMs = 0;
  private waiting: { readonly atMs: number; readonly wake: () => void }[] = [];

  after(ms: number): Promise<void> {
    return new Promise((wake) => this.waiting.push({ atMs: this.nowMs + ms, wake }));
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (const { wake } of this.waiting.filter(({ atMs }) => atMs <= this.nowMs)) wake();
    this.waiting = this.waiting.filter(({ atMs }) => atMs > this.nowMs);
  }
}

it.each(seeds(2))("what a branch says of its age is never less than the truth (seed %d)", async (seed) => {
  await withSeed(seed, FILE, async (random) => {
    await new World(random).run();
  });
});

afterAll(() => {
  // It would prove nothing if nothing was ever behind, or nothing was ever known.
  if (tally.worlds < 3) return;
  expect(tally.known).toBeGreaterThan(200 * tally.worlds);
  expect(tally.behind).toBeGreaterThan(10 * tally.worlds);
  expect(tally.unknown).toBeGreaterThan(tally.worlds);
  expect(tally.calm).toBeGreaterThan(50 * tally.worlds);
});

/**
 * A bank whose clocks run as they like, and a branch whose own clock is the one by which age is told: what is between
 * them is slow, uneven, cut and healed, and the machine of the branch sleeps now and then.
 */
class World {
  private readonly random: Random;
  private readonly time = new TrueTime();
  /** When each position was committed, by the true time; the digest of the bank there. */
  private readonly committed: { readonly atMs: number; readonly position: number; readonly digest: string }[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  async run(): Promise<void> {
    const { random, time } = this;
    // A century off, and a clock that is faster or slower than it should be.
    const bankPlatform = new ManualPlatform({ wallMs: Date.UTC(2026 + random.below(80), 0, 1) });
    const bankRate = 0.5 + random.fraction() * 1.5;
    const { bank, ...opened } = await openBank({ platform: bankPlatform });
    const link = new LocalLink(bank);
    const at = await openBranch({ link });
    await caughtUp(at, { bank, ...opened });
    const note = () => {
      const position = bank.committedPosition;
      if (position === (this.committed.at(-1)?.position ?? -1) || bank.ledger.position !== position) return;
      this.committed.push({ atMs: time.nowMs, position, digest: digestOf(bank.ledger) });
    };
    note();
    let isCalm = true;
    let calmSinceMs = 0;
    let isSilent = false;
    link.beforeAnswer = async () => {
      await time.after(random.below(isCalm ? LATENCY_MAX_MS : 1_500));
      while (isSilent) await time.after(50);
    };
    for (let step = 0; step < 3 * (CALM_STEPS + WILD_STEPS); step++) {
      const ms = 1 + random.below(isCalm ? 10 : 100);
      time.pass(ms);
      bankPlatform.advance(ms * bankRate);
      // Asleep, only one of the clocks goes on.
      if (!isCalm && random.chance(1)) {
        const sleptMs = 1_500 + random.below(60_000);
        time.pass(sleptMs);
        at.platform.setWallForward(sleptMs);
      }
      at.platform.advance(ms);
      if (random.chance(2)) bankPlatform.setWallForward(random.below(2_000_000) - 1_000_000);
      if (random.chance(30)) void bank.submit([request(step + 1, deposit(1, 1))]);
      if (isCalm !== step % (CALM_STEPS + WILD_STEPS) < CALM_STEPS) {
        isCalm = !isCalm;
        calmSinceMs = time.nowMs;
        isSilent = false;
        if (isCalm) link.join(bank);
      }
      if (!isCalm && random.chance(3)) isSilent = !isSilent;
      if (!isCalm && random.chance(2)) link.break();
      if (!isCalm && random.chance(5)) link.join(bank);
      for (let turns = random.below(6); turns > 0; turns--) {
        await turn();
        note();
      }
      await this.look(at.branch, isCalm ? time.nowMs - calmSinceMs : 0);
    }
    isSilent = false;
    link.join(bank);
    await until(
      () => {
        time.pass(10);
        return at.branch.appliedPosition === bank.committedPosition && at.branch.connected;
      },
      { platform: at.platform },
    );
    tally.worlds++;
  }

  /** @param calmMs for how long nothing has gone wrong. */
  private async look(branch: Awaited<ReturnType<typeof openBranch>>["branch"], calmMs: number): Promise<void> {
    const read = await branch.read({ mode: "local" }, digestOf);
    const shown = this.committed.findIndex(({ position }) => position === read.position);
    expect(shown, `position ${read.position} is one of the bank's`).toBeGreaterThanOrEqual(0);
    // A prefix of the bank, whole batches of it.
    expect(read.value).toBe(this.committed[shown]?.digest);
    if (read.stalenessMs === undefined) {
      tally.unknown++;
      return;
    }
    tally.known++;
    const missing = this.committed[shown + 1];
    if (missing !== undefined) {
      tally.behind++;
      expect(read.stalenessMs).toBeGreaterThanOrEqual(this.time.nowMs - missing.atMs);
    }
    // All is well for a while: links are up again, and what was on its way has come.
    if (calmMs < 4_000) return;
    tally.calm++;
    expect(read.stalenessMs).toBeLessThanOrEqual(HEARTBEAT_MS + LINK_TICK_MS + LATENCY_MAX_MS + STEP_SLACK_MS);
  }
}
