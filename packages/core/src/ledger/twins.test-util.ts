import { checkCommand } from "../check-command.ts";
import type { Command, Request } from "../command.ts";
import { bytesEqual } from "../identifiers.ts";
import type { LedgerRecord } from "../record.ts";
import { compareEverything, compareStep } from "./compare-banks.test-util.ts";
import { requestFor } from "./ledger.test-util.ts";
import { Ledger } from "./ledger.ts";
import { formatLevelRaised, LedgerBank, lineOf } from "./ledger-bank.test-util.ts";
import { NaiveBank, type NaiveOutcome } from "./naive-bank.test-util.ts";

/** A bank on the ledger and its naive twin, which are asked the same and must say and become the same. */
export class Twins {
  readonly bank: LedgerBank;
  readonly twin = new NaiveBank();
  private twinStart = 0;

  /** @param level the format level at which they begin. */
  constructor(hashSeed: number, level: 1 | 2 | 3 = 3) {
    this.bank = new LedgerBank(new Ledger({ hashSeed }));
    this.twin.level = level;
    if (level > 1) this.own(formatLevelRaised(level));
    this.commit();
  }

  get ledger(): Ledger {
    return this.bank.ledger;
  }

  /** Begins a batch: what is due ends. Gives what is said. */
  passTime(timeMs: number): readonly string[] {
    this.twinStart = this.twin.mark();
    const expected = this.twin.passTime(timeMs);
    expectSame(this.bank.passTime(timeMs), expected, `at ${timeMs}`);
    return expected;
  }

  /** A record of the bank's own, by which nothing changes that the twin knows of. */
  own(record: LedgerRecord): void {
    this.bank.own(record);
    this.twin.books.say(lineOf(this.ledger, this.ledger.position, record));
  }

  /** Throws unless both say the same, and are the same afterwards in all that has changed. */
  submit(request: Request): NaiveOutcome {
    const changesFrom = this.twin.books.history.length;
    try {
      const expected = this.twin.submit(request);
      expectSame(this.bank.submit(request), expected.lines, "the answer");
      compareStep(this.ledger, this.twin.books, changesFrom);
      return expected;
    } catch (cause) {
      const text = JSON.stringify(request, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
      throw new Error(`${String(cause)}\n${text}`, { cause });
    }
  }

  /** Submits a command under a new id. Gives what is said. */
  do(command: Command, options: Partial<Omit<Request, "command">> = {}): readonly string[] {
    return this.submit(requestFor(command, options)).lines;
  }

  /** Whether a request would be carried out, and not answered by its id or its form. */
  isNew({ command, id, principal }: Request): boolean {
    return checkCommand(command) === undefined && this.ledger.findRequest(principal, id) === -1;
  }

  /** What would be said of a new request. Throws unless both say the same, and the ledger is as it was. */
  preview(timeMs: number, request: Request): readonly string[] {
    const digest = this.ledger.digestBytes();
    const expected = this.twin.preview(Math.max(timeMs, this.ledger.timeMs), request).lines;
    expectSame(this.bank.preview(timeMs, request), expected, `the preview at ${timeMs}`);
    if (!bytesEqual(this.ledger.digestBytes(), digest)) throw new Error("a preview left something behind");
    return expected;
  }

  compareEverything(): void {
    compareStep(this.ledger, this.twin.books, 0);
    compareEverything(this.ledger, this.twin.books);
  }

  /** The batch is kept. */
  commit(): void {
    this.bank.endBatch();
  }

  /** The batch has never been. */
  refuse(): void {
    this.bank.refuseBatch();
    this.twin.takeBack(this.twinStart);
    this.compareEverything();
  }
}

export function expectSame(told: readonly string[], expected: readonly string[], what: string): void {
  if (told.join("\n") !== expected.join("\n"))
    throw new Error(`${what} is\n${told.join("\n")}\nand the twin says\n${expected.join("\n")}`);
}
