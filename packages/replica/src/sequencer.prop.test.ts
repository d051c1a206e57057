import { RecordKind, type RefusalError } from "@bank/core";
import { MemoryJournalStore } from "@bank/store";
import {
  type Attempt,
  checkHistory,
  driven,
  History,
  type Random,
  readWholeJournal,
  seeds,
  turn,
  until,
  type WholeJournal,
  withSeed,
} from "@bank/testkit";
import { afterAll, expect, it } from "vitest";
import { RandomRequests } from "./random-requests.test-util.ts";
import { BANK_ID, balancesOf, digestOf, type Fixture, startSequencer } from "./sequencer.test-util.ts";

const FILE = "packages/replica/src/sequencer.prop.test.ts";
const LIVES = 4;
const STEPS = 60;
/** Each of these must have come up. */
const KINDS = [
  RecordKind.HOLD_PLACED,
  RecordKind.HOLD_CAPTURED,
  RecordKind.HOLD_RELEASED,
  RecordKind.HOLDS_EXPIRED,
  RecordKind.REVERSAL,
  RecordKind.GROUP_COMMITTED,
  RecordKind.TIME_TICKED,
];
const FAULTS = ["refused", "unknown-lost", "unknown-stored", "unknown-surfacing"] as const;

const tally = { worlds: 0, records: 0, reads: 0, passed: 0, kinds: new Set<number>() };

it.each(seeds(12))("whatever happens, the journal is what callers were told (seed %d)", async (seed) => {
  await withSeed(seed, FILE, async (random) => {
    const world = new World(random);
    await world.live();
    const journal = await world.journal();
    checkHistory(world.history, journal);
    expect(world.history.attempts.every(({ told }) => told !== undefined)).toBe(true);
    tally.worlds++;
    tally.records += journal.records.length;
    tally.reads += world.history.reads.length;
    tally.passed += world.history.passed.length;
    for (const { record } of journal.records) tally.kinds.add(record.kind);
  });
});

afterAll(() => {
  // The test would prove nothing if nothing happened; a single seed may be a quiet one.
  if (tally.worlds < 5) return;
  expect(tally.records).toBeGreaterThan(30 * tally.worlds);
  expect(tally.reads).toBeGreaterThan(3 * tally.worlds);
  expect(tally.passed).toBeGreaterThan(tally.worlds);
  for (const kind of KINDS) expect(tally.kinds).toContain(kind);
});

/** Callers who submit, retry, cancel, read, let time pass and give up, on a bank whose store fails and which crashes and drains. */
class World {
  readonly history = new History();
  private readonly random: Random;
  private readonly requests: RandomRequests;
  private fixture: Fixture | undefined;

  constructor(random: Random) {
    this.random = random;
    this.requests = new RandomRequests(random);
  }

  async live(): Promise<void> {
    for (let life = 0; life < LIVES; life++) {
      const fixture: Fixture = await startSequencer({ ...(this.fixture && { disk: this.fixture.disk }) });
      this.fixture = fixture;
      const running: Promise<void>[] = [];
      for (let step = 0; step < STEPS; step++) running.push(...(await this.step(fixture)));
      if (this.random.chance(50)) {
        fixture.store.holds = false;
        for (const held of fixture.store.held.splice(0)) held.pass();
        let drained = false;
        void fixture.sequencer.drain().then(() => {
          drained = true;
        });
        await until(() => drained, { platform: fixture.platform, what: "the end of draining" });
        // Somebody may still wait for the next moment.
        await driven(fixture.platform, Promise.all(running));
      } else {
        await this.crash(fixture);
      }
    }
  }

  /** The journal as the next process finds it. */
  async journal(): Promise<WholeJournal> {
    const { disk } = this.fixture!;
    disk.holder = undefined;
    const store = new MemoryJournalStore(disk);
    await store.open();
    const journal = await readWholeJournal(store, BANK_ID);
    const last = this.fixture!.ledger;
    if (last.position === journal.replay.ledger.position) expect(digestOf(last)).toBe(digestOf(journal.replay.ledger));
    return journal;
  }

  /** The process ends: held appends are lost or not, and nobody is told anything. */
  private async crash(fixture: Fixture): Promise<void> {
    for (const held of fixture.store.held.splice(0)) if (this.random.chance(50)) held.pass();
    if (this.random.chance(50)) await fixture.faulty.surface();
    fixture.disk.holder = undefined;
    for (const attempt of this.history.attempts)
      if (attempt.told === undefined) this.history.end(attempt, { kind: "failed", outcome: "OUTCOME_UNKNOWN" });
  }

  private async step(fixture: Fixture): Promise<Promise<void>[]> {
    const { random } = this;
    const { store, faulty, platform } = fixture;
    switch (random.below(11)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return [this.submit(fixture)];
      case 4:
        return [this.read(fixture)];
      case 5:
        if (faulty.faultsSpent) faulty.failNextAppend(random.pick(FAULTS));
        return [];
      case 6:
        store.holds = !store.holds;
        return [];
      case 7:
        store.held.shift()?.pass();
        return [];
      case 8:
        platform.advance(random.below(50));
        return [];
      case 9:
        return [this.passTime(fixture)];
      default:
        for (let turns = random.below(6); turns > 0; turns--) await turn();
        return [];
    }
  }

  private async submit({ sequencer, ledger }: Fixture): Promise<void> {
    const { random, history } = this;
    const requests = Array.from({ length: 1 + random.below(4) }, () => this.requests.next(ledger));
    const deadline = new AbortController();
    if (random.chance(15)) setImmediate(() => deadline.abort());
    const attempts = requests.map((one) => history.begin(one));
    try {
      const outcomes = await sequencer.submit(requests, deadline.signal);
      outcomes.forEach((outcome, i) => {
        const told =
          outcome.kind === "answered" ? outcome : ({ kind: "failed", outcome: outcome.error.refusal.outcome } as const);
        this.tell(attempts[i]!, told);
      });
    } catch (error) {
      const { outcome } = (error as RefusalError).refusal;
      for (const attempt of attempts) this.tell(attempt, { kind: "failed", outcome });
    }
  }

  /** A crash may have ended it before. */
  private tell(attempt: Attempt, told: Parameters<History["end"]>[1]): void {
    if (attempt.told !== undefined) return;
    this.history.end(attempt, told);
    if (told.kind === "answered") this.requests.told(told);
  }

  private async passTime({ sequencer, ledger, disk, store }: Fixture): Promise<void> {
    const timeMs = ledger.timeMs - 20 + this.random.below(60);
    try {
      const position = await sequencer.passTime(timeMs);
      if (disk.holder !== undefined && store === this.fixture?.store) this.history.passed.push({ timeMs, position });
    } catch (error) {
      const { reason, outcome } = (error as RefusalError).refusal;
      expect(["TIME_IN_FUTURE", "STORE_REFUSED", "NOT_READY"]).toContain(reason);
      expect(outcome).toBe("NOT_APPLIED");
    }
  }

  private async read({ sequencer, disk, store }: Fixture): Promise<void> {
    const end = this.history.beginRead(true);
    try {
      const { value, position } = await sequencer.read(balancesOf);
      // Whoever crashed told nobody anything.
      if (disk.holder !== undefined && store === this.fixture?.store) end(position, value);
    } catch (error) {
      // A bank that failed refuses to read; anything else is a bug.
      expect((error as RefusalError).refusal.reason).toBe("NOT_READY");
    }
  }
}
