import { mkdirSync } from "node:fs";
import { toHex } from "@bank/core";
import type { History } from "@bank/history";
import { JournalService, ReplicationService } from "@bank/proto";
import { abortable, BankReplica, closeStore, errorText, type Log, type Platform, type Recovered } from "@bank/replica";
import { epochInterceptor, movementsCodec, plainCodecs, type Serving, SUBMIT_BYTES_MAX, serve } from "@bank/rpc";
import { type JournalStore, openStore, StaleEpochError } from "@bank/store";
import { AnchorFile } from "./anchor-file.ts";
import { askWitnesses } from "./ask-witnesses.ts";
import { BankTeller } from "./bank-teller.ts";
import { copyIdOfStore } from "./copy-id.ts";
import { EpochGuard } from "./epoch-guard.ts";
import { isEveryAddress } from "./every-address.ts";
import { bankHistory, type HistoryStart, historyFile } from "./history-wiring.ts";
import { inTurn } from "./in-turn.ts";
import { textLog } from "./log.ts";
import { LossCheck } from "./loss-check.ts";
import { nodePlatform } from "./platform.ts";
import { bankStoreUrl, requireFinished } from "./promotion-file.ts";
import { MIN_FREE_BYTES, RoomWatch } from "./room-watch.ts";
import { type JournalSource, journalService } from "./services/journal-service.ts";
import { replicationService } from "./services/replication-service.ts";
import { tellerServices } from "./services/teller-services.ts";
import { Standby } from "./standby.ts";
import { SupersededError, SupersededFile } from "./superseded-file.ts";
import { TwinWatch } from "./twin-watch.ts";
import { WarmStandby } from "./warm-standby.ts";

/**
 * Records between two snapshots, where nothing else is said: replayed in about a second. Large states are written less often,
 * and batches count too.
 */
export const SNAPSHOT_EVERY_RECORDS = 1_000_000;

