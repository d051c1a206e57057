import { bytesEqual, type EpochEntry, type Position } from "@bank/core";
import { decodeHeader, genesisHash, nextHash, type Replay } from "@bank/journal";
import type { OpenJournal, Platform, SeedFrom, WarmCopyOptions, WarmSource } from "@bank/replica";
import type { ReadLimits, StoredBatch, StoreHead } from "@bank/store";
import { RemoteJournal, reasonOf } from "./bank-link.ts";
import { newestAcceptance } from "./given-up.ts";

/** A leader that does not say by then how far it is does not lead. It asks its store first. */
const HEAD_TIMEOUT_MS = 5_000;
const NOTHING = new Uint8Array(0);

/** What the errors of a leader's journal say. */
export const judgeLeader: WarmCopyOptions["judge"] = {
  isDivergence: (error) => reasonOf(error) === "JOURNAL_DIVERGED",
  isGivenUp: RemoteJournal.isAcceptedLoss,
  isWithoutSnapshot: RemoteJournal.isWithoutSnapshot,
};

/** The leader's journal as a server follows it that waits for its turn. */
export class LeaderJournal implements WarmSource {
  readonly url: string;
  readonly openJournal: OpenJournal;
  private readonly remote: RemoteJournal;
  private readonly platform: Platform;
  private readonly epochs: () => readonly EpochEntry[];
  private lastRead: StoreHead | undefined;

  /** @param own the state of who follows; undefined for none yet. */
  constructor(url: string, follower: string, { platform, own }: { platform: Platform; own: () => Replay | undefined }) {
    this.url = url;
    this.platform = platform;
    this.epochs = () => own()?.ledger.epochs ?? [];
    this.remote = new RemoteJournal(url, follower, {
      acceptedLoss: () => newestAcceptance(this.epochs()),
      // It is no copy that anybody may count on.
      copyId: () => NOTHING,
      bankId: () => own()?.bankId,
      // Who leads is for the store to say.
      epoch: () => undefined,
    });
    this.openJournal = this.remote.openJournal;
  }

  /**
   * Rejects where it is not the leader: a branch is not followed, nor a server that waits itself, nor one that led before and has not
   * heard of its end.
   */
  async head(_from: Parameters<OpenJournal>[0], signal: AbortSignal): Promise<Pick<SeedFrom, "bankId" | "target">> {
    const within = AbortSignal.any([signal, this.platform.timeout(HEAD_TIMEOUT_MS)]);
    const { bankId, position, isBank, newestEpoch } = await this.remote.head(within);
    if (!isBank) throw new Error(`${this.url} is a branch, and only the leader is followed`);
    const own = this.epochs().at(-1)?.number ?? 0;
    if (newestEpoch < own) throw new Error(`${this.url} is of epoch ${newestEpoch}, and epoch ${own} has begun`);
    return { bankId, target: position };
  }

  fetchSnapshot(...asked: Parameters<RemoteJournal["fetchSnapshot"]>): ReturnType<RemoteJournal["fetchSnapshot"]> {
    return this.remote.fetchSnapshot(...asked);
  }

  /** The chain hash at a position of its journal; undefined where no batch ends. */
  chainHashAt(position: Position): Promise<Uint8Array | undefined> {
    return this.remote.chainHashAt(position, this.platform.timeout(HEAD_TIMEOUT_MS));
  }

  /**
   * Committed batches behind a position, up to another, as many as are to be read at once; each continues the one before. What leads
   * to the first is known where that was read last.
   */
  async read(
    bankId: Uint8Array,
    { after, last }: { readonly after: Position; readonly last: Position },
    { maxBytes = Number.POSITIVE_INFINITY }: ReadLimits,
  ): Promise<readonly StoredBatch[]> {
    const { sha256 } = this.platform;
    const stopped = new AbortController();
    const batches: StoredBatch[] = [];
    let end = await this.endAt(bankId, after);
    let bytes = 0;
    try {
      for await (const { frame, chainHash } of this.remote.fetchBatches(bankId, after, last, stopped.signal)) {
        const { firstPosition, count } = decodeHeader(frame);
        if (firstPosition !== end.position + 1 || !bytesEqual(nextHash(sha256, end.chainHash, frame), chainHash))
          throw new Error(`${this.url} gives a batch at ${firstPosition} that does not continue its journal`);
        const lastPosition = firstPosition + count - 1;
        batches.push({ firstPosition, lastPosition, frame, previousHash: end.chainHash, chainHash });
        end = { position: lastPosition, chainHash };
        bytes += frame.length;
        if (bytes >= maxBytes) break;
      }
    } finally {
      stopped.abort(new Error("that is enough"));
    }
    this.lastRead = end;
    return batches;
  }

  close(): void {
    this.remote.close();
  }

  private async endAt(bankId: Uint8Array, position: Position): Promise<StoreHead> {
    if (position === 0) return { position, chainHash: genesisHash(this.platform.sha256, bankId) };
    if (this.lastRead?.position === position) return this.lastRead;
    const chainHash = await this.chainHashAt(position);
    if (chainHash === undefined) throw new Error(`no batch of ${this.url} ends at position ${position}`);
    return { position, chainHash };
  }
}
