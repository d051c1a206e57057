import { type BranchNumber, BranchState, FORMAT_LEVEL_MAX, type Ledger, toHex } from "@bank/core";
import { type Branch, BranchSchema, type ReplicaStatus, ReplicaStatusSchema } from "@bank/proto";
import { timestampMessage } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import type { FollowingCopy, OwnStatus, Teller } from "../teller.ts";

/** What a server knows of branches at one moment: of itself, and of those that follow it. */
export class BranchOverview {
  private readonly teller: Pick<Teller, "hosted" | "bankUrl">;
  private readonly own: OwnStatus;
  private readonly followers: readonly FollowingCopy[];

  constructor(teller: Pick<Teller, "hosted" | "bankUrl" | "status" | "followers">) {
    this.teller = teller;
    this.own = teller.status();
    this.followers = teller.followers();
  }

  /** A branch that the ledger knows, or the head office. */
  branch(ledger: Ledger, number: BranchNumber): Branch {
    const known = ledger.branches.get(number);
    const { name, address, state } = known ?? {
      name: "head office",
      address: this.teller.bankUrl,
      state: BranchState.ACTIVE,
    };
    const status = this.status(ledger, number);
    return create(BranchSchema, { number, name, address, state, ...(status === undefined ? {} : { status }) });
  }

  private status(ledger: Ledger, number: BranchNumber): ReplicaStatus | undefined {
    if (this.teller.hosted.has(number)) return this.ownStatus(ledger);
    // Where a branch is served by two copies for a moment, by an old process and a new one, the newer is of interest.
    const copies = this.followers.filter(({ report }) => report.branches.includes(number));
    const [newest] = copies.sort((a, b) => b.connectedSinceMs - a.connectedSinceMs);
    return newest && this.statusOf(newest);
  }

  private ownStatus(ledger: Ledger): ReplicaStatus {
    const { durablePosition, connected, historyPosition, newestPosition, stalenessMs, copyId, followers, upstream } =
      this.own;
    return create(ReplicaStatusSchema, {
      appliedPosition: BigInt(ledger.position),
      durablePosition: BigInt(durablePosition),
      digest: toHex(ledger.digestBytes()),
      connected,
      lagPositions: BigInt(Math.max(0, newestPosition - ledger.position)),
      ...(historyPosition === undefined ? {} : { historyPosition: BigInt(historyPosition) }),
      ...(stalenessMs === undefined ? {} : { stalenessMs: BigInt(Math.ceil(stalenessMs)) }),
      followers,
      formatLevel: FORMAT_LEVEL_MAX,
      copyId: toHex(copyId),
      upstream,
    });
  }

  /** As it stood when it was heard of last. Since then it can only have become newer, and what it says of its age older. */
  private statusOf({ report, ageMs, connectedSinceMs }: FollowingCopy): ReplicaStatus {
    const { appliedPosition, durablePosition, digest, historyPosition, stalenessMs, joined } = report;
    const { follows, followers, formatLevel, copyId, upstream } = report;
    return create(ReplicaStatusSchema, {
      appliedPosition: BigInt(appliedPosition),
      durablePosition: BigInt(durablePosition),
      digest: toHex(digest),
      connected: joined,
      lagPositions: BigInt(Math.max(0, this.own.newestPosition - appliedPosition)),
      ...(historyPosition === undefined ? {} : { historyPosition: BigInt(historyPosition) }),
      ...(stalenessMs === undefined ? {} : { stalenessMs: BigInt(Math.ceil(stalenessMs + ageMs)) }),
      follows,
      followers,
      connectedSince: timestampMessage(connectedSinceMs),
      formatLevel,
      copyId: toHex(copyId),
      upstream,
    });
  }
}
