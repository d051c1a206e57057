import { Ledger, RecordKind, SYSTEM_PRINCIPAL, toHex } from "@bank/core";
import {
  balancesOf,
  CURRENCIES,
  checkSums,
  compareBalances,
  epochBegun,
  formatLevelRaised,
  lineOf,
  observe,
  Random,
  RandomRequests,
  replayAndCompare,
  SEED,
  stateRoot,
  Twins,
  toldAt,
} from "@bank/core/testing";
import { describe, expect, test } from "vitest";
import { genesisHash, nextHash } from "./chain.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { applyFrame, type ReceivedFrame, type Replay } from "./replay.ts";
import { sha256 } from "./sha256.test-util.ts";
import { type BegunSnapshot, beginSnapshot, loadSnapshot, type Snapshot, takeSnapshot } from "./snapshot.ts";

const COMMANDS = 12_000;
const repeat = `BANK_TEST_SEED=${SEED} npx vitest run packages/journal/src/full-ledger.prop.test.ts`;

/** A snapshot, and how many frames it covers. */
interface Taken {
  readonly snapshot: Snapshot;
  readonly frames: number;
}

/** A bank in step with its naive twin, whose every batch is encoded as it is committed. */
class JournalingBank {
  readonly random: Random;
  readonly twins: Twins;
  readonly bankId: Uint8Array;
  readonly frames: ReceivedFrame[] = [];
  readonly snapshots: Taken[] = [];
  /** The newest one once more, to be encoded when the ledger has gone on. */
  private begun: BegunSnapshot | undefined;
  private chainHash: Uint8Array;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.twins = new Twins(this.random.word(), 1);
    const epoch = epochBegun(1);
    this.bankId = epoch.bankId;
    this.chainHash = genesisHash(sha256, this.bankId);
    this.twins.own(epoch);
    this.twins.own(formatLevelRaised(3));
    this.twins.twin.level = 3;
    this.commit();
  }

  get live(): Replay {
    return { ledger: this.twins.ledger, bankId: this.bankId, chainHash: this.chainHash };
  }

  /** A working life, with batches that are refused, epochs, snapshots and their roots. */
  work(options: { readonly accountsMax: number; readonly edges: boolean }): void {
    const { random, twins } = this;
    const requests = new RandomRequests(random, twins.twin.books, { ...options, currencies: CURRENCIES });
    for (let done = 0; done < COMMANDS; ) {
      if (random.chance(1)) this.beginEpoch();
      twins.passTime(twins.ledger.timeMs + random.below(3000));
      const newest = this.snapshots.at(-1)?.snapshot;
      if (newest !== undefined && newest.position > (twins.ledger.root?.position ?? 0))
        twins.own({ ...stateRoot(newest.position), root: newest.root });
      for (let left = 1 + random.below(50); left > 0; left--, done++) twins.submit(requests.next());
      if (random.chance(2)) twins.refuse();
      else this.commit();
      if (this.frames.length % 32 === 0) this.takeSnapshot();
    }
    this.finishBegun();
    // The time of a batch without records is in no journal.
    twins.passTime(twins.ledger.timeMs + 1);
    twins.own({ kind: RecordKind.TIME_TICKED, principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined });
    this.commit();
  }

  private beginEpoch(): void {
    // At the same time, so that nothing is due: an epoch begins with a batch.
    this.twins.passTime(this.twins.ledger.timeMs);
    const epoch = epochBegun((this.twins.ledger.currentEpoch()?.number ?? 0) + 1, this.random.below(256));
    this.twins.own(this.random.chance(50) ? { ...epoch, promotedFrom: this.random.requestId() } : epoch);
    this.commit();
  }

  private commit(): void {
    const { bank, ledger } = this.twins;
    this.twins.commit();
    const batch = bank.batches.at(-1);
    const epoch = ledger.currentEpoch();
    if (batch === undefined || epoch === undefined) throw new Error("there is a batch of an epoch");
    if (batch.records.length === 0) return;
    const committedPosition = ledger.position - batch.records.length;
    const header = {
      epochId: epoch.id,
      firstPosition: committedPosition + 1,
      timeMs: batch.timeMs,
      digestAfter: ledger.digestBytes(),
      committedPosition,
    };
    const frame = encodeFrame(header, batch.records);
    this.chainHash = nextHash(sha256, this.chainHash, frame);
    this.frames.push({ frame, chainHash: this.chainHash });
    ledger.forgetUndo(ledger.position);
  }

  /** Of the newest batch end, unless the batches since then had no records. */
  private takeSnapshot(): void {
    const { ledger } = this.twins;
    const last = this.frames.at(-1);
    if (last === undefined || decodeFrame(last.frame).header.timeMs !== ledger.timeMs) return;
    this.finishBegun();
    this.begun = beginSnapshot(this.live, sha256);
    this.snapshots.push({ snapshot: takeSnapshot(this.live, sha256), frames: this.frames.length });
  }

  /** A snapshot is of its moment, whatever was committed, refused and changed until it is encoded. */
  private finishBegun(): void {
    if (this.begun === undefined) return;
    const begun = [...this.begun.pages].filter((page) => page !== undefined);
    const pages = begun.map((page) => (page instanceof Uint8Array ? page : page.bytes()));
    expect({ position: this.begun.position, pages, ...this.begun.seal() }).toEqual(this.snapshots.at(-1)?.snapshot);
  }
}

