import { ANONYMOUS_PRINCIPAL, mergeSessions, RefusalError, type Request, type Session } from "@bank/core";
import { MemoryJournalStore } from "@bank/store";
import {
  type Attempt,
  answerOf,
  checkHistory,
  driven,
  History,
  LocalLink,
  type Random,
  readWholeJournal,
  rest,
  seeds,
  type Told,
  turn,
  until,
  withSeed,
} from "@bank/testkit";
import { afterAll, expect, it } from "vitest";
import { type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { type OpenedBranch, openBranch } from "./branch-replica.test-util.ts";
import type { Outcome } from "./outcome.ts";
import { RandomRequests } from "./random-requests.test-util.ts";
import { balancesOf, digestOf } from "./sequencer.test-util.ts";

const FILE = "packages/replica/src/branch-replica.prop.test.ts";
const STEPS = 300;
const BRANCHES = 2;
const SAVE_WITHIN_MS = [0, 50];
const FAULTS = ["refused", "unknown-lost", "unknown-stored", "unknown-surfacing"] as const;

const tally = { worlds: 0, records: 0, reads: 0, previews: 0, statuses: 0, passed: 0 };

it.each(seeds(10))("a bank and its branches tell one story, whatever breaks (seed %d)", async (seed) => {
  await withSeed(seed, FILE, async (random) => {
    const world = await World.begin(random);
    for (let step = 0; step < STEPS; step++) await world.step();
    await world.end();
    tally.worlds++;
  });
});

afterAll(() => {
  // The test would prove nothing if nothing happened; a single seed may be a quiet one.
  if (tally.worlds < 5) return;
  expect(tally.records).toBeGreaterThan(20 * tally.worlds);
  expect(tally.reads).toBeGreaterThan(5 * tally.worlds);
  expect(tally.previews).toBeGreaterThan(tally.worlds);
  expect(tally.statuses).toBeGreaterThan(3 * tally.worlds);
  expect(tally.passed).toBeGreaterThan(tally.worlds / 2);
});

interface Place {
  link: LocalLink;
  at: OpenedBranch;
  /** What the customers of this branch have seen. */
  session: Session | undefined;
}

/** A bank that crashes, branches that crash, links that break, stores that fail, and customers everywhere. */
class World {
  private readonly random: Random;
  private readonly history = new History();
  private readonly requests: RandomRequests;
  private readonly places: Place[] = [];
  /** Digests that branches showed, by position. */
  private readonly shown = new Map<number, Set<string>>();
  private readonly failures: unknown[] = [];
  private bank: OpenedBank;

  private constructor(random: Random, bank: OpenedBank) {
    this.random = random;
    this.requests = new RandomRequests(random);
    this.bank = bank;
  }

  static async begin(random: Random): Promise<World> {
    const world = new World(random, await openBank({ snapshotEveryRecords: 25 }));
    for (let i = 0; i < BRANCHES; i++) {
      const link = new LocalLink(world.bank.bank);
      world.places.push({
        link,
        at: await openBranch({ link, snapshotEveryRecords: 20, saveWithinMs: random.pick(SAVE_WITHIN_MS) }),
        session: undefined,
      });
    }
    return world;
  }

  async step(): Promise<void> {
    const { random } = this;
    const place = random.pick(this.places);
    switch (random.below(34)) {
      case 0:
        return this.restartBank();
      case 1:
        return this.restartBranch(place);
      case 2:
        place.link.break();
        return;
      case 3:
        place.link.breaksAfterMessages = place.link.messages + random.below(4);
        return;
      case 4:
      case 5:
        place.link.join(this.bank.bank);
        return;
      case 6:
        this.fail(random.chance(50) ? place.at : this.bank);
        return;
      case 7:
        place.at.store.holds = !place.at.store.holds;
        return;
      case 8:
        place.at.store.held.shift()?.pass();
        return;
      case 9:
      case 10:
      case 11:
        this.advance(random.below(100));
        return;
      case 12:
      case 13:
      case 14:
        this.runs(this.read(place));
        return;
      case 15:
      case 16:
      case 17:
        place.link.join(this.bank.bank);
        return;
      case 23:
        this.runs(this.preview());
        return;
      case 24:
      case 25:
        this.runs(this.ask(place));
        return;
      case 26:
        this.runs(this.passTime(place));
        return;
      case 18:
        this.runs(this.write((requests) => this.bank.bank.submit(requests)));
        return;
      case 19:
      case 20:
      case 21:
      case 22:
        this.runs(
          this.write(async (requests) => {
            const results = await place.at.branch.submit(requests);
            return results.map(({ outcome }) => outcome);
          }),
        );
        return;
      default:
        for (let turns = random.below(12); turns > 0; turns--) await turn();
        this.note();
    }
  }

  /** Everything works again, and comes to agree. */
  async end(): Promise<void> {
    for (const { at, link } of this.places) {
      at.store.holds = false;
      for (const held of at.store.held.splice(0)) held.pass();
      link.breaksAfterMessages = undefined;
      link.join(this.bank.bank);
    }
    const { bank, disk, platform } = this.bank;
    await driven(
      platform,
      this.write((requests) => bank.submit(requests)),
    );
    for (const { at } of this.places)
      await until(() => at.branch.savedPosition === bank.committedPosition, {
        platform: at.platform,
        what: "every branch to catch up",
      });
    await rest();
    disk.holder = undefined;
    const store = new MemoryJournalStore(disk);
    await store.open();
    const journal = await readWholeJournal(store, bank.bankId);
    for (const attempt of this.history.attempts)
      if (attempt.told === undefined) this.history.end(attempt, { kind: "failed", outcome: "OUTCOME_UNKNOWN" });
    checkHistory(this.history, journal);
    for (const [position, digests] of this.shown)
      expect([...digests], `digest at ${position}`).toEqual([journal.digests.get(position)]);
    for (const { at } of this.places) {
      expect(digestOf(at.branch.ledger)).toBe(digestOf(journal.replay.ledger));
      expect(at.disk.batches).toEqual(disk.batches);
      expect(at.fatal).toEqual([]);
    }
    expect(this.failures).toEqual([]);
    tally.records += journal.records.length;
    tally.reads += this.history.reads.length;
    tally.previews += this.history.previews.length;
    tally.statuses += this.history.statuses.length;
    tally.passed += this.history.passed.length;
  }

  /** Customers do not wait for one another; some of them wait for ever, for one who crashed. */
  private runs(customer: Promise<void>): void {
    customer.catch((error: unknown) => this.failures.push(error));
  }

  private async restartBank(): Promise<void> {
    const { disk, faulty } = this.bank;
    if (this.random.chance(50)) await faulty.surface();
    for (const { link } of this.places) link.break();
    this.bank = await openBank({ disk, snapshotEveryRecords: 25 });
    for (const { link } of this.places) if (this.random.chance(70)) link.join(this.bank.bank);
  }

  private async restartBranch(place: Place): Promise<void> {
    const { at, link } = place;
    const isClean = this.random.chance(30);
    if (isClean) {
      at.store.holds = false;
      for (const held of at.store.held.splice(0)) held.pass();
      await driven(at.platform, at.branch.close());
    } else {
      for (const held of at.store.held.splice(0)) if (this.random.chance(50)) held.pass();
      if (this.random.chance(50)) await at.faulty.surface();
      link.break();
    }
    place.link = new LocalLink(this.bank.bank);
    const saveWithinMs = this.random.pick(SAVE_WITHIN_MS);
    place.at = await openBranch({ link: place.link, disk: at.disk, snapshotEveryRecords: 20, saveWithinMs });
  }

  private fail({ faulty }: OpenedBank | OpenedBranch): void {
    if (faulty.faultsSpent) faulty.failNextAppend(this.random.pick(FAULTS));
  }

  private advance(ms: number): void {
    this.bank.platform.advance(ms);
    for (const { at } of this.places) at.platform.advance(ms);
  }

  private note(): void {
    for (const { at } of this.places) {
      if (at.branch.bankId === undefined) continue;
      const digests = this.shown.get(at.branch.appliedPosition) ?? new Set<string>();
      if (at.branch.appliedPosition > 0) digests.add(digestOf(at.branch.ledger));
      if (digests.size > 0) this.shown.set(at.branch.appliedPosition, digests);
    }
  }

  private async write(submit: (requests: readonly Request[]) => Promise<readonly Outcome[]>): Promise<void> {
    const requests = Array.from({ length: 1 + this.random.below(3) }, () => this.requests.next(this.bank.bank.ledger));
    const attempts = requests.map((one) => this.history.begin(one));
    try {
      const outcomes = await submit(requests);
      outcomes.forEach((outcome, i) => {
        const refused = outcome.kind === "refused";
        this.tell(attempts[i]!, refused ? { kind: "failed", outcome: outcome.error.refusal.outcome } : outcome);
      });
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      for (const attempt of attempts) this.tell(attempt, { kind: "failed", outcome: error.refusal.outcome });
    }
  }

  private tell(attempt: Attempt, told: Told): void {
    if (attempt.told !== undefined) return;
    this.history.end(attempt, told);
    if (told.kind === "answered") this.requests.told(told);
  }

  private async preview(): Promise<void> {
    const { bank } = this.bank;
    const one = this.requests.next(bank.ledger);
    try {
      const preview = await bank.preview(one, (records, _, timeMs) => ({ said: answerOf(records.at(-1)!), timeMs }));
      if (preview.kind !== "previewed") return;
      this.history.previews.push({ request: one, position: preview.position, ...preview.value });
    } catch (error) {
      this.expectReadRefused(error);
    }
  }

  /** What became of a request, at the bank or at a branch. */
  private async ask({ at }: Place): Promise<void> {
    const one = this.requests.known();
    if (one === undefined) return;
    const { bank } = this.bank;
    const mode = this.random.pick(["linearizable", "local"] as const);
    try {
      const { value: status, position } = this.random.chance(50)
        ? await bank.outcomeOf(ANONYMOUS_PRINCIPAL, one.id)
        : await at.branch.outcomeOf({ mode }, ANONYMOUS_PRINCIPAL, one.id);
      this.history.statuses.push({ id: one.id, position, status });
    } catch (error) {
      this.expectReadRefused(error);
    }
  }

  private async passTime({ at }: Place): Promise<void> {
    const timeMs = this.bank.bank.ledger.timeMs - 20 + this.random.below(60);
    try {
      const position = await at.branch.passTime(timeMs);
      expect(at.branch.appliedPosition).toBeGreaterThanOrEqual(position);
      this.history.passed.push({ timeMs, position });
    } catch (error) {
      if (error instanceof RefusalError && ["TIME_IN_FUTURE", "STORE_REFUSED"].includes(error.refusal.reason)) return;
      this.expectReadRefused(error);
    }
  }

  private expectReadRefused(error: unknown): void {
    if (!(error instanceof RefusalError)) throw error;
    expect(["BANK_UNREACHABLE", "NOT_READY"]).toContain(error.refusal.reason);
    expect(error.refusal.outcome).toBe("NOT_APPLIED");
  }

  private async read(place: Place): Promise<void> {
    const { session, at } = place;
    const mode =
      session === undefined ? "linearizable" : this.random.pick(["linearizable", "session", "local"] as const);
    const end = this.history.beginRead(mode === "linearizable");
    const consistency =
      mode === "session" && session !== undefined ? { mode, session } : { mode: "linearizable" as const };
    try {
      const result = await at.branch.read(mode === "local" ? { mode } : consistency, balancesOf);
      end(result.position, result.value);
      if (mode === "session") {
        const needed = Math.max(...session!.seen.map(({ position }) => position));
        expect(result.position).toBeGreaterThanOrEqual(needed);
      }
      // A bank that crashes loses nothing here, so no session is ever lost or invalid.
      if (result.session !== undefined)
        place.session = place.session === undefined ? result.session : mergeSessions(place.session, result.session);
    } catch (error) {
      this.expectReadRefused(error);
    }
  }
}
