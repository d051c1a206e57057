import { RecordKind } from "@bank/core";
import { type Answered, BankReplica, isRejected, type RequestStatus } from "@bank/replica";
import { MemoryDisk, MemoryJournalStore } from "@bank/store";
import { beforeAll, describe, expect, it } from "vitest";
import { checkHistory, History } from "./history.ts";
import { ManualPlatform } from "./manual-platform.ts";
import { deposit, openAccount, request, withdraw } from "./requests.ts";
import { readWholeJournal, type WholeJournal } from "./whole-journal.ts";

const REQUESTS = [
  request(1, openAccount()),
  request(2, deposit(1, 100)),
  request(3, withdraw(1, 500)),
  request(4, withdraw(1, 30)),
];
/** A hold that ends a while before the last request. */
const HOLD = { kind: "placeHold", account: "1", amount: { minor: 100n, currency: "USD" } } as const;
const HOLD_MS = 20;
/** Among the attempts, the hold's included. */
const LAST = REQUESTS.length;

/** What a lone caller sees who submits the requests one after the other, and the journal of it. */
async function record(): Promise<{ history: History; journal: WholeJournal }> {
  const disk = new MemoryDisk();
  const platform = new ManualPlatform();
  const bank = await BankReplica.open({
    store: new MemoryJournalStore(disk),
    platform,
    snapshotEveryRecords: 1_000,
    askWitnesses: async () => [],
    acceptLoss: false,
    raiseFormatLevel: false,
    onFatal: () => undefined,
    onCommitted: () => undefined,
  });
  const history = new History();
  const hold = request(9, { ...HOLD, expiresMs: platform.wallMs() + HOLD_MS });
  for (const one of [...REQUESTS.slice(0, 2), hold, ...REQUESTS.slice(2)]) {
    if (one === REQUESTS[3]) platform.advance(HOLD_MS);
    const attempt = history.begin(one);
    const [outcome] = await bank.submit([one]);
    if (outcome?.kind !== "answered") throw new Error("each of these is answered");
    history.end(attempt, outcome);
  }
  const end = history.beginRead(true);
  end(bank.committedPosition, new Map([["1", 70n]]));
  await bank.close();
  const store = new MemoryJournalStore(disk);
  await store.open();
  return { history, journal: await readWholeJournal(store, bank.bankId) };
}

