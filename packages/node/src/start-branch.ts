import { mkdirSync } from "node:fs";
import { rename } from "node:fs/promises";
import { type BranchNumber, bytesEqual, type Position } from "@bank/core";
import type { History } from "@bank/history";
import { JournalService, ReplicationService } from "@bank/proto";
import {
  BackFill,
  BranchReplica,
  errorText,
  FalseSnapshotError,
  type Log,
  type OpenJournal,
  type Platform,
  SEED_COSTS,
  type SeedCosts,
  seed,
} from "@bank/replica";
import {
  type EpochTold,
  epochInterceptor,
  movementsCodec,
  plainCodecs,
  type Serving,
  SUBMIT_BYTES_MAX,
  serve,
} from "@bank/rpc";
import { CorruptStoreError, type JournalStore, openStore, type StoreGap } from "@bank/store";
import { type RemoteHead, RemoteJournal } from "./bank-link.ts";
import { branchSource } from "./branch-source.ts";
import { type Branch, type BranchHost, BranchTeller } from "./branch-teller.ts";
import { copyIdOfStore, journalFolder } from "./copy-id.ts";
import { DAMAGED, damagesOf, isDamage } from "./damaged-copy.ts";
import { EpochPromises } from "./epoch-promise.ts";
import { newestAcceptance } from "./given-up.ts";
import { branchHistory, type HistoryStart } from "./history-wiring.ts";
import { KnownEpochs } from "./known-epochs.ts";
import { textLog } from "./log.ts";
import { nodePlatform } from "./platform.ts";
import { PromotionFile } from "./promotion-file.ts";
import { Registration } from "./registration.ts";
import { RequestsUnderWay } from "./requests-under-way.ts";
import { MIN_FREE_BYTES, RoomWatch } from "./room-watch.ts";
import { branchReplicationService } from "./services/branch-replication-service.ts";
import { type JournalSource, journalService } from "./services/journal-service.ts";
import { type PromisingCopy, promiseService } from "./services/promise-service.ts";
import { tellerServices } from "./services/teller-services.ts";
import { SNAPSHOT_EVERY_RECORDS } from "./start-bank.ts";
import { UpstreamLink } from "./upstream-link.ts";

/** So many failures to begin from a snapshot, and the journal is replayed instead. */
const FAILED_SEEDS_MAX = 3;
const NO_HASH = new Uint8Array(0);
/** A copy that is damaged again within this time is not begun anew. */
const DAMAGED_AGAIN_MS = 60 * 60_000;

export interface BranchServerOptions {
  /** The branches that this process hosts: each listens on its own port, all share one copy of the journal. */
  readonly branches: readonly {
    readonly number: BranchNumber;
    readonly port: number;
    /** What it is called; the name that the bank knows it by where it is not said. */
    readonly name?: string;
    /** Where others reach it, as a URL; where it listens if it is not said. */
    readonly advertise?: string;
  }[];
  readonly host?: string;
  /** Where the bank listens, or a branch to follow in its place, as a URL. */
  readonly bankUrl: string;
  /** Others to follow, in this order, when that one is lost. */
  readonly otherUpstreams?: readonly string[];
  /** Where the copy lies. */
  readonly dataDir: string;
  /** A store URL; `sqlite:` in the data folder where it is not said. */
  readonly store?: string;
  readonly snapshotEveryRecords?: number;
  /** As the bank's: nothing more is saved of the copy then. */
  readonly minFreeBytes?: number;
  /** For tests: how often it is looked how much room there is, in milliseconds. */
  readonly lookEveryMs?: number;
  /** When a copy begins from a snapshot; as measured where it is not said. */
  readonly seedCosts?: SeedCosts;
  /** False if Connect's adapter shall serve unary calls, at ten times the cost; true where it is not said. */
  readonly quickUnary?: boolean;
  /** When the accounts' history begins to be kept; "eager" where it is not said. */
  readonly history?: HistoryStart;
  readonly log?: Log;
  readonly platform?: Platform;
  /** Called once if the replica cannot go on. Its process should stop. */
  readonly onFatal?: (error: unknown) => void;
}

