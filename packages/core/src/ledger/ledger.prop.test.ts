import { describe, expect, it } from "vitest";
import type { Request } from "../command.ts";
import { currencyCodes } from "../currency.ts";
import { OPERATIONS } from "../operations.ts";
import { Random, RUNS, SEED, seeded } from "../random.test-util.ts";
import { REJECTIONS } from "../reasons.ts";
import { replayAndCompare } from "./compare-banks.test-util.ts";
import { Ledger } from "./ledger.ts";
import type { NaiveOutcome } from "./naive-bank.test-util.ts";
import { naiveDecimals } from "./naive-books.test-util.ts";
import { checkSums, observe } from "./observe.test-util.ts";
import type { CommandOptions } from "./random-commands.test-util.ts";
import { RandomRequests } from "./random-requests.test-util.ts";
import { expectSame, Twins } from "./twins.test-util.ts";

/** Commands for each of the banks of one run. */
const COMMANDS = 12_000;
/** Said of a table that is full (`operations.test.ts`), or of a journal of an earlier level (`old-journal.prop.test.ts`). */
const ELSEWHERE: readonly string[] = ["TABLE_FULL", "ACCOUNT_LIMIT_EXCEEDED", "FORMAT_LEVEL_TOO_LOW"];

type Answers = Map<string, number>;

describe("the ledger", () => {
  // Each run has its own seed, and takes a few seconds.
  it.each(Array.from({ length: RUNS }, (_, run) => run))(
    `does as its naive twin does, run %i ${seeded("ledger/ledger.prop.test.ts")}`,
    (run) => {
      const seed = SEED + run;
      const random = new Random(seed);
      const answers: Answers = new Map();
      const currencies = someCurrencies(random);
      const few = currencies.slice(seed % 3, (seed % 3) + 2);
      workingLife(random, answers, { accountsMax: 120, edges: false, currencies });
      workingLife(random, answers, { accountsMax: 40, edges: true, currencies });
      workingLife(random, answers, { accountsMax: 16, edges: true, currencies: few });
      // An answer that luck kept away in three lives gets three more.
      for (let more = 0; more < 3 && neverAnswered(answers).length > 0; more++)
        workingLife(random, answers, { accountsMax: 25, edges: more < 2, currencies });
      expect(neverAnswered(answers)).toEqual([]);
      expect(unexpectedIn(answers)).toEqual([]);
    },
    120_000,
  );
});

/** A bank and its twin do the same, batch by batch, some of them taken back; at the end the journal is replayed. */
function workingLife(random: Random, answers: Answers, options: CommandOptions): void {
  const twins = new Twins(random.word());
  const { bank, ledger, twin } = twins;
  const requests = new RandomRequests(random, twin.books, options);
  let done = 0;
  while (done < COMMANDS) {
    twins.passTime(ledger.timeMs + random.below(random.chance(2) ? 100_000 : 3000));
    for (let left = 1 + random.below(60); left > 0; left--, done++) {
      const request = requests.next();
      const previewed = twins.isNew(request) && random.chance(8) ? previewOf(twins, request, random) : undefined;
      const outcome = twins.submit(request);
      if (previewed !== undefined) expectSame(previewed, outcome.lines, "the preview");
      count(answers, outcome);
      if (done % 500 === 0) twins.compareEverything();
    }
    if (random.chance(2)) twins.refuse();
    else twins.commit();
    if (random.chance(50)) ledger.forgetUndo(ledger.position);
  }
  twins.compareEverything();
  checkSums(ledger);

  // Whoever applies the journal, on another machine, comes to the same state, and on the way through the same balances.
  const replica = new Ledger({ hashSeed: random.word() });
  replayAndCompare(replica, bank.batches, twin.books.history);
  expect(observe(replica)).toEqual(observe(ledger));
}

/** What would be said of the request now; and both are asked what would be said of it at some later time. */
function previewOf(twins: Twins, request: Request, random: Random): readonly string[] {
  twins.preview(twins.ledger.timeMs + random.below(20_000), request);
  return twins.preview(0, request);
}

function count(answers: Answers, { kind, lines, of, reason }: NaiveOutcome): void {
  const keys = [kind, `${kind} ${of}`, `${of} ${reason}`, reason];
  if (of === "group" && lines.length > 50) keys.push("large group");
  if (kind === "rejected" && / item \d+$/.test(lines[0] as string)) keys.push("rejected item");
  for (const key of keys) answers.set(key, (answers.get(key) ?? 0) + 1);
}

/** What there is to answer and never was: a run that did not meet one of these would prove less than it says. */
function neverAnswered(answers: Answers): readonly string[] {
  const due = ["again", "REQUEST_ID_REUSED", "large group", "rejected item", ...Object.keys(REJECTIONS)];
  for (const [kind, reasons] of Object.entries(OPERATIONS)) {
    if (kind !== "cancelRequest") due.push(`done ${kind}`, `again ${kind}`);
    for (const reason of reasons) if (!ELSEWHERE.includes(reason)) due.push(`${kind} ${reason}`);
  }
  return due.filter((key) => !answers.has(key) && !ELSEWHERE.includes(key));
}

/** What an operation was answered with that it should never say. */
function unexpectedIn(answers: Answers): readonly string[] {
  const known = Object.entries(OPERATIONS).flatMap(([kind, reasons]) =>
    ["", "REQUEST_ID_REUSED", "REQUEST_CANCELLED", ...reasons].map((reason) => `${kind} ${reason}`),
  );
  return [...answers.keys()].filter((key) => /^[a-z][A-Za-z]+ [A-Z_]*$/.test(key) && !known.includes(key));
}

/** One without decimals, two with two, one with three. */
function someCurrencies(random: Random): readonly string[] {
  const codes = currencyCodes();
  return [0, 2, 2, 3].map((decimals) => random.pick(codes.filter((code) => naiveDecimals(code) === decimals)));
}
