import { expect, it } from "vitest";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { replayAndCompare } from "./compare-banks.test-util.ts";
import { Ledger } from "./ledger.ts";
import { formatLevelRaised } from "./ledger-bank.test-util.ts";
import { observe } from "./observe.test-util.ts";
import { CURRENCIES, RandomRequests } from "./random-requests.test-util.ts";
import { Twins } from "./twins.test-util.ts";

const COMMANDS = 3000;
/** The last record kinds of format levels 1 and 2. */
const [KIND_MAX_1, KIND_MAX_2] = [9, 21] as const;

it(`a journal of an old level holds nothing newer until it is raised, then everything ${seeded("ledger/old-journal.prop.test.ts")}`, () => {
  const random = new Random(SEED);
  const twins = new Twins(random.word(), 1);
  const { bank, ledger, twin } = twins;
  const requests = new RandomRequests(random, twin.books, { accountsMax: 40, currencies: CURRENCIES });
  const work = () => {
    const reasons = new Set<string>();
    for (let done = 0; done < COMMANDS; done++) {
      if (done % 20 === 0) {
        twins.commit();
        twins.passTime(ledger.timeMs + random.below(3000));
      }
      const request = requests.next();
      if (twins.isNew(request) && random.chance(10)) twins.preview(0, request);
      reasons.add(twins.submit(request).reason);
    }
    twins.compareEverything();
    return reasons;
  };

  expect(work()).toContain("FORMAT_LEVEL_TOO_LOW");
  const old = bank.journal.length;
  expect(bank.journal.every(({ kind }) => kind <= KIND_MAX_1)).toBe(true);
  expect(new Set(bank.journal.map(({ kind }) => kind)).size).toBeGreaterThan(5);
  expect(ledger.formatLevel).toBe(1);

  twins.own(formatLevelRaised(2));
  twin.level = 2;
  expect(work()).toContain("FORMAT_LEVEL_TOO_LOW");
  const older = bank.journal.length;
  expect(bank.journal.every(({ kind }) => kind <= KIND_MAX_2)).toBe(true);
  expect(bank.journal.slice(old).some(({ kind }) => kind > KIND_MAX_1 + 1)).toBe(true);
  expect(ledger.formatLevel).toBe(2);

  twins.own(formatLevelRaised(3));
  twin.level = 3;
  expect(work()).not.toContain("FORMAT_LEVEL_TOO_LOW");
  expect(bank.journal.slice(older).some(({ kind }) => kind > KIND_MAX_2)).toBe(true);
  twins.commit();

  const replica = new Ledger({ hashSeed: random.word() });
  replayAndCompare(replica, bank.batches, twin.books.history);
  expect(observe(replica)).toEqual(observe(ledger));
}, 60_000);
