import { bytesEqual, type EpochEntry, type Position, RefusalError, toHex } from "@bank/core";
import {
  type FollowRequest,
  type FollowResponse,
  FollowResponseSchema,
  GetPositionResponseSchema,
  type JournalService,
  type MemberReport as MemberReportMessage,
  ProbeResponseSchema,
} from "@bank/proto";
import { type JournalHead, type MemberReport, notHereYet, type ReadIndex } from "@bank/replica";
import { connectErrorFromRefusal, LOSS_ACCEPTED_HEADER } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { reasonOf } from "../bank-link.ts";
import { indexOfEpoch, lossWasGivenUp, newestAcceptance } from "../given-up.ts";
import { reportFrom } from "../member-messages.ts";
import { pastBatches, type ServedJournal, snapshotParts } from "./journal-parts.ts";

/** A journal that can be followed: the bank's, or a branch's own copy. */
export interface JournalSource extends ServedJournal {
  /** 16 bytes: the same for all that one server hosts. */
  readonly copyId: Uint8Array;
  /** The branches that the server hosts, for people: "1, 2"; "0" for the bank. */
  readonly hosted: string;
  /** Whether nothing can be committed beyond this journal: a branch may simply be behind one that follows it. */
  readonly isBank: boolean;
  /** The level of the journal's format. */
  readonly formatLevel: number;
  readonly epochs: readonly EpochEntry[];
  head(at: Position): Promise<JournalHead>;
  /** Resolves where a journal that does not go on from this one is another one: of a bank, once it is sure that it is the bank still. */
  confirmEnd(): Promise<void>;
  /** The read index, as it stood after this call; takes note of what followers say of themselves. */
  probe(members: readonly MemberReport[], signal: AbortSignal): Promise<ReadIndex>;
  /** Whether a follower of this copy is to be told of each echo. */
  wantsEcho(copyId: Uint8Array): boolean;
  /** Takes note of what followers say of themselves, also while no question is answered. */
  report(members: readonly MemberReport[]): void;
  /** A follower of this very bank has what this journal lacks. */
  reportDivergence(follower: string): void;
  /** A follower speaks of itself. */
  hear(asker: Pick<MemberReportMessage, "copyId" | "run" | "branches">): void;
}

/** What a follower understands that does not say so: the newest level of the last release that did not ask. */
const UNSAID_FORMAT_LEVEL = 2;

/**
 * Streams a journal, and tells how far it goes.
 *
 * @param ending aborts when the server closes; streams end then.
 * @param self which copy it is, also while it has no journal yet: one that was told to follow itself never gets any.
 */
export function journalService(
  source: () => JournalSource,
  ending: AbortSignal,
  self?: { readonly copyId: Uint8Array; readonly hostedText: string },
): Partial<ServiceImpl<typeof JournalService>> {
  return {
    async *follow(request, context) {
      const journal = source();
      checkPath(journal, [request]);
      await checkFollower(journal, request).catch(refuseGap);
      checkLevel(journal, request);
      yield* messages(journal, request, AbortSignal.any([context.signal, ending]));
    },

    getPosition: async ({ atPosition }) => {
      const journal = source();
      const acceptedLoss = newestAcceptance(journal.epochs);
      const { position, chainHash, epochId } = await journal.head(Number(atPosition)).catch(refuseGap);
      return create(GetPositionResponseSchema, {
        bankId: journal.bankId,
        copyId: journal.copyId,
        position: BigInt(position),
        isBank: journal.isBank,
        newestEpoch: BigInt(journal.epochs.at(-1)?.number ?? 0),
        ...(acceptedLoss === undefined ? {} : { acceptedLoss }),
        ...(chainHash === undefined ? {} : { chainHash }),
        ...(epochId === undefined ? {} : { epochId }),
      });
    },

    async *fetchSnapshot(request, context) {
      yield* snapshotParts(source(), request, AbortSignal.any([context.signal, ending]));
    },

    async *fetchBatches(request, context) {
      try {
        yield* pastBatches(source(), request, AbortSignal.any([context.signal, ending]));
      } catch (error) {
        refuseGap(error);
      }
    },

    probe: async ({ members, reportsOnly }, context) => {
      if (self !== undefined) checkPath({ copyId: self.copyId, hosted: self.hostedText }, members);
      const journal = source();
      checkPath(journal, members);
      const [asker] = members;
      if (asker !== undefined) journal.hear(asker);
      if (reportsOnly) {
        journal.report(members.map(reportFrom));
        return create(ProbeResponseSchema, { bankId: journal.bankId });
      }
      const index = await journal.probe(members.map(reportFrom), context.signal).catch((error: unknown) => {
        throw loopBehind(error) ?? error;
      });
      const { position, epochId, epoch, connectedMs } = index;
      return create(ProbeResponseSchema, {
        bankId: journal.bankId,
        position: BigInt(position),
        epochId,
        epoch: BigInt(epoch),
        connectedMs,
      });
    },
  };
}

