import { bytesEqual, toHex } from "@bank/core";
import { deposit, type Random, rest, seeds, turn, withSeed } from "@bank/testkit";
import { afterAll, expect, it } from "vitest";
import { Group, type Site } from "./counted.test-util.ts";
import { isCounted } from "./counted-commit.ts";
import type { Outcome } from "./outcome.ts";

const FILE = "packages/replica/src/members.prop.test.ts";
const STEPS = 600;
const BRANCHES = 3;
/** On the disks of so many of the branches a write must be. */
const COPIES = 2;

const tally = { worlds: 0, acknowledged: 0, everywhere: 0, reads: 0, lost: 0, restarts: 0, stalls: 0, refused: 0 };

it.each(seeds(8))("what copies acknowledge is there, and shown where it was said to be (seed %d)", async (seed) => {
  await withSeed(seed, FILE, async (random) => {
    const world = await World.begin(random);
    for (let step = 0; step < STEPS; step++) await world.step();
    await world.end();
    tally.worlds++;
  });
});

afterAll(() => {
  // The test would prove nothing if nothing happened.
  if (tally.worlds < 5) return;
  const { worlds } = tally;
  expect(tally.acknowledged).toBeGreaterThan(20 * worlds);
  expect(tally.everywhere).toBeGreaterThan(3 * worlds);
  expect(tally.reads).toBeGreaterThan(5 * worlds);
  expect(tally.restarts).toBeGreaterThan(2 * worlds);
  expect(tally.stalls).toBeGreaterThan(2 * worlds);
  expect(tally.lost).toBeGreaterThan(worlds / 2);
});

/** A bank and branches of which some count: processes end, disks are lost, links stall and break, time passes. */
class World {
  private readonly random: Random;
  private readonly group: Group;
  private readonly failures: unknown[] = [];
  /** Copies that are gone, which may have acknowledged what the bank only hears of now. */
  private readonly gone: Pick<Site, "copyId" | "disk">[] = [];
  /** The highest position that a writer was told to be committed, and to be shown everywhere. */
  private acknowledged = 0;
  private everywhere = 0;
  /** The highest position that was ever committed. */
  private committed = 0;

  private constructor(random: Random, group: Group) {
    this.random = random;
    this.group = group;
  }

  static async begin(random: Random): Promise<World> {
    const group = await Group.start(BRANCHES);
    const numbers = group.sites.map(({ number }) => number);
    await group.count(COPIES, ...numbers);
    await group.connected();
    const world = new World(random, group);
    await world.restartBank();
    return world;
  }

  async step(): Promise<void> {
    const { random, group } = this;
    const site = random.pick(group.sites);
    const chance = random.below(100);
    if (chance < 30) this.write();
    else if (chance < 42) this.writeEverywhere();
    else if (chance < 54) this.read(site);
    else if (chance < 62) this.toggleStall(site);
    else if (chance < 68) this.toggleDisk(site);
    else if (chance < 73) this.toggleLink(site);
    else if (chance < 76) await this.restart(site);
    else if (chance < 78) await this.loseDisk(site);
    else if (chance < 80) await this.restartBank();
    else if (chance < 98) group.platform.advance(random.below(120));
    else group.platform.advance(random.below(3_000));
    for (let turns = random.below(10); turns > 0; turns--) await turn();
    if (random.chance(2)) this.healAll();
    this.check();
  }

  async end(): Promise<void> {
    const { group } = this;
    this.healAll();
    await group.connected();
    await rest();
    this.check();
    expect(group.bank.bank.committedPosition).toBeGreaterThanOrEqual(this.acknowledged);
    expect(group.bank.fatal).toEqual([]);
    for (const { at } of group.sites) expect([at.fatal, at.contradicted]).toEqual([[], []]);
    await group.close();
  }

  private write(): void {
    const { bank } = this.group.bank;
    bank.submit([this.group.next(deposit(1, 1))], { signal: this.deadline() }).then(
      ([outcome]) => this.judge(outcome as Outcome),
      () => {
        // Refused, late, or of a bank that is gone: nothing was promised.
        tally.refused++;
      },
    );
  }

  private writeEverywhere(): void {
    const { bank } = this.group.bank;
    const signal = this.deadline();
    const told = bank.submit([this.group.next(deposit(1, 1))], { signal }).then(async ([outcome]) => {
      const position = this.judge(outcome as Outcome);
      const { satisfied } = await bank.awaitPropagation(position, { mode: "allBranches" }, signal);
      if (!satisfied) return;
      tally.everywhere++;
      this.everywhere = Math.max(this.everywhere, position);
      this.check();
    });
    told.catch(() => {
      tally.refused++;
    });
  }

