import { bytesEqual } from "@bank/core";
import { decodeSession, type EpochTold } from "@bank/rpc";

/**
 * The highest epoch that an answer has named, and whose it is. Told with every call, so that a bank that was replaced while
 * it was away learns of it, and stops. Shared by all clients of a `connectBank`.
 */
export class EpochMemory {
  private highest: EpochTold | undefined;

  get known(): EpochTold | undefined {
    return this.highest;
  }

  /** Takes note of an answer. `session` is its token, which names the bank. Throws: `RefusalError` for one that is none. */
  observe({ epoch, session }: { readonly epoch: bigint; readonly session: string }): void {
    if (session === "" || epoch === 0n || epoch > BigInt(Number.MAX_SAFE_INTEGER)) return;
    const { bankId } = decodeSession(session);
    const isNewer = this.highest === undefined || Number(epoch) > this.highest.epoch;
    // Whoever talks to another bank now has nothing to tell to the one before.
    const isOther = this.highest?.bankId !== undefined && !bytesEqual(this.highest.bankId, bankId);
    if (isNewer || isOther) this.highest = { epoch: Number(epoch), bankId };
  }
}