async function* messages(
  journal: JournalSource,
  { afterPosition, copyId }: FollowRequest,
  signal: AbortSignal,
): AsyncGenerator<FollowResponse> {
  const after = Number(afterPosition);
  const wantsEcho = () => journal.wantsEcho(copyId);
  let isFirst = true;
  try {
    for await (const { batch, committedPosition, reportPosition, echo } of journal.feed.messages(
      after,
      signal,
      wantsEcho,
    )) {
      yield create(FollowResponseSchema, {
        committedPosition: BigInt(committedPosition),
        reportPosition: BigInt(reportPosition),
        echo: BigInt(echo),
        ...(isFirst ? { bankId: journal.bankId } : {}),
        ...(batch === undefined ? {} : { frame: batch.frame, chainHash: batch.chainHash }),
      });
      isFirst = false;
    }
  } catch (error) {
    if (!signal.aborted) refuseGap(error);
    throw new ConnectError("the stream ends: the server is shutting down or the follower left", Code.Unavailable);
  }
}

/** What lies in the journal's gap is not here yet. */
function refuseGap(error: unknown): never {
  throw notHereYet(error);
}

/** Who finds itself among those that follow it would follow itself. */
function checkPath(
  { copyId, hosted }: Pick<JournalSource, "copyId" | "hosted">,
  members: readonly { readonly copyId: Uint8Array }[],
): void {
  if (!members.some((member) => bytesEqual(member.copyId, copyId))) return;
  const path = members.flatMap((member) => ("branches" in member ? [`branch ${member.branches}`] : []));
  throw new RefusalError("FOLLOW_LOOP", { branch: hosted, path: path.length === 0 ? "nobody else" : path.join(", ") });
}

/** The loop that a server further up has found, as it told it. */
function loopBehind(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (reasonOf(cause) === "FOLLOW_LOOP") return cause;
  return undefined;
}

/** What it does not understand must not reach it: it would have to stop in the middle. */
function checkLevel({ formatLevel: level, isBank }: JournalSource, request: FollowRequest): void {
  // It would ask for the position of this copy, and take that for the bank's.
  if (!isBank && request.formatLevel === 0)
    throw new RefusalError("INVALID_REQUEST", {
      problem:
        "a follower of an older release, which does not say which format level it understands, can follow only the bank itself",
    });
  const known = request.formatLevel === 0 ? UNSAID_FORMAT_LEVEL : request.formatLevel;
  if (known >= level) return;
  const follower = request.follower === "" ? "the follower" : request.follower;
  throw new RefusalError("FORMAT_LEVEL_UNKNOWN", { follower, known: String(known), level: String(level) });
}

async function checkFollower(journal: JournalSource, request: FollowRequest): Promise<void> {
  const { bankId, chainHash, epochId, acceptedLoss, follower } = request;
  const position = Number(request.afterPosition);
  if (position > 0 && (bankId.length !== 16 || chainHash.length !== 32 || epochId.length !== 16))
    throw new RefusalError("INVALID_REQUEST", {
      problem: "behind a position, bank_id and epoch_id have 16 bytes and chain_hash has 32",
    });
  if (bankId.length > 0 && !bytesEqual(bankId, journal.bankId))
    throw new RefusalError("JOURNAL_DIVERGED", {
      problem: `it is of bank ${toHex(bankId)}, and this is bank ${toHex(journal.bankId)}`,
    });
  const isGivenUp = () => lossWasGivenUp(journal.epochs, { position, epochId, acceptedLoss });
  if (
    !journal.isBank &&
    position > journal.feed.committedPosition &&
    isAhead(journal, position, epochId) &&
    !isGivenUp()
  )
    throw new RefusalError("NOT_READY", {
      problem: `it is at position ${journal.feed.committedPosition}, and ${follower || "the follower"} at ${position}: it must catch up first`,
    });
  try {
    await journal.feed.checkPrefix({ position, chainHash });
  } catch (error) {
    if (!(error instanceof RefusalError) || error.refusal.reason !== "JOURNAL_DIVERGED") throw error;
    await journal.confirmEnd();
    const refused = connectErrorFromRefusal(error);
    if (isGivenUp()) refused.metadata.set(LOSS_ACCEPTED_HEADER, "true");
    else journal.reportDivergence(follower === "" ? "a follower" : follower);
    throw refused;
  }
}

/** Whether a follower beyond the end may have more of the same journal: it is of the newest epoch here, or of a later one. */
function isAhead({ epochs }: JournalSource, position: Position, epochId: Uint8Array): boolean {
  const next = epochs[indexOfEpoch(epochs, epochId) + 1];
  return indexOfEpoch(epochs, epochId) === -1 || next === undefined || position < next.firstPosition;
}