describe("the check of a history", () => {
  let history: History;
  let journal: WholeJournal;

  beforeAll(async () => {
    ({ history, journal } = await record());
  });

  /** The history with its attempts changed. */
  function changed(change: (attempts: History["attempts"]) => History["attempts"]): History {
    return Object.assign(new History(), { attempts: change(history.attempts), reads: history.reads });
  }

  /** The journal without the record of one request, or with it twice. */
  function withCopies(number: number, copies: number): WholeJournal {
    const records = journal.records.flatMap((entry) =>
      entry.record.request?.id[15] === number ? Array<typeof entry>(copies).fill(entry) : [entry],
    );
    return { ...journal, records };
  }

  it("accepts what happened", () => {
    checkHistory(history, journal);
    expect(history.attempts.filter(({ told }) => told?.kind === "answered" && isRejected(told))).toHaveLength(1);
  });

  it("finds a request that stands in the journal twice", () => {
    expect(() => checkHistory(history, withCopies(2, 2))).toThrow("stands in the journal once");
  });

  it("finds an acknowledged request that is not there", () => {
    expect(() => checkHistory(history, withCopies(4, 0))).toThrow(/account 1 holds 100|stands in the journal/);
    const unanswered = changed((attempts) => attempts.slice(0, LAST));
    expect(() => checkHistory(unanswered, journal)).toThrow("was made by somebody");
  });

  it("finds a decision that nobody should have made", () => {
    const other = changed((attempts) =>
      attempts.map((attempt, i) => (i === LAST ? { ...attempt, request: request(4, withdraw(1, 101)) } : attempt)),
    );
    expect(() => checkHistory(other, journal)).toThrow("is decided as INSUFFICIENT_FUNDS, not as done");
  });

  it("finds one that was said not to be applied, and is", () => {
    const refused = changed((attempts) =>
      attempts.map((attempt, i) =>
        i === LAST ? { ...attempt, told: { kind: "failed", outcome: "NOT_APPLIED" } } : attempt,
      ),
    );
    expect(() => checkHistory(refused, journal)).toThrow("all its tries were said not to be applied");
    const unknown = changed((attempts) =>
      attempts.map((attempt, i) =>
        i === LAST ? { ...attempt, told: { kind: "failed", outcome: "OUTCOME_UNKNOWN" } } : attempt,
      ),
    );
    checkHistory(unknown, journal);
  });

  it("finds an answer that is not the record, and one given twice as new", () => {
    const wrong = changed((attempts) =>
      attempts.map((attempt) =>
        attempt.told?.kind === "answered" ? { ...attempt, told: { ...attempt.told, timeMs: 1 } } : attempt,
      ),
    );
    expect(() => checkHistory(wrong, journal)).toThrow("stands where its answer says");
    const twice = changed((attempts) => [...attempts, attempts[0]!]);
    expect(() => checkHistory(twice, journal)).toThrow("was answered once, and then replayed");
  });

  it("finds a write that came before what was seen before it", () => {
    const late = changed((attempts) =>
      attempts.map((attempt, i) => (i === 1 ? { ...attempt, beganAt: 100, endedAt: 101 } : attempt)),
    );
    expect(() => checkHistory(late, journal)).toThrow("comes behind all that was seen before");
  });

  it("finds a read that misses what was acknowledged, unless it need not see it", () => {
    const reads = [{ linearizable: true, beganAt: 100, endedAt: 101, position: 1, balances: new Map() }];
    const stale = Object.assign(new History(), { attempts: history.attempts, reads });
    expect(() => checkHistory(stale, journal)).toThrow("misses nothing acknowledged");
    const local = [{ ...reads[0]!, linearizable: false }];
    checkHistory(Object.assign(new History(), { attempts: history.attempts, reads: local }), journal);
  });

  it("finds a read of balances that never were", () => {
    const reads = [{ ...history.reads[0]!, balances: new Map([["1", 71n]]) }];
    const wrong = Object.assign(new History(), { attempts: history.attempts, reads });
    expect(() => checkHistory(wrong, journal)).toThrow("shows the balances there");
  });

  it("finds a preview of what would not have happened", () => {
    const { position, timeMs } = journal.records.at(-1)!;
    const seen = { request: request(50, withdraw(1, 71)), position, timeMs };
    const withPreview = (said: "done" | "INSUFFICIENT_FUNDS") =>
      Object.assign(new History(), { attempts: history.attempts, previews: [{ ...seen, said }] });
    checkHistory(withPreview("INSUFFICIENT_FUNDS"), journal);
    expect(() => checkHistory(withPreview("done"), journal)).toThrow("says INSUFFICIENT_FUNDS, not done");
  });

  it("finds a request that was told as not seen, and stands there, or as answered, and does not", () => {
    const { position } = journal.records.at(-1)!;
    const told = history.attempts[LAST]!.told!;
    const { id } = REQUESTS[3]!;
    const withStatus = (status: RequestStatus, at = position, of = id) =>
      Object.assign(new History(), { attempts: history.attempts, statuses: [{ id: of, position: at, status }] });
    checkHistory(withStatus({ kind: "notSeen" }, position - 1), journal);
    checkHistory(withStatus(told as Answered), journal);
    expect(() => checkHistory(withStatus({ kind: "notSeen" }), journal)).toThrow("was not answered up to");
    expect(() => checkHistory(withStatus({ kind: "inProgress" }), journal)).toThrow("was not answered up to");
    expect(() => checkHistory(withStatus(told as Answered, position - 1), journal)).toThrow("was answered up to");
    expect(() => checkHistory(withStatus(told as Answered, position, REQUESTS[2]!.id), journal)).toThrow(
      "is its record",
    );
  });

  it("finds a position that is not later than the moment that was to pass", () => {
    const { position, timeMs } = journal.records.at(-1)!;
    const withPassed = (ms: number) =>
      Object.assign(new History(), { attempts: history.attempts, passed: [{ timeMs: ms, position }] });
    checkHistory(withPassed(timeMs - 1), journal);
    expect(() => checkHistory(withPassed(timeMs), journal)).toThrow("is later than");
  });

  it("finds holds that ended too early, or too late", () => {
    const at = journal.records.findIndex(({ record }) => record.kind === RecordKind.HOLDS_EXPIRED);
    expect(at).toBeGreaterThan(0);
    const without = (index: number) => ({ ...journal, records: journal.records.filter((_, i) => i !== index) });
    expect(() => checkHistory(history, without(at))).toThrow("ended before");
    const early = journal.records.map((entry, i) => (i === at ? { ...entry, timeMs: entry.timeMs - 1 } : entry));
    expect(() => checkHistory(history, { ...journal, records: early })).toThrow("end at");
  });
});
