import { bytesEqual, isPlausibleEpoch, RefusalError, toHex } from "@bank/core";
import { type JournalService, PromiseEpochResponseSchema } from "@bank/proto";
import type { SavedEnd } from "@bank/replica";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { EpochPromises } from "../epoch-promise.ts";

/** A copy that can promise. */
export interface PromisingCopy {
  /** Throws: `RefusalError` NOT_READY for a copy of no bank. */
  readonly bankId: Uint8Array;
  /** 16 bytes. */
  readonly copyId: Uint8Array;
  readonly branches: Iterable<number>;
  readonly promises: EpochPromises;
  /** Number of the newest epoch in its journal. */
  readonly epoch: number;
  /** The end of what is on its disk. */
  lastSaved(): Promise<SavedEnd>;
  /** A promise was given: whatever comes from a bank of an older epoch ends. */
  onPromised(): void;
}

/** Answers who wants to begin an epoch. */
export function promiseService(copyOf: () => PromisingCopy): Pick<ServiceImpl<typeof JournalService>, "promiseEpoch"> {
  return {
    promiseEpoch: async (request) => {
      const copy = copyOf();
      const { promises, copyId, branches } = copy;
      if (!bytesEqual(request.bankId, copy.bankId))
        throw new RefusalError("INVALID_REQUEST", {
          problem: `it is asked for bank ${toHex(request.bankId)}, and this is a branch of bank ${toHex(copy.bankId)}`,
        });
      const epoch = Number(request.epoch);
      const known = Math.max(copy.epoch, promises.epoch);
      if (!isPlausibleEpoch(epoch, known))
        throw new RefusalError("INVALID_REQUEST", {
          problem: `there can be no epoch ${epoch}: the newest is ${known}`,
        });
      const promised = epoch > copy.epoch && promises.give({ epoch, candidate: request.candidate });
      if (promised) copy.onPromised();
      // Behind the promise: what is on disk now is all that a bank of an older epoch was ever told of, or will be, for what
      // this copy tells from now on names the newer epoch.
      const end = await copy.lastSaved();
      return create(PromiseEpochResponseSchema, {
        promised,
        promisedEpoch: BigInt(Math.max(copy.epoch, promises.epoch)),
        copyId,
        lastEpoch: BigInt(end.epoch),
        position: BigInt(end.position),
        ...(end.chainHash === undefined ? {} : { chainHash: end.chainHash }),
        branches: [...branches],
      });
    },
  };
}