  private read({ at: { branch } }: Site): void {
    const before = this.acknowledged;
    const source = this.random.chance(50) ? branch : this.group.bank.bank;
    source
      .read({ mode: "linearizable" }, () => 0, this.deadline())
      .then(
        ({ position }) => {
          tally.reads++;
          if (position < before) this.failures.push(`a read of ${position} began after ${before} was acknowledged`);
        },
        () => {
          // Neither the bank nor enough that count could be reached.
        },
      );
  }

  private toggleStall({ link }: Site): void {
    if (link.isStalled) {
      link.flow();
    } else {
      tally.stalls++;
      link.stall();
    }
  }

  private toggleDisk({ at: { store } }: Site): void {
    store.holds = !store.holds;
    if (!store.holds) for (const held of store.held.splice(0)) held.pass();
  }

  private toggleLink({ link }: Site): void {
    if (this.random.chance(30)) link.break();
    else link.join(this.group.bank.bank);
  }

  private async restart(site: Site): Promise<void> {
    tally.restarts++;
    this.heal(site);
    await this.group.restart(site.number);
  }

  /** One at a time, as the promise goes: the others that count all have theirs. */
  private async loseDisk(site: Site): Promise<void> {
    const { bank, disk } = this.group.bank;
    const { durability } = bank.ledger;
    const isSettled = bank.committedPosition >= durability.position && !bank.isAwaitingCopies;
    const others = this.group.sites.filter((other) => other !== site);
    const isWhole = (other: Site) =>
      isCounted(durability, other.copyId) && (other.disk.head()?.position ?? 0) >= this.acknowledged;
    if (!isSettled || !others.every(isWhole) || disk.batches.length < 8) return;
    tally.lost++;
    this.heal(site);
    const { copyId, disk: lost } = site;
    this.gone.push({ copyId, disk: lost });
    await this.group.restart(site.number, { losesDisk: true });
  }

  private async restartBank(): Promise<void> {
    await this.group.restartBank(this.group.bank.disk, {
      onCommitted: ({ position }) => {
        this.committed = Math.max(this.committed, position);
      },
    });
  }

  private healAll(): void {
    for (const site of this.group.sites) {
      this.heal(site);
      site.link.join(this.group.bank.bank);
    }
  }

  /** A process that is to end in good order must reach its disk. */
  private heal({ at: { store }, link }: Site): void {
    link.flow();
    store.holds = false;
    for (const held of store.held.splice(0)) held.pass();
  }

  /** What is acknowledged is on the bank's disk, and on those of as many that count. Gives its position. */
  private judge(outcome: Outcome): number {
    if (outcome.kind !== "answered") throw outcome.error;
    const { position } = outcome;
    const { bank, disk } = this.group.bank;
    const batch = disk.batches.find(({ lastPosition }) => lastPosition >= position);
    const { durability } = bank.ledger;
    const have = [...this.group.sites, ...this.gone].filter(
      (site) =>
        isCounted(durability, site.copyId) &&
        site.disk.batches.some((own) => batch !== undefined && bytesEqual(own.chainHash, batch.chainHash)),
    );
    tally.acknowledged++;
    this.acknowledged = Math.max(this.acknowledged, position);
    if (have.length < COPIES)
      this.failures.push(`position ${position} was acknowledged with ${have.length} copies that count`);
    return position;
  }

  private check(): void {
    for (const { at, number } of this.group.sites) {
      const { branch } = at;
      if (branch.appliedPosition > this.committed && this.committed > 0)
        this.failures.push(`branch ${number} shows ${branch.appliedPosition}, and ${this.committed} is committed`);
      if (branch.connected && branch.appliedPosition < this.everywhere)
        this.failures.push(`branch ${number} is connected and shows ${branch.appliedPosition} < ${this.everywhere}`);
    }
    this.checkSurvival();
    expect(this.failures).toEqual([]);
  }

  /** Were the bank's disk lost now: of those that count, as many as a promotion asks would know all that was acknowledged. */
  private checkSurvival(): void {
    const { ledger } = this.group.bank.bank;
    const { durability } = ledger;
    if (this.group.bank.bank.committedPosition < durability.position) return;
    const ends = this.group.sites
      .filter(({ copyId }) => isCounted(durability, copyId))
      .map(({ disk }) => disk.head()?.position ?? 0)
      .sort((a, b) => a - b);
    const asked = durability.members.length - durability.copies + 1;
    // The worst choice: those that have least.
    const best = ends.slice(0, asked).at(-1);
    if (ends.length >= asked && (best ?? 0) < this.acknowledged)
      this.failures.push(`${this.acknowledged} was acknowledged, and ${asked} that count have ${ends}`);
  }

  private deadline(): AbortSignal {
    return this.group.platform.timeout(200 + this.random.below(4_000));
  }
}

it("names copies in a way that tells them apart", async () => {
  const group = await Group.start(2);
  const ids = group.bank.bank.members.connected().map(({ report }) => toHex(report.copyId));
  expect(new Set(ids).size).toBe(2);
  await group.close();
});