/** Branches that listen. */
export interface RunningBranches {
  readonly branches: readonly { readonly number: BranchNumber; readonly url: string }[];
  /** Whom they follow now, or would like to follow most, as a URL. */
  readonly upstreamUrl: string;
  /** For people and tests that look behind the services. */
  replica(): Branch;
  /** Resolves once the branches follow the bank and the bank knows them. Rejects when the signal aborts. */
  whenFollowing(signal: AbortSignal): Promise<void>;
  /** Ends streams, stops following, gives the data folder back. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the copy, listens, and begins to follow the bank, whether the bank is there yet or not.
 * Rejects with: `StoreLockedError`, `CorruptStoreError`, or the system's error for an address.
 */
export async function startBranch(options: BranchServerOptions): Promise<RunningBranches> {
  const server = new BranchServer(options);
  await server.start();
  return server;
}

class BranchServer implements RunningBranches, BranchHost {
  branches: readonly { readonly number: BranchNumber; readonly url: string }[] = [];
  readonly bankUrl: string;
  readonly hosted: ReadonlySet<BranchNumber>;
  readonly underWay = new RequestsUnderWay();
  private readonly options: BranchServerOptions;
  private readonly log: Log;
  readonly platform: Platform;
  readonly link: UpstreamLink;
  readonly hostedText: string;
  copyId: Uint8Array = new Uint8Array(0);
  private promises = new EpochPromises(undefined);
  private readonly known = new KnownEpochs(
    () => this.epoch,
    () => this.promises.epoch,
  );
  private readonly registration: Registration;
  private readonly serving: Serving[] = [];
  private current: Branch | undefined;
  private currentHistory: History | undefined;
  private room: RoomWatch | undefined;
  private replacing: Promise<void> | undefined;
  private store: JournalStore;
  private backFill: BackFill | undefined;
  private failedSeeds = 0;
  private damagedMs: number[] = [];
  private closing: Promise<void> | undefined;

  constructor(options: BranchServerOptions) {
    this.options = options;
    this.bankUrl = options.bankUrl;
    this.hosted = new Set(options.branches.map(({ number }) => number));
    this.log = options.log ?? textLog;
    this.platform = options.platform ?? nodePlatform(this.log);
    this.hostedText = [...this.hosted].join(", ");
    const self = {
      acceptedLoss: () => this.acceptedLoss(),
      copyId: () => this.copyId,
      bankId: () => this.current?.bankId,
      epoch: () => this.epochTold(),
    };
    const urls = [...new Set([options.bankUrl, ...(options.otherUpstreams ?? [])])];
    this.link = new UpstreamLink({
      upstreams: urls.map((url) => new RemoteJournal(url, `branch ${this.hostedText}`, self)),
      platform: this.platform,
      members: () => (this.current === undefined ? [] : this.current.reports()),
      epochs: () => (this.current?.bankId === undefined ? [] : this.current.ledger.epochs),
      known: this.known,
      beforeFollowing: (upstream, from, target, signal) => this.beginFromSnapshot(upstream, from, target, signal),
    });
    this.store = this.newStore();
    this.registration = new Registration(this.link, this.platform);
  }

  async start(): Promise<void> {
    mkdirSync(this.options.dataDir, { recursive: true, mode: 0o700 });
    new PromotionFile(this.options.dataDir).refuseBranch();
    try {
      await this.openCopy();
    } catch (error) {
      if (!(error instanceof CorruptStoreError)) throw error;
      await this.putAsideDamaged(error);
      await this.openCopy();
    }
    try {
      for (const branch of this.options.branches) this.serving.push(await this.listen(branch.number, branch.port));
    } catch (error) {
      await this.close();
      throw error;
    }
    this.branches = this.options.branches.map(({ number }, i) => ({ number, url: (this.serving[i] as Serving).url }));
    this.registration.announce(
      this.options.branches.map(({ number, name, advertise }, i) => ({
        branch: number,
        // Without one it keeps the name that the bank knows it by.
        name: name ?? "",
        address: advertise ?? (this.serving[i] as Serving).url,
      })),
    );
    this.replica().start();
  }

