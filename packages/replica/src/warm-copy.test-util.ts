import { LocalLink, ManualPlatform } from "@bank/testkit";
import { onTestFinished } from "vitest";
import type { OpenedBank } from "./bank-replica.test-util.ts";
import type { FollowedBatch } from "./follower.ts";
import type { SeedCosts, SnapshotPart } from "./seed.ts";
import { WarmCopy, type WarmSource } from "./warm-copy.ts";

/** A bank in this process as the leader of a standby, over a link that a test breaks and through which it may change what comes. */
export class LocalLeader implements WarmSource {
  readonly url: string;
  readonly link: LocalLink;
  /** How often a snapshot was begun. */
  snapshots = 0;
  /** What it tells of how far it is fails with this. */
  failure: Error | undefined;
  change: (message: FollowedBatch) => FollowedBatch = (message) => message;
  changePage: (page: Uint8Array) => Uint8Array | Promise<Uint8Array> = (page) => page;
  private readonly opened: OpenedBank;

  constructor(opened: OpenedBank, url = "http://the-leader:1") {
    this.opened = opened;
    this.url = url;
    this.link = new LocalLink(opened.bank);
  }

  async head(): ReturnType<WarmSource["head"]> {
    if (this.failure !== undefined) throw this.failure;
    const { bankId, committedPosition: target } = this.opened.bank;
    return { bankId, target };
  }

  async *fetchSnapshot(): AsyncGenerator<SnapshotPart, void, undefined> {
    const { bank, disk } = this.opened;
    const snapshot = disk.snapshots.find(({ position }) => position === bank.ledger.root?.position);
    if (snapshot === undefined) throw new Error(WITHOUT_SNAPSHOT);
    this.snapshots++;
    yield { kind: "header", header: snapshot.header };
    for (const page of snapshot.pages) yield { kind: "page", page: await this.changePage(page) };
  }

  async *openJournal(...asked: Parameters<WarmSource["openJournal"]>): AsyncGenerator<FollowedBatch> {
    for await (const message of this.link.openJournal(...asked)) yield this.change(message);
  }
}

const WITHOUT_SNAPSHOT = "there is no snapshot";

/** A standby that follows this leader. Whoever asks for no snapshot gets none. */
export function startCopy(leader: WarmSource | undefined, costs?: SeedCosts) {
  const platform = new ManualPlatform();
  const given: number[] = [];
  const copy = new WarmCopy({
    platform,
    costs,
    judge: {
      isDivergence: new LocalLink().isDivergence,
      isGivenUp: (error) => error instanceof GivenUpError,
      isWithoutSnapshot: (error) => error instanceof Error && error.message === WITHOUT_SNAPSHOT,
    },
    onBegun: (position) => given.push(position),
  });
  if (leader !== undefined) copy.follow(leader);
  onTestFinished(async () => {
    await copy.end();
  });
  /** Every log line that tells of trouble. */
  const troubles = () => platform.log.lines.filter(({ level }) => level !== "info").map(({ event }) => event);
  return { copy, platform, begun: given, troubles };
}

/** An operator has given up what the standby has more. */
export class GivenUpError extends Error {
  override readonly name = "GivenUpError";
}
