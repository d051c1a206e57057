import { mkdirSync } from "node:fs";
import { rename } from "node:fs/promises";
import type { BranchNumber } from "@bank/core";
import type { History } from "@bank/history";
import { JournalService, ReplicationService } from "@bank/proto";
import { BranchReplica, errorText, type Log, type Platform } from "@bank/replica";
import { type EpochTold, epochInterceptor, type Serving, SUBMIT_BYTES_MAX, serve } from "@bank/rpc";
import { type JournalStore, openStore } from "@bank/store";
import { RemoteJournal } from "./bank-link.ts";
import { branchSource } from "./branch-source.ts";
import { type Branch, type BranchHost, BranchTeller } from "./branch-teller.ts";
import { copyIdOfStore, journalFolder } from "./copy-id.ts";
import { EpochPromises } from "./epoch-promise.ts";
import { newestAcceptance } from "./given-up.ts";
import { branchHistory, type HistoryStart } from "./history-wiring.ts";
import { KnownEpochs } from "./known-epochs.ts";
import { textLog } from "./log.ts";
import { nodePlatform } from "./platform.ts";
import { PromotionFile } from "./promotion-file.ts";
import { Registration } from "./registration.ts";
import { RequestsUnderWay } from "./requests-under-way.ts";
import { branchReplicationService } from "./services/branch-replication-service.ts";
import { type JournalSource, journalService } from "./services/journal-service.ts";
import { type PromisingCopy, promiseService } from "./services/promise-service.ts";
import { tellerServices } from "./services/teller-services.ts";
import { SNAPSHOT_EVERY_RECORDS } from "./start-bank.ts";
import { UpstreamLink } from "./upstream-link.ts";

export interface BranchServerOptions {
  /** The branches that this process hosts: each listens on its own port, all share one copy of the journal. */
  readonly branches: readonly { readonly number: BranchNumber; readonly port: number; readonly name?: string }[];
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
  private readonly platform: Platform;
  readonly link: UpstreamLink;
  readonly hostedText: string;
  private copyId: Uint8Array = new Uint8Array(0);
  private promises = new EpochPromises(undefined);
  private readonly known = new KnownEpochs(
    () => this.epoch,
    () => this.promises.epoch,
  );
  private readonly registration: Registration;
  private readonly serving: Serving[] = [];
  private current: Branch | undefined;
  private currentHistory: History | undefined;
  private reseeding: Promise<void> | undefined;
  private closing: Promise<void> | undefined;

  constructor(options: BranchServerOptions) {
    this.options = options;
    this.bankUrl = options.bankUrl;
    this.hosted = new Set(options.branches.map(({ number }) => number));
    this.log = options.log ?? textLog;
    this.platform = options.platform ?? nodePlatform(this.log);
    this.hostedText = [...this.hosted].join(", ");
    const self = { acceptedLoss: () => this.acceptedLoss(), copyId: () => this.copyId, epoch: () => this.epochTold() };
    const urls = [...new Set([options.bankUrl, ...(options.otherUpstreams ?? [])])];
    this.link = new UpstreamLink({
      upstreams: urls.map((url) => new RemoteJournal(url, `branch ${this.hostedText}`, self)),
      platform: this.platform,
      members: () => (this.current === undefined ? [] : [this.current.report()]),
      epochs: () => (this.current?.bankId === undefined ? [] : this.current.ledger.epochs),
      known: this.known,
    });
    this.registration = new Registration(this.link, this.platform);
  }

  async start(): Promise<void> {
    mkdirSync(this.options.dataDir, { recursive: true, mode: 0o700 });
    new PromotionFile(this.options.dataDir).refuseBranch();
    await this.openCopy();
    try {
      for (const branch of this.options.branches) this.serving.push(await this.listen(branch.number, branch.port));
    } catch (error) {
      await this.close();
      throw error;
    }
    this.branches = this.options.branches.map(({ number }, i) => ({ number, url: (this.serving[i] as Serving).url }));
    this.registration.announce(
      this.options.branches.map(({ number, name }, i) => ({
        branch: number,
        // Without one it keeps the name that the bank knows it by.
        name: name ?? "",
        address: (this.serving[i] as Serving).url,
      })),
    );
    this.replica().start();
  }