  replica(): Branch {
    if (this.current === undefined) throw new Error("the branch is not started");
    return this.current;
  }

  get upstreamUrl(): string {
    return this.link.current.url;
  }

  history(): History {
    if (this.currentHistory === undefined) throw new Error("the branch is not started");
    return this.currentHistory;
  }

  whenRegistered(signal: AbortSignal): Promise<void> {
    return this.registration.whenDone(signal);
  }

  whenFollowing(signal: AbortSignal): Promise<void> {
    return this.registration.whenEverDone(signal);
  }

  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    this.registration.close();
    await Promise.all(this.serving.map((serving) => serving.close()));
    await this.replacing;
    await this.closeCopy();
    this.link.close();
  }

  private async openCopy(): Promise<void> {
    this.copyId = copyIdOfStore(this.storeUrl(), this.platform);
    this.promises = new EpochPromises(journalFolder(this.storeUrl()));
    const replica = await this.openReplica();
    const { dataDir, history: start = "eager" } = this.options;
    const inMemory = this.isInMemory();
    this.backFill = await this.newBackFill(replica);
    const { platform, store } = this;
    this.room = RoomWatch.of(store, { dataDir, platform, ...this.roomOptions() });
    this.currentHistory = branchHistory(replica, this.backFill, {
      dataDir,
      inMemory,
      start,
      platform,
      room: this.room,
    });
    this.current = replica;
    this.backFill?.start();
  }

  private async closeCopy(): Promise<void> {
    // First: the history may wait for what it fetches.
    await this.backFill?.close();
    await this.currentHistory?.close();
    await this.current?.close();
    await this.room?.close();
  }

  /** What fetches the past of a copy that began from a snapshot; undefined where the journal is whole. */
  private async newBackFill({ bankId }: Branch): Promise<BackFill | undefined> {
    const { store, platform } = this;
    const gap = await store.gap();
    if (gap === undefined || bankId === undefined) return undefined;
    return new BackFill(
      {
        store,
        bankId,
        platform,
        fetch: (after, last, signal) => this.link.current.fetchBatches(bankId, after, last, signal),
        onFalse: (error) => {
          const problem = errorText(error);
          this.log.error("the journal before the snapshot does not lead to it: one of the two is false", { problem });
          this.options.onFatal?.(error);
        },
      },
      gap,
    );
  }

  get gap(): StoreGap | undefined {
    return this.backFill?.gap;
  }

  /**
   * Lets a copy that lacks much go on from a snapshot: then it is opened anew. Rejects once it has done so, and where it is
   * to be tried again.
   */
  private async beginFromSnapshot(
    upstream: RemoteJournal,
    from: Parameters<OpenJournal>[0],
    { bankId, position: target }: RemoteHead,
    signal: AbortSignal,
  ): Promise<void> {
    const { store, platform, log } = this;
    const costs = this.options.seedCosts ?? SEED_COSTS;
    const { position } = from;
    if (target - position < costs.recordsMin || this.replica().savedPosition !== position) return;
    // One whose journal differs must be told so, and not get another.
    if (from.bankId !== undefined && !bytesEqual(from.bankId, bankId)) return;
    try {
      if ((await store.gap()) !== undefined) return;
      if (position > 0 && !bytesEqual((await upstream.chainHashAt(position, signal)) ?? NO_HASH, from.chainHash))
        return;
      const seeded = await seed(store, upstream, { bankId, position, target }, { platform, costs, signal });
      if (seeded === undefined) return;
      const { elapsedMs, pages } = seeded;
      log.info("goes on from a snapshot", { position: seeded.position, pages, ms: Math.round(elapsedMs) });
    } catch (error) {
      if (signal.aborted) throw error;
      if (RemoteJournal.isWithoutSnapshot(error)) return;
      this.failedSeeds++;
      const isFalse = error instanceof FalseSnapshotError;
      log[isFalse ? "error" : "warn"]("cannot begin from a snapshot", { url: upstream.url, problem: errorText(error) });
      if (!isFalse && this.failedSeeds % FAILED_SEEDS_MAX === 0) return;
      throw error;
    }
    this.failedSeeds = 0;
    this.replaceCopy(async () => undefined);
    throw new Error("it goes on from a snapshot: the copy is opened anew");
  }