export interface BankServerOptions {
  readonly host?: string;
  /** 0, the default, for any free port. */
  readonly port?: number;
  /** Where others reach it, an URL; where it listens if it is not said. */
  readonly advertise?: string | undefined;
  /** Where the anchor lies, and the journal unless `store` says otherwise. */
  readonly dataDir: string;
  /** A store URL; `sqlite:` in the data folder where it is not said. */
  readonly store?: string;
  readonly snapshotEveryRecords?: number;
  /**
   * Nothing is written any more once the data folder's disk has less room than this, in bytes: see `openStore`. 256 MiB where it is not
   * said, 0 for no such mark.
   */
  readonly minFreeBytes?: number;
  /** For tests: how often it is looked how much room there is, in milliseconds. */
  readonly lookEveryMs?: number;
  readonly witnessTimeoutMs?: number;
  /** Start only once this many branches have testified, however long that takes. */
  readonly requireWitnesses?: number;
  /** All who read the journal know the newest level of its format: raise an older journal to it. */
  readonly raiseFormatLevel?: boolean;
  /** False if Connect's adapter shall serve unary calls, at ten times the cost; true where it is not said. */
  readonly quickUnary?: boolean;
  /** When the accounts' history begins to be kept; "eager" where it is not said. */
  readonly history?: HistoryStart;
  /** Whether it keeps the leader's state in memory while it waits for its turn; "warm" where it is not said. */
  readonly standby?: "warm" | "cold";
  readonly log?: Log;
  readonly platform?: Platform;
  /** For tests: wraps or replaces the store. */
  readonly wrapStore?: (store: JournalStore) => JournalStore;
  /** Called once if the bank cannot go on. Its process should stop. */
  readonly onFatal?: (error: unknown) => void;
  /** Ends a start that has not come to its end: the store is given back, and the start rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A bank server that listens. */
export interface RunningBank {
  readonly url: string;
  readonly port: number;
  /** 16 bytes. */
  readonly bankId: Uint8Array;
  readonly recovered: Recovered;
  /** For people and tests that look behind the services. */
  readonly replica: BankReplica;
  /** Ends streams, answers what waits, takes a snapshot, gives the data folder back. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the journal, recovers, asks the witnesses, begins an epoch and listens. Where another server has the lease on the store, it
 * waits for as long as that one has it.
 * Rejects with: `SupersededError`, `StoreLockedError`, `LeaseLostError`, `CorruptStoreError`, `LossDetectedError`, or the system's error for
 * the address.
 */
export async function startBank(options: BankServerOptions): Promise<RunningBank> {
  const log = options.log ?? textLog;
  const platform = options.platform ?? nodePlatform(log);
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const storeUrl = bankStoreUrl(options.dataDir, options.store);
  const { dataDir, minFreeBytes = MIN_FREE_BYTES, lookEveryMs } = options;
  const opened = openStore(storeUrl, { minFreeBytes, lookEveryMs });
  const superseded = opened.engine === "memory" ? undefined : new SupersededFile(options.dataDir);
  const store = options.wrapStore?.(opened) ?? opened;
  const copyId = copyIdOfStore(storeUrl, platform);
  const anchor = opened.engine === "memory" ? undefined : new AnchorFile(options.dataDir, log);
  const { history: start = "eager" } = options;
  let replica: BankReplica | undefined;
  const fatal = (error: unknown) => {
    log.error("the bank cannot go on", { problem: errorText(error) });
    options.onFatal?.(error);
  };
  const open = () =>
    BankReplica.open({
      store,
      platform,
      snapshotEveryRecords: options.snapshotEveryRecords ?? SNAPSHOT_EVERY_RECORDS,
      acceptLoss: false,
      raiseFormatLevel: options.raiseFormatLevel ?? false,
      headStart: () => warm.handOver(),
      askWitnesses: (ledger) => {
        superseded?.check(ledger.currentEpoch()?.number ?? 0);
        requireFinished(options.dataDir, ledger);
        const { witnessTimeoutMs: timeoutMs, requireWitnesses: required } = options;
        const onNewer = (newer: number) => superseded?.found({ epoch: ledger.currentEpoch()?.number ?? 0, newer });
        return askWitnesses(ledger, { store, anchor, seen: warm.testimony, timeoutMs, required, onNewer, platform });
      },
      onFatal: fatal,
      onCommitted: ({ position, chainHash }) => {
        // The first commit, the epoch's, comes before `open` resolves; the next one writes the anchor all the same.
        const epochId = replica?.ledger.currentEpoch()?.id;
        if (replica === undefined || epochId === undefined) return;
        anchor?.update({ bankId: replica.bankId, epochId, position, chainHash });
      },
    }).catch((error: unknown) => {
      throw error instanceof StaleEpochError ? SupersededError.ofStore(error) : error;
    });
  const address = { host: options.host ?? "127.0.0.1", port: options.port ?? 0 };
  const warm = new WarmStandby({
    platform,
    name: `the bank server at ${address.host}:${address.port}`,
    historyFile: start === "eager" ? historyFile(dataDir) : undefined,
  });
  const standby = new Standby({ ...address, log, position: () => warm.position });
  const { signal } = options;
  const onLeader = async (leader: string | undefined) => {
    await standby.follow(leader);
    if (options.standby !== "cold") warm.follow(leader);
  };
  const opening = inTurn(open, { platform, signal, onLeader });
  try {
    replica = await abortable(opening, signal, () => signal?.reason);
  } catch (error) {
    // Where it was told to stop in the middle, it finds its store closed, or has just become the bank.
    await closeStore({ store, platform });
    void opening.then((late) => late.close()).catch(() => undefined);
    throw error;
  } finally {
    await Promise.all([standby.close(), warm.close()]);
  }
  const inMemory = opened.engine === "memory";
  const room = RoomWatch.of(opened, { dataDir, minFreeBytes, lookEveryMs, platform });
  const history = bankHistory(replica, { dataDir, inMemory, start, platform, room });
  const beside = [...(room === undefined ? [] : [room]), ...(anchor === undefined ? [] : [anchor])];
  try {
    // What waits for copies that count is not committed: the anchor learns of it when it is.
    if (!replica.isAwaitingCopies) await writeAnchor(anchor, replica);
    const isLeased = store.lease !== undefined;
    const lossCheck = new LossCheck({ replica, store, platform, log });
    const twins = new TwinWatch(platform, log);
    const guard = new EpochGuard({
      replica,
      file: superseded,
      platform,
      onStopped: (newer) => {
        // It has given the store back: what is left of it is of no use to anybody, and the process may wait for its turn again.
        if (isLeased && superseded !== undefined) fatal(superseded.errorOf(newer));
      },
    });
    const serving = await listen({ replica, history, store, lossCheck, guard, copyId, twins, platform, log }, options);
    announce(replica, options, serving.url, log);
    return running(replica, serving, [history, replica, ...beside]);
  } catch (error) {
    for (const part of [history, replica, ...beside]) await part.close();
    throw error;
  }
}

/** Tells the other servers of the store, and by them their customers, where this one is. */
function announce(replica: BankReplica, options: BankServerOptions, listening: string, log: Log): void {
  const { advertise = listening } = options;
  const { hostname } = new URL(advertise);
  if (replica.isLeased && isEveryAddress(hostname))
    log.warn(
      "the servers that wait for their turn tell everybody to ask here, where nobody can connect to: say --advertise",
      {
        url: advertise,
      },
    );
  replica.announce(advertise);
}

/** @param parts closed in this order once nothing is served any more. */
function running(
  replica: BankReplica,
  serving: Serving,
  parts: readonly { readonly close: () => Promise<void> }[],
): RunningBank {
  let closing: Promise<void> | undefined;
  const close = async () => {
    // While the streams are open: without those that count nothing more could be answered.
    if (replica.ledger.durability.copies > 0) await replica.drain();
    await serving.close();
    for (const part of parts) await part.close();
  };
  return {
    url: serving.url,
    port: serving.port,
    bankId: replica.bankId,
    recovered: replica.recovered,
    replica,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

interface BankParts {
  readonly replica: BankReplica;
  readonly history: History;
  readonly store: JournalStore;
  readonly lossCheck: LossCheck;
  readonly guard: EpochGuard;
  readonly copyId: Uint8Array;
  readonly twins: TwinWatch;
  readonly platform: Platform;
  readonly log: Log;
}

function listen(parts: BankParts, options: BankServerOptions): Promise<Serving> {
  const { replica, history, guard, copyId, platform, log } = parts;
  let url = "";
  const starting = serve({
    host: options.host ?? "127.0.0.1",
    port: options.port ?? 0,
    quickUnary: options.quickUnary ?? true,
    routes: (router, ending) => {
      const teller = new BankTeller({ bank: replica, history, url: () => url, copyId, platform });
      const source = bankSource(parts);
      tellerServices(router, teller, ending);
      router.service(
        JournalService,
        journalService(() => source, ending),
      );
      router.service(ReplicationService, replicationService(replica, teller), { readMaxBytes: SUBMIT_BYTES_MAX });
    },
    interceptors: [
      epochInterceptor(
        () => replica.bankId,
        (epoch) => guard.hear(epoch),
      ),
    ],
    codecs: [movementsCodec, ...plainCodecs],
    reportIncident: ({ id, method, error }) =>
      log.error("request failed", { incident: id, method, problem: detail(error) }),
    reportUnsent: ({ method, error }) => log.info("answer could not be sent", { method, problem: errorText(error) }),
  });
  return starting.then((serving) => {
    url = options.advertise ?? serving.url;
    return serving;
  });
}

function bankSource({ replica, store, lossCheck, copyId, twins }: BankParts): JournalSource {
  return {
    bankId: replica.bankId,
    copyId,
    hosted: "0",
    isBank: true,
    feed: replica.feed,
    store,
    get rootPosition() {
      return replica.ledger.root?.position;
    },
    passOnSnapshot: undefined,
    get formatLevel() {
      return replica.ledger.formatLevel;
    },
    get epochs() {
      return replica.ledger.epochs;
    },
    head: async (at) => {
      // Whoever asks relies on it that nothing newer is committed: a bank that failed cannot know that. One that waits for
      // copies to have the record of its epoch can only be followed, and must be.
      if (!replica.isAwaitingCopies) await replica.confirmHold();
      return replica.head(at);
    },
    confirmEnd: () => replica.confirmStore(),
    probe: (members, signal) => replica.probe(members, signal),
    report: (members) => replica.hear(members),
    wantsEcho: (follower) => replica.members.wantsEcho(follower),
    reportDivergence: (follower) => lossCheck.start(follower),
    hear: (asker) => twins.hear(asker),
  };
}

async function writeAnchor(anchor: AnchorFile | undefined, replica: BankReplica): Promise<void> {
  const { position, chainHash, epochId } = await replica.head(0);
  if (chainHash === undefined || epochId === undefined) throw new Error("a bank that serves has an epoch");
  anchor?.update({ bankId: replica.bankId, epochId, position, chainHash });
}

/** One line for the log of a start. */
export function describeRecovery(recovered: Recovered, bankId: Uint8Array): string {
  const { snapshotPosition, warmPosition, replayedRecords, elapsedMs } = recovered;
  const stored = snapshotPosition === 0 ? "no snapshot" : `the snapshot at ${snapshotPosition}`;
  const snapshot = warmPosition === undefined ? stored : `what it had at ${warmPosition} while it waited`;
  return (
    `bank ${toHex(bankId).slice(0, 8)} recovered to position ${(warmPosition ?? snapshotPosition) + replayedRecords} in ${elapsedMs.toFixed(0)} ms: ` +
    `${snapshot} and ${replayedRecords} records behind it`
  );
}

function detail(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
