import { bytesEqual, type EpochEntry, type Position, RefusalError, toHex } from "@bank/core";
import {
  type FollowRequest,
  type FollowResponse,
  FollowResponseSchema,
  GetPositionResponseSchema,
  type JournalService,
  ProbeResponseSchema,
} from "@bank/proto";
import type { JournalFeed, JournalHead, MemberReport, ReadIndex } from "@bank/replica";
import { connectErrorFromRefusal, LOSS_ACCEPTED_HEADER } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { lossWasGivenUp, newestAcceptance } from "../given-up.ts";
import { reportFrom } from "../member-messages.ts";

/** A journal that can be followed: the bank's, or a branch's own copy. */
export interface JournalSource {
  /** Throws: `RefusalError` NOT_READY for a branch that has never reached its bank. */
  readonly bankId: Uint8Array;
  /** 16 random bytes: the same for all that one server hosts. */
  readonly copyId: Uint8Array;
  readonly epochs: readonly EpochEntry[];
  readonly feed: JournalFeed;
  /** What followers may show. */
  readonly committedPosition: Position;
  head(at: Position): Promise<JournalHead>;
  /** The read index, as it stood after this call; takes note of what followers say of themselves. */
  probe(members: readonly MemberReport[], signal: AbortSignal): Promise<ReadIndex>;
  /** A follower of this very bank has what this journal lacks. */
  reportDivergence(follower: string): void;
}

/**
 * Streams a journal, and tells how far it goes.
 *
 * @param ending aborts when the server closes; streams end then.
 */
export function journalService(
  source: () => JournalSource,
  ending: AbortSignal,
): Partial<ServiceImpl<typeof JournalService>> {
  return {
    async *follow(request, context) {
      const journal = source();
      await checkFollower(journal, request);
      yield create(FollowResponseSchema, {
        bankId: journal.bankId,
        committedPosition: BigInt(journal.committedPosition),
      });
      yield* batches(journal, Number(request.afterPosition), AbortSignal.any([context.signal, ending]));
    },

    getPosition: async ({ atPosition }) => {
      const journal = source();
      const acceptedLoss = newestAcceptance(journal.epochs);
      const { position, chainHash, epochId } = await journal.head(Number(atPosition));
      return create(GetPositionResponseSchema, {
        bankId: journal.bankId,
        copyId: journal.copyId,
        position: BigInt(position),
        ...(acceptedLoss === undefined ? {} : { acceptedLoss }),
        ...(chainHash === undefined ? {} : { chainHash }),
        ...(epochId === undefined ? {} : { epochId }),
      });
    },

    probe: async ({ members }, context) => {
      const journal = source();
      const index = await journal.probe(members.map(reportFrom), context.signal);
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

async function* batches(journal: JournalSource, after: Position, signal: AbortSignal): AsyncGenerator<FollowResponse> {
  try {
    for await (const { frame, chainHash } of journal.feed.follow(after, signal))
      yield create(FollowResponseSchema, { frame, chainHash, committedPosition: BigInt(journal.committedPosition) });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new ConnectError("the stream ends: the server is shutting down or the follower left", Code.Unavailable);
  }
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
  try {
    await journal.feed.checkPrefix({ position, chainHash });
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    const refused = connectErrorFromRefusal(error);
    if (lossWasGivenUp(journal.epochs, { position, epochId, acceptedLoss }))
      refused.metadata.set(LOSS_ACCEPTED_HEADER, "true");
    else journal.reportDivergence(follower === "" ? "a follower" : follower);
    throw refused;
  }
}