  private openReplica(): Promise<Branch> {
    const { link, platform, options } = this;
    return BranchReplica.open({
      branchNumbers: [...this.hosted],
      copyId: this.copyId,
      get upstream() {
        return link.current.url;
      },
      onDisk: !this.isInMemory(),
      isWhole: () => this.gap === undefined,
      historyPosition: () => this.currentHistory?.projectedPosition,
      store: this.store,
      platform,
      link: {
        openJournal: link.openJournal,
        isDivergence: (error) => {
          if (RemoteJournal.isAcceptedLoss(error)) this.reseed();
          return link.isDivergence(error);
        },
        probe: (members, signal) => {
          // As often as the bank is asked for a sign of life.
          this.registration.check(this.replica());
          return link.probe(members, signal);
        },
        report: (members, signal) => link.report(members, signal),
        awaitPropagation: (position, asked, limit) => link.awaitPropagation(position, asked, limit),
        // A caller may have left long before its commands come back.
        submit: (commands, limit) => this.underWay.during(commands, () => link.submit(commands, limit)),
        submitMovements: (calls, limit) =>
          this.underWay.duringMovements(calls, () => link.submitMovements(calls, limit)),
        passTime: (timeMs, limit) => link.passTime(timeMs, limit),
        reset: (reason) => link.reset(reason),
      },
      snapshotEveryRecords: options.snapshotEveryRecords ?? SNAPSHOT_EVERY_RECORDS,
      onStateChange: (state) => {
        this.log.info("branch link", { branch: [...this.hosted].join(","), state });
        if (state === "following") this.registration.start();
        else this.registration.lost();
      },
      // What it has beyond the last committed position never was: the same way as what an operator has given up.
      onContradicted: () => this.reseed(),
      onFatal: (error) => {
        if (isDamage(error)) {
          this.replaceCopy(() => this.putAsideDamaged(error));
          return;
        }
        this.log.error("the branch cannot go on", { problem: errorText(error) });
        options.onFatal?.(error);
      },
    });
  }

  private source(): JournalSource {
    const replica = this.replica();
    const { store, copyId, hostedText: hosted, link } = this;
    const passOnSnapshot = (after: Position, signal: AbortSignal) =>
      link.current.fetchSnapshot(replica.bankId, after, signal);
    return branchSource({ replica, copyId, hosted, store, passOnSnapshot });
  }

  private promisingCopy(): PromisingCopy {
    const { copyId, hosted: branches, promises, epoch } = this;
    return {
      bankId: this.source().bankId,
      copyId,
      branches,
      promises,
      epoch,
      lastSaved: () => this.replica().lastSaved(),
      // Whom it follows is of an older epoch, or will be found again at once.
      onPromised: () => this.link.reset(new Error("this copy has promised to wait for a newer epoch")),
    };
  }

  private isInMemory(): boolean {
    return /^memory:/i.test(this.storeUrl());
  }

  private newStore(): JournalStore {
    return openStore(this.storeUrl(), this.roomOptions());
  }

  private roomOptions() {
    const { minFreeBytes = MIN_FREE_BYTES, lookEveryMs } = this.options;
    return { minFreeBytes, lookEveryMs };
  }

  private storeUrl(): string {
    return this.options.store ?? `sqlite:${this.options.dataDir}/journal`;
  }