describe("the full ledger", () => {
  test.each([
    ["in the middle of the range", 0, { accountsMax: 100, edges: false }],
    ["at its edges", 1, { accountsMax: 30, edges: true }],
  ])(
    `replayed from zero, or from any snapshot, is the live one, %s [seed ${SEED}; repeat: ${repeat}]`,
    (_, run, options) => {
      const bank = new JournalingBank(SEED + run);
      bank.work(options);
      const { bankId, frames, random, snapshots, twins } = bank;
      const { history, lines } = twins.twin.books;
      const live = summary(bank.live);
      expect(snapshots.length).toBeGreaterThan(3);
      const present = new Set(
        frames.flatMap(({ frame }) =>
          decodeFrame(frame)
            .records.slice()
            .map(({ kind }) => kind),
        ),
      );
      expect(present).toEqual(new Set(Object.values(RecordKind)));

      // From zero, with every check that a replica makes.
      const replica: Replay = {
        ledger: new Ledger({ hashSeed: random.word() }),
        bankId,
        chainHash: genesisHash(sha256, bankId),
      };
      for (const received of frames) applyFrame(replica, received, sha256);
      expect(summary(replica)).toEqual(live);
      expect(observe(replica.ledger)).toEqual(observe(twins.ledger));
      checkSums(replica.ledger);

      // Record by record, as the frames have them: what they say and the balances behind each are the twin's.
      const slow = new Ledger({ hashSeed: random.word() });
      const batches = frames.map(({ frame }) => {
        const { header, records } = decodeFrame(frame);
        return { timeMs: header.timeMs, records: records.slice() };
      });
      replayAndCompare(slow, batches, history, (record) => {
        const line = toldAt(slow.position, lineOf(slow, slow.position, record));
        if (line !== lines[slow.position - 1])
          throw new Error(`${line}\nand the twin says\n${lines[slow.position - 1]}`);
      });
      expect(slow.digestBytes()).toEqual(twins.ledger.digestBytes());

      // From each snapshot, which is the past as the twin remembers it, on to the end.
      for (const { snapshot, frames: covered } of snapshots) {
        const loaded = loadSnapshot(snapshot, { bankId, sha256, hashSeed: random.word() });
        expect(loaded.ledger.position).toBe(snapshot.position);
        compareBalances(loaded.ledger, balancesOf(history, snapshot.position));
        expect(takeSnapshot(loaded, sha256).pages).toEqual(snapshot.pages);
        for (const received of frames.slice(covered)) applyFrame(loaded, received, sha256);
        expect(summary(loaded)).toEqual(live);
        if (snapshot === snapshots[0]?.snapshot) expect(observe(loaded.ledger)).toEqual(observe(twins.ledger));
      }
    },
    120_000,
  );
});

/** Digest, chain, and the root over all that there is. */
function summary(replay: Replay): unknown {
  return {
    position: replay.ledger.position,
    digest: toHex(replay.ledger.digestBytes()),
    chain: toHex(replay.chainHash),
    root: toHex(takeSnapshot(replay, sha256).root),
  };
}
