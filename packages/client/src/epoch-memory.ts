import { toHex } from "@bank/core";
import { decodeSession } from "@bank/rpc";
import type { Server } from "./connections.ts";

/**
 * The highest epoch of a bank that an answer has named, and which servers are of that bank. Told with every call, so that a
 * bank that was replaced while it was away learns of it and stops: for good, and therefore never told to a server that has
 * not shown yet that it is of the same bank. Shared by all clients of a `connectBank`.
 */
export class EpochMemory {
  private readonly highest = new Map<string, number>();
  private readonly banks = new Map<Server, string>();

  /** What to tell the server; undefined for nothing. */
  knownTo(server: Server): number | undefined {
    const bank = this.banks.get(server);
    return bank === undefined ? undefined : this.highest.get(bank);
  }

  /** Takes note of an answer. `session` is its token, which names the bank. Throws: `RefusalError` for one that is none. */
  observe(server: Server, { epoch, session }: { readonly epoch: bigint; readonly session: string }): void {
    if (session === "" || epoch === 0n || epoch > BigInt(Number.MAX_SAFE_INTEGER)) return;
    const number = Number(epoch);
    const known = this.knownTo(server);
    // The usual case, without reading the token again.
    if (known !== undefined && known >= number) return;
    const bank = toHex(decodeSession(session).bankId);
    this.banks.set(server, bank);
    this.highest.set(bank, Math.max(this.highest.get(bank) ?? 0, number));
  }
}