  /** Number of the newest epoch that is shown here. */
  private get epoch(): number {
    const { current } = this;
    return current?.bankId === undefined ? 0 : (current.ledger.currentEpoch()?.number ?? 0);
  }

  private epochTold(): EpochTold | undefined {
    const { highest: epoch } = this.known;
    return epoch === 0 ? undefined : { epoch, bankId: this.current?.bankId };
  }

  private acceptedLoss(): Uint8Array | undefined {
    const { current } = this;
    return current?.bankId === undefined ? undefined : newestAcceptance(current.ledger.epochs);
  }

  /**
   * An operator has given up what this copy has and the bank lacks, or what it has more was never committed. The copy is put
   * aside, never deleted, and a new one begins.
   */
  private reseed(): void {
    const position = this.replica().savedPosition;
    this.replaceCopy(async () => {
      const kept = await this.putAside(`aside-${position}-${this.platform.wallMs()}`);
      if (kept !== undefined)
        this.log.warn("the old journal was put aside; a new copy begins", { kept_in: kept, position });
    });
  }

  /** Closes the copy of the moment, does what is to be done with its files, and opens what is there then. */
  private replaceCopy(change: () => Promise<void>): void {
    const replace = async () => {
      await this.closeCopy();
      await change();
      await this.openCopy();
      if (this.closing === undefined) this.replica().start();
    };
    this.replacing ??= replace()
      .catch((error: unknown) => {
        this.log.error("the copy of the journal could not be replaced", { problem: errorText(error) });
        this.options.onFatal?.(error);
      })
      .finally(() => {
        this.replacing = undefined;
      });
  }

  /**
   * What is on this copy's disk, or came of it, is not what the bank's journal says. It is kept for whoever wants to know
   * why. Rejects where that has happened a short while ago: then it would only happen again.
   */
  private async putAsideDamaged(error: unknown): Promise<void> {
    const problem = errorText(error);
    const now = this.platform.wallMs();
    this.damagedMs = this.damagedMs.filter((ms) => now - ms < DAMAGED_AGAIN_MS);
    const folder = journalFolder(this.storeUrl());
    const earlier = folder === undefined ? this.damagedMs : await damagesOf(folder);
    if (earlier.some((ms) => now - ms < DAMAGED_AGAIN_MS))
      throw new Error(`the copy is damaged for the second time within an hour, so it is not begun anew: ${problem}`, {
        cause: error,
      });
    this.damagedMs.push(now);
    const kept = await this.putAside(`${DAMAGED}${now}`);
    this.log.error("the copy is damaged; it was put aside, and a new one begins", { kept_in: kept ?? "-", problem });
  }

  /** Gives where it is kept; undefined for one in memory, which is gone. */
  private async putAside(suffix: string): Promise<string | undefined> {
    const from = journalFolder(this.storeUrl());
    this.store = this.newStore();
    if (from === undefined) return undefined;
    const to = `${from}.${suffix}`;
    await rename(from, to);
    return to;
  }

  private listen(number: BranchNumber, port: number): Promise<Serving> {
    const teller = new BranchTeller(number, this);
    return serve({
      host: this.options.host ?? "127.0.0.1",
      port,
      quickUnary: this.options.quickUnary ?? true,
      routes: (router, ending) => {
        tellerServices(router, teller, ending);
        router.service(JournalService, {
          ...journalService(() => this.source(), ending, this),
          ...promiseService(() => this.promisingCopy()),
        });
        router.service(ReplicationService, branchReplicationService(this), { readMaxBytes: SUBMIT_BYTES_MAX });
      },
      interceptors: [
        epochInterceptor(
          () => this.current?.bankId,
          (epoch) => this.known.hear(epoch),
        ),
      ],
      codecs: [movementsCodec, ...plainCodecs],
      reportIncident: ({ id, method, error }) =>
        this.log.error("request failed", { incident: id, method, problem: errorText(error) }),
      reportUnsent: ({ method, error }) =>
        this.log.info("answer could not be sent", { method, problem: errorText(error) }),
    });
  }
}
