import { type BranchNumber, type Ledger, type Position, RefusalError, type Session } from "@bank/core";
import type { CommandOutcome, ForwardedCommand } from "@bank/proto";
import type { BranchReplica, Consistency, ReadResult } from "@bank/replica";
import { type CommandCase, forwardedCommand } from "@bank/rpc";
import type { ForwardedOutcome } from "./bank-link.ts";
import type { Teller } from "./teller.ts";

export type Branch = BranchReplica<ForwardedCommand, ForwardedOutcome>;

/** What the branches that one replica hosts have in common. */
export interface BranchHost {
  readonly bankUrl: string;
  readonly hosted: ReadonlySet<BranchNumber>;
  /** The replica of the moment: another one after the journal was put aside. */
  replica(): Branch;
  /** Resolves once the bank knows these branches, so that commands can be booked here. */
  whenRegistered(signal: AbortSignal): Promise<void>;
}

/** Serves customers at one branch. */
export class BranchTeller implements Teller {
  readonly branch: BranchNumber;
  private readonly host: BranchHost;

  constructor(branch: BranchNumber, host: BranchHost) {
    this.branch = branch;
    this.host = host;
  }

  get bankUrl(): string {
    return this.host.bankUrl;
  }

  get hosted(): ReadonlySet<BranchNumber> {
    return this.host.hosted;
  }

  get bankId(): Uint8Array {
    const { bankId } = this.host.replica();
    if (bankId === undefined)
      throw new RefusalError("NOT_READY", { problem: "this branch has never reached its bank" });
    return bankId;
  }

  async execute(
    commands: readonly CommandCase[],
    call: { readonly signal: AbortSignal; readonly session: string },
  ): Promise<readonly CommandOutcome[]> {
    await this.host.whenRegistered(call.signal);
    const forwarded = commands.map((command) => forwardedCommand(this.branch, command, call.session));
    const results = await this.host.replica().submit(forwarded, call.signal);
    return results.map(({ outcome }) => outcome);
  }

  read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal: AbortSignal): Promise<ReadResult<T>> {
    return this.host.replica().read(consistency, query, signal);
  }

  sessionAt(position: Position): Session | undefined {
    return this.host.replica().sessionAt(position);
  }

  currency(): { readonly durablePosition: Position; readonly connected: boolean } {
    const replica = this.host.replica();
    return { durablePosition: replica.savedPosition, connected: replica.state === "following" };
  }
}
