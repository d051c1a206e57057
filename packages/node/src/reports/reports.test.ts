import { StoreVersionError } from "@bank/store";
import { describeWithPostgres } from "@bank/store/conformance";
import { isTransient, type PostgresPlace } from "@bank/store/postgres";
import { Random, seeds, withSeed } from "@bank/testkit";
import { expect, it } from "vitest";
import { sha256 } from "../platform.ts";
import { ReportsMismatchError, ReportsTakenError } from "./errors.ts";
import { reportsPlace } from "./place.ts";
import { RandomBank } from "./random-bank.test-util.ts";
import { ReportTables } from "./report-tables.ts";
import {
  expectSameAsHistory,
  expectSameAsLedger,
  followTo,
  query,
  reached,
  testReporter,
} from "./reports.test-util.ts";
import { reportsStatus } from "./status.ts";

const FILE = "packages/node/src/reports/reports.test.ts";
/** How much more random traffic there is than in each run of all tests. */
const RUNS = Number(process.env["BANK_TEST_RUNS"] ?? 1);
/** Ends the sessions of everybody else, whatever they are at. */
const END_SESSIONS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = 'bank-server' AND pid <> pg_backend_pid()`;

describeWithPostgres("reports", (server) => {
  let places = 0;
  const newPlace = (): PostgresPlace => reportsPlace(server().url(`reports_${++places}`));

  it.each(seeds(1))("are what ledger and history say, of records of every kind, with seed %i", (seed) =>
    withSeed(seed, FILE, async (random) => {
      const bank = new RandomBank(random);
      bank.work(100 * RUNS);
      for (let more = 0; more < 50 && bank.missingKinds().length > 0; more++) bank.work(20);
      expect(bank.missingKinds()).toEqual([]);
      const place = newPlace();
      const reporter = testReporter(bank, place);
      // In pieces of which each goes on from what was written, and is loaded from there.
      for (let released = 0; released < bank.batches.length; ) {
        released = Math.min(bank.batches.length, released + 1 + random.below(60));
        bank.release(released);
        await followTo(reporter, bank.batches[released - 1]?.lastPosition ?? 0);
      }
      await expectSameAsLedger(place, bank.ledger);
      await expectSameAsHistory(place, bank);
    }),
  );

  it.each(seeds(0))(
    "go on where they were when sessions break in the middle, and show whole states, with seed %i",
    (seed) =>
      withSeed(seed, FILE, async (random) => {
        const bank = new RandomBank(random);
        bank.work(120 * RUNS);
        bank.release(1);
        const place = newPlace();
        const reporter = testReporter(bank, place);
        await followTo(reporter, 1);
        const stop = new AbortController();
        const following = reporter.follow(stop.signal);
        const seen = new Set<string>();
        for (let released = 0; released < bank.batches.length; ) {
          released = Math.min(bank.batches.length, released + 1 + random.below(25));
          bank.release(released);
          if (seen.size === 2 || (seen.size > 2 && random.chance(30))) await query(place, END_SESSIONS);
          const position = await wholeState(place);
          seen.add(position);
          const isAll = Number(position) === bank.batches[released - 1]?.lastPosition;
          if (!isAll) await Promise.race([following, reached(() => reporter.position > Number(position))]);
        }
        await Promise.race([following, reached(() => reporter.position === bank.position)]);
        stop.abort();
        await following;
        expect(seen.size).toBeGreaterThan(2);
        expect(reporter.log.lines.some(({ event }) => event === "the reports wait")).toBe(true);
        await expectSameAsLedger(place, bank.ledger);
        await expectSameAsHistory(place, bank);
      }),
  );

  it("refuse a journal that is not the one that they were made of, and are rebuilt from it", () =>
    withSeed(1, FILE, async (random) => {
      const [bank, other] = [new RandomBank(random), new RandomBank(random)];
      const stranger = new RandomBank(random, new Uint8Array(16).fill(8));
      bank.work(10);
      other.work(30);
      const place = newPlace();
      await followTo(testReporter(bank, place), bank.position);
      for (const journal of [other, stranger]) {
        const error = await testReporter(journal, place)
          .follow(new AbortController().signal)
          .catch((thrown) => thrown);
        expect(error).toBeInstanceOf(ReportsMismatchError);
        expect(error.message).toContain('"bank-server reports rebuild"');
      }
      await expectSameAsLedger(place, bank.ledger);
      expect(await testReporter(other, place).rebuild(new AbortController().signal)).toBe(other.position);
      await expectSameAsLedger(place, other.ledger);
      await expectSameAsHistory(place, other);
      other.work(10);
      await followTo(testReporter(other, place), other.position);
      await expectSameAsLedger(place, other.ledger);
    }));

  it("show nothing that is not committed", () =>
    withSeed(1, FILE, async (random) => {
      const bank = new RandomBank(random);
      bank.work(30);
      const place = newPlace();
      bank.release(20, false);
      const reporter = testReporter(bank, place);
      const stop = new AbortController();
      const following = reporter.follow(stop.signal);
      const [before, last] = [bank.batches[18]?.lastPosition, bank.batches[19]?.lastPosition];
      await reached(() => reporter.position === before);
      await reached(() => reporter.received === last);
      expect(await query(place, "SELECT position::text FROM $.progress")).toEqual([[String(before)]]);
      bank.release(20);
      await reached(() => reporter.position === last);
      stop.abort();
      await following;
    }));

  it("show whole states while they are rebuilt and read at the same time", () =>
    withSeed(1, FILE, async (random) => {
      const bank = new RandomBank(random);
      bank.work(40);
      const place = newPlace();
      await followTo(testReporter(bank, place), bank.position);
      let isOver = false;
      const reading = Array.from({ length: 2 }, async () => {
        while (!isOver) await wholeState(place);
      });
      try {
        for (let i = 0; i < 2; i++) await testReporter(bank, place).rebuild(new AbortController().signal);
      } finally {
        isOver = true;
        await Promise.all(reading);
      }
      await expectSameAsHistory(place, bank);
    }));

  it("refuse a journal of the same length with another end, before anything comes of it", () =>
    withSeed(1, FILE, async () => {
      const [bank, other] = [new RandomBank(new Random(3)), new RandomBank(new Random(3))];
      bank.tick();
      other.beginEpoch();
      expect(other.position).toBe(bank.position);
      const place = newPlace();
      await followTo(testReporter(bank, place), bank.position);
      await expect(testReporter(other, place).follow(AbortSignal.timeout(10_000))).rejects.toThrow(
        /it is not the journal/,
      );
    }));

  it("have one writer: who comes later shuts out who was there", () =>
    withSeed(1, FILE, async (random) => {
      const bank = new RandomBank(random);
      bank.work(20);
      const half = bank.batches.length;
      bank.release(half);
      const place = newPlace();
      const [first, second] = [testReporter(bank, place), testReporter(bank, place)];
      const stop = new AbortController();
      const firstFollows = first.follow(stop.signal).catch((error: unknown) => error);
      await reached(() => first.position === bank.position);
      const secondFollows = second.follow(stop.signal);
      await reached(() => second.position === bank.position);
      bank.work(20);
      bank.release(bank.batches.length);
      expect(await firstFollows).toBeInstanceOf(ReportsTakenError);
      await reached(() => second.position === bank.position);
      stop.abort();
      await secondFollows;
      await expectSameAsLedger(place, bank.ledger);
      await expectSameAsHistory(place, bank);
    }));

  it("take nothing of whoever was shut out, though it is what comes next", () =>
    withSeed(1, FILE, async (random) => {
      const bank = new RandomBank(random);
      const place = newPlace();
      const [first, second] = [
        await ReportTables.open(place, { sha256 }),
        await ReportTables.open(place, { sha256 }),
      ] as const;
      const [frame] = bank.batches;
      for (const tables of [first, second]) tables.project(bank.bankId, frame!);
      await expect(first.write(bank.position)).rejects.toThrow(ReportsTakenError);
      await second.write(bank.position);
      expect(second.writtenPosition).toBe(frame?.lastPosition);
      await Promise.all([first.close(), second.close()]);
    }));

  it("say that they are followed while nothing comes, and whoever is shut out ends then too", () =>
    withSeed(1, FILE, async (random) => {
      const bank = new RandomBank(random);
      const place = newPlace();
      const reporter = testReporter(bank, place, { beatEveryMs: 10 });
      const following = reporter.follow(new AbortController().signal).catch((error: unknown) => error);
      await reached(() => reporter.position === bank.position);
      const written = "SELECT written_at::text, seen_at::text FROM $.progress";
      const [[writtenAt, seenAt] = []] = await query(place, written);
      await reached(async () => (await query(place, written))[0]?.[1] !== seenAt);
      expect((await query(place, written))[0]?.[0]).toBe(writtenAt);
      expect((await reportsStatus(place)).unseenMs).toBeLessThan(20_000);
      await followTo(testReporter(bank, place), bank.position);
      expect(await following).toBeInstanceOf(ReportsTakenError);
      await query(place, "UPDATE $.progress SET seen_at = seen_at - interval '1 hour'");
      expect((await reportsStatus(place)).unseenMs).toBeGreaterThan(3_600_000);
    }));

  it("are brought up to date from the first layout", () =>
    withSeed(1, FILE, async (random) => {
      const bank = new RandomBank(random);
      const place = newPlace();
      await followTo(testReporter(bank, place), bank.position);
      await query(place, "ALTER TABLE $.progress DROP COLUMN seen_at");
      await query(place, "UPDATE $.reports_layout SET layout = 1");
      expect(await reportsStatus(place)).toMatchObject({ journalPosition: bank.position, unseenMs: undefined });
      bank.work(5);
      await followTo(testReporter(bank, place), bank.position);
      expect((await reportsStatus(place)).unseenMs).toBeLessThan(20_000);
      await expectSameAsLedger(place, bank.ledger);
    }));

  it("leave alone what a newer program or a bank has made", () =>
    withSeed(1, FILE, async (random) => {
      const bank = new RandomBank(random);
      const place = newPlace();
      await followTo(testReporter(bank, place), bank.position);
      await query(place, "UPDATE $.reports_layout SET layout = 99");
      const signal = AbortSignal.timeout(10_000);
      await expect(testReporter(bank, place).follow(signal)).rejects.toThrow(StoreVersionError);
      await expect(testReporter(bank, place).rebuild(signal)).rejects.toThrow(/layout 99, written by a newer program/);
      const journal = newPlace();
      await query(journal, `CREATE SCHEMA "${journal.schema}"`);
      await query(journal, "CREATE TABLE $.bank_schema (id int2)");
      await expect(testReporter(bank, journal).follow(signal)).rejects.toThrow(/where a bank keeps its journal/);
    }));
});

/** Looks at all tables in one snapshot: what they say is of one position. Gives the position. */
async function wholeState(place: PostgresPlace): Promise<string> {
  const sums =
    "SELECT account_id, sum(amount_minor) AS posted, max(position) AS position FROM $.postings GROUP BY account_id";
  const rows = await queryAgain(
    place,
    `SELECT coalesce((SELECT position FROM $.progress), 0),
      (SELECT count(*) FROM (SELECT currency FROM $.postings GROUP BY currency HAVING sum(amount_minor) <> 0) AS unequal),
      (SELECT count(*) FROM $.balances b LEFT JOIN (${sums}) AS p ON p.account_id = b.account_id
        WHERE b.posted_minor <> coalesce(p.posted, 0)),
      (SELECT count(*) FROM $.balances b LEFT JOIN (SELECT account_id, sum(remaining_minor) AS held FROM $.holds GROUP BY 1) AS h
        ON h.account_id = b.account_id WHERE b.held_minor <> coalesce(h.held, 0)),
      (SELECT count(*) FROM $.transactions WHERE position > (SELECT position FROM $.progress))`,
  );
  const [position, ...problems] = rows[0] ?? [];
  expect(problems).toEqual(["0", "0", "0", "0"]);
  return String(position);
}

/** A reader may be the one that the server ends where two wait for each other. */
async function queryAgain(place: PostgresPlace, text: string): ReturnType<typeof query> {
  for (;;) {
    try {
      return await query(place, text);
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
  }
}
