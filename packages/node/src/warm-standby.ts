import type { Position } from "@bank/core";
import type { Replay } from "@bank/journal";
import { type Platform, type SeedCosts, WarmCopy, type Witness } from "@bank/replica";
import { judgeLeader, LeaderJournal } from "./leader-journal.ts";
import { StandbyHistory } from "./standby-history.ts";

export interface WarmStandbyOptions {
  readonly platform: Platform;
  /** For people: who follows. */
  readonly name: string;
  /** Path of the history's file; undefined where none is kept before it is asked for. */
  readonly historyFile: string | undefined;
  /** When it begins from a snapshot of the leader. */
  readonly costs?: SeedCosts | undefined;
}

/** How far the leader's journal went by what a standby has seen. */
export interface Testimony extends Witness {
  /** 16 bytes. */
  readonly bankId: Uint8Array;
  /** Until when it was given what the leader had, monotonic, in milliseconds; `-Infinity` where it had not caught up. */
  readonly untilMs: number;
}

/**
 * What a bank server does while another one leads: it keeps the leader's state in memory, and its own history file as far as that, so
 * that little is left to be read when it has its turn. What it has is a head start and nothing else.
 */
export class WarmStandby {
  private readonly options: WarmStandbyOptions;
  private copy: WarmCopy | undefined;
  private leader: LeaderJournal | undefined;
  private history: StandbyHistory | undefined;
  private isClosed = false;
  /** Under way while a history is closed. */
  private ending: Promise<unknown> | undefined;
  private seen: Testimony | undefined;

  constructor(options: WarmStandbyOptions) {
    this.options = options;
  }

  /** How far it goes; undefined while there is nothing. */
  get position(): Position | undefined {
    return this.copy?.position;
  }

  /** How far its history file goes; undefined while there is none. */
  get historyPosition(): Position | undefined {
    return this.history?.position;
  }

  /** The farthest that it has handed over. Where the store has it not, the store has lost it. */
  get testimony(): Testimony | undefined {
    return this.seen;
  }

  /** Whom it follows from now on: an URL; undefined while that is not known. */
  follow(url: string | undefined): void {
    if (this.isClosed || (this.copy !== undefined && url === this.leader?.url)) return;
    this.copy ??= this.newCopy();
    const { copy } = this;
    const { platform, name } = this.options;
    const before = this.leader;
    this.leader = url === undefined ? undefined : new LeaderJournal(url, name, { platform, own: () => copy.replay });
    copy.follow(this.leader);
    before?.close();
  }

  /** Follows nobody any more, and gives what it has for the server's own turn. Following may begin anew. */
  async handOver(): Promise<Replay | undefined> {
    const { copy, history, leader } = this;
    this.copy = undefined;
    this.history = undefined;
    this.leader = undefined;
    // Nobody is kept waiting for it, but whoever opens the file next.
    this.ending = Promise.all([this.ending, history?.close()]);
    const untilMs = copy?.followedMs ?? Number.NEGATIVE_INFINITY;
    const replay = await copy?.end();
    leader?.close();
    if (replay !== undefined) this.remember(replay, untilMs);
    return replay;
  }

  /** Resolves when the history's file is given back, too. Idempotent. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.handOver();
    await this.ending;
  }

  private newCopy(): WarmCopy {
    const { platform, costs, historyFile: file } = this.options;
    const copy: WarmCopy = new WarmCopy({
      platform,
      costs,
      judge: judgeLeader,
      onBegun: (position) => {
        if (file !== undefined && this.history === undefined)
          this.history = new StandbyHistory(
            { file, platform, state: () => copy.replay, leader: () => this.leader },
            position,
          );
        else this.history?.begin(position);
      },
      onReceived: (batch) => this.history?.push(batch),
      onApplied: (position) => this.history?.commit(position),
    });
    return copy;
  }

  private remember({ ledger, bankId, chainHash }: Replay, untilMs: number): void {
    const { position } = ledger;
    const epochId = ledger.currentEpoch()?.id;
    if (epochId === undefined || position < (this.seen?.position ?? 0)) return;
    const name = "this server, which followed the leader while it waited,";
    this.seen = { name, bankId, position, chainHash: new Uint8Array(chainHash), epochId, untilMs };
  }
}