  replica(): Branch {
    if (this.current === undefined) throw new Error("the branch is not started");
    return this.current;
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
    await this.reseeding;
    await this.currentHistory?.close();
    await this.current?.close();
    this.link.close();
  }

  private async openCopy(): Promise<void> {
    this.copyId = copyIdOfStore(this.storeUrl(), this.platform);
    this.promises = new EpochPromises(journalFolder(this.storeUrl()));
    const replica = await this.openReplica();
    const { dataDir, history: start = "eager" } = this.options;
    const inMemory = /^memory:/i.test(this.storeUrl());
    this.currentHistory = branchHistory(replica, { dataDir, inMemory, start, platform: this.platform });
    this.current = replica;
  }

  private openReplica(): Promise<Branch> {
    const { link, platform, options } = this;
    return BranchReplica.open({
      branchNumbers: [...this.hosted],
      copyId: this.copyId,
      upstream: this.bankUrl,
      store: this.openStore(),
      platform,
      link: {
        openJournal: link.openJournal,
        isDivergence: (error) => {
          if (RemoteJournal.isAcceptedLoss(error)) this.reseed();
          return link.isDivergence(error);
        },
        probe: (members, signal) => link.probe(members, signal),
        awaitPropagation: (position, asked, signal) => link.awaitPropagation(position, asked, signal),
        // A caller may have left long before its commands come back.
        submit: (commands, limit) => this.underWay.during(commands, () => link.submit(commands, limit)),
        passTime: (timeMs, limit) => link.passTime(timeMs, limit),
        reset: (reason) => link.reset(reason),
      },
      snapshotEveryRecords: options.snapshotEveryRecords ?? SNAPSHOT_EVERY_RECORDS,
      onStateChange: (state) => {
        this.log.info("branch link", { branch: [...this.hosted].join(","), state });
        if (state === "following") this.registration.start();
        else this.registration.lost();
      },
      onFatal: (error) => {
        this.log.error("the branch cannot go on", { problem: errorText(error) });
        options.onFatal?.(error);
      },
    });
  }

  private source(): JournalSource {
    return branchSource({ replica: this.replica(), copyId: this.copyId, hosted: this.hostedText });
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

  private openStore(): JournalStore {
    return openStore(this.storeUrl());
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
   * An operator has given up what this copy has and the bank lacks. The copy is put aside, never deleted, and a new one
   * begins.
   */
  private reseed(): void {
    this.reseeding ??= this.putAside()
      .catch((error: unknown) => {
        this.log.error("the old journal could not be put aside", { problem: errorText(error) });
        this.options.onFatal?.(error);
      })
      .finally(() => {
        this.reseeding = undefined;
      });
  }

  private async putAside(): Promise<void> {
    const old = this.replica();
    const position = old.savedPosition;
    await this.history().close();
    await old.close();
    const from = journalFolder(this.storeUrl());
    if (from !== undefined) {
      const to = `${from}.aside-${position}-${this.platform.wallMs()}`;
      await rename(from, to);
      this.log.warn("the old journal was put aside; a new copy begins", { kept_in: to, position });
    }
    await this.openCopy();
    if (this.closing === undefined) this.replica().start();
  }

  private listen(number: BranchNumber, port: number): Promise<Serving> {
    const teller = new BranchTeller(number, this);
    return serve({
      host: this.options.host ?? "127.0.0.1",
      port,
      routes: (router, ending) => {
        tellerServices(router, teller);
        router.service(JournalService, {
          ...journalService(() => this.source(), ending),
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
      reportIncident: ({ id, method, error }) =>
        this.log.error("request failed", { incident: id, method, problem: errorText(error) }),
      reportUnsent: ({ method, error }) =>
        this.log.info("answer could not be sent", { method, problem: errorText(error) }),
    });
  }
}
