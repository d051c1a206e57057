import {
  type BranchNumber,
  BranchState,
  bytesEqual,
  type DurabilityMember,
  type Ledger,
  type Position,
} from "@bank/core";
import { Alarm } from "./alarm.ts";
import { CONNECTED_MS, CopyTable, DROPPED_MS, type Member } from "./copy-table.ts";
import type { MemberReport, Propagation, PropagationAsked } from "./member.ts";
import type { Platform } from "./platform.ts";

export { CONNECTED_MS, DROPPED_MS, type Member } from "./copy-table.ts";

/** Copies that the bank knows at a time. */
const COPIES_MAX = 4_000;

/** Copies that count, and on how many of them a position must be. */
export type CountedSetting = Pick<Ledger["durability"], "copies" | "members">;

export interface MembersOptions {
  readonly platform: Pick<Platform, "monotonicMs" | "wallMs" | "delay">;
  readonly ledger: Ledger;
  /** Everything up to it is committed. */
  readonly committedPosition: () => Position;
  /** Which copies count, now or soon. */
  readonly settings: () => readonly CountedSetting[];
  /** A bank was here before this start: its branches may still call themselves connected, and not have come back yet. */
  readonly hadPredecessor: boolean;
  /** Somebody waits until followers have this position: they are to say so at once. 0 when nobody waits any more. */
  readonly onWanted: (position: Position) => void;
  /** Those that count are to tell this number back at once. */
  readonly onEcho: (echo: number) => void;
}

/** What somebody waits for. */
interface Wait {
  readonly isOver: () => boolean;
  readonly resolve: () => void;
  /** 0 where followers need not be told. */
  readonly position: Position;
  /** It may end because time passes: a copy that falls silent is not waited for. */
  readonly isTimed?: boolean;
}

/** The copies that follow the journal, as the bank knows them: how far they have come, and who waits for that. */
export class Members {
  private readonly options: MembersOptions;
  private readonly table: CopyTable;
  private readonly waits = new Set<Wait>();
  /** How many of them may end because time passes. */
  private timedWaits = 0;
  private readonly alarm: Alarm;
  private readonly startedMs: number;
  private echoes = 0;
  private wanted: Position = 0;
  /** What `positionOfAll` was when nothing had changed since. */
  private all: { readonly position: Position } | undefined;
  /** What the copies have on their disks, the furthest first, when nothing had changed since. */
  private durable: readonly Position[] | undefined;

  constructor(options: MembersOptions) {
    this.options = options;
    this.table = new CopyTable({ platform: options.platform, copiesMax: COPIES_MAX, branch: 0 });
    this.alarm = new Alarm(options.platform, () => this.look());
    this.startedMs = options.platform.monotonicMs();
  }

  /** Takes what followers report of themselves, the asker first. Throws: `RefusalError` NOT_READY when there are too many. */
  hear(reports: readonly MemberReport[]): void {
    try {
      this.table.hear(reports, this.options.committedPosition());
    } finally {
      this.look();
    }
  }

  /** Those that may call themselves connected, and those that are about to. */
  connected(): readonly Member[] {
    return this.table.present();
  }

  /** Every copy that is remembered, silent ones too. */
  known(): readonly Member[] {
    return [...this.table.members];
  }

  /** For how long a copy may call itself connected, from when it sent a probe that came in just now; 0 for not at all. */
  connectedMs(report: MemberReport | undefined): number {
    const member = report === undefined ? undefined : this.table.get(report.copyId);
    return member !== undefined && this.hasJoined(member) ? CONNECTED_MS : 0;
  }

  /** The connected copy that serves a branch, of several the one that has been connected for longest; undefined for none. */
  copyOf(branch: BranchNumber): Uint8Array | undefined {
    const serving = this.connected().filter(({ report }) => report.branches.includes(branch));
    return serving.sort((a, b) => a.connectedSinceMs - b.connectedSinceMs)[0]?.report.copyId;
  }

  /**
   * How far a committed position has spread, once it is as far as asked, the signal aborts, or it cannot be reached: as
   * many copies are asked for as there neither are nor are branches registered. Never rejects.
   */
  async propagated(position: Position, asked: PropagationAsked, signal: AbortSignal): Promise<Propagation> {
    const isOver = () => this.isReached(position, asked);
    if (position <= this.options.committedPosition() && !this.isBeyondReach(asked))
      await this.wait({ position, isOver, isTimed: asked.mode === "allBranches" }, signal).catch(() => {
        // The caller's time is over: it is told how far it has come.
      });
    return this.told(position, asked);
  }

  /**
   * Resolves once a position is on the disks of as many of the copies that count as each of the settings asks for.
   * Rejects with the signal's reason.
   *
   * @param isTold whether followers must be asked to say so: those that count by their own copy of the journal do it anyway.
   */
  stored(
    position: Position,
    options: { readonly settings: readonly CountedSetting[]; readonly isTold: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    const { settings, isTold, signal } = options;
    const isOver = () => settings.every((setting) => this.countedWith(setting, position) >= setting.copies);
    return this.wait({ position: isTold ? position : 0, isOver }, signal);
  }

  /** How many of the copies that count have it on their disks. */
  countedWith(setting: CountedSetting, position: Position): number {
    return this.count(setting, (member) => this.positionsOf(member.report).durable >= position);
  }

  /** How many of the copies that count are connected. */
  countedConnected(setting: CountedSetting): number {
    return this.count(setting, (member) => this.table.isPresent(member));
  }

  /** Branches, ascending, whose copies would count and do not now: they are not connected, or a bank could not go on from them. */
  countedAway(setting: CountedSetting): readonly BranchNumber[] {
    const there = new Set(this.counting(setting, (member) => this.table.isPresent(member)));
    return ascending(new Set(setting.members.filter((counted) => !there.has(counted)).map(({ branch }) => branch)));
  }

  /**
   * Resolves once as many copies as each of the settings asks for have told back a number that was sent after this call: they
   * follow this bank in this epoch, and no other. Rejects with the signal's reason.
   */
  echoed(settings: readonly CountedSetting[], signal: AbortSignal): Promise<void> {
    const echo = ++this.echoes;
    // An echo of an earlier bank is not taken for this one's: a follower forgets it with the first record of this epoch.
    const isEchoed = ({ report }: Member) => report.echo >= echo && this.isOfCurrentEpoch(report);
    const isOver = () => settings.every((setting) => this.count(setting, isEchoed) >= setting.copies);
    const echoed = this.wait({ position: 0, isOver }, signal);
    this.options.onEcho(echo);
    return echoed;
  }

  /** Whether a follower is to be told of echoes: it counts, or one that does may be behind it. */
  wantsEcho(copyId: Uint8Array): boolean {
    return this.options.settings().some(({ members }) =>
      members.some((counted) => {
        if (bytesEqual(counted.copyId, copyId)) return true;
        const member = this.table.get(counted.copyId);
        return member === undefined || member.report.follows !== 0;
      }),
    );
  }

  /**
   * The setting with the copies that branches have now, where one that counts has lost its own: it is silent, and its
   * branch is served by another copy. Undefined where none has.
   */
  replaced(setting: CountedSetting): DurabilityMember[] | undefined {
    const members = [...setting.members];
    let isReplaced = false;
    for (const [i, counted] of setting.members.entries()) {
      const member = this.table.get(counted.copyId);
      if (member !== undefined && this.table.isPresent(member)) continue;
      const present = this.connected().find(({ report }) => report.branches.includes(counted.branch));
      // A copy that is not whole yet would count for nothing.
      if (present === undefined || !canReplaceBank(present.report)) continue;
      const { copyId } = present.report;
      // Branches that lie on one copy now are one disk.
      if (members.some((other) => bytesEqual(other.copyId, copyId))) continue;
      members[i] = { branch: counted.branch, copyId };
      isReplaced = true;
    }
    return isReplaced ? members : undefined;
  }

  /** Leaves no timer behind. Who waits still waits for its signal. */
  close(): void {
    this.alarm.cancel();
  }

  private count(setting: CountedSetting, counts: (member: Member) => boolean): number {
    return this.counting(setting, counts).length;
  }

  private counting({ members }: CountedSetting, counts: (member: Member) => boolean): DurabilityMember[] {
    return members.filter(({ copyId }) => {
      const member = this.table.get(copyId);
      return member !== undefined && canReplaceBank(member.report) && counts(member);
    });
  }

  private hasJoined(member: Member): boolean {
    return member.report.joined && this.isKnownEpoch(member.report) && this.table.isPresent(member);
  }

  /**
   * What a copy has of this very journal. Where its newest epoch is an old one, it may have gone on in that one while this
   * journal did in the next; where nobody here knows it, nothing of it counts.
   */
  private positionsOf(report: MemberReport): { readonly durable: Position; readonly applied: Position } {
    const { durablePosition: durable, appliedPosition: applied } = report;
    if (this.isOfCurrentEpoch(report)) return { durable, applied };
    const { epochs } = this.options.ledger;
    const at = epochs.findIndex(({ id }) => bytesEqual(id, report.epochId));
    const next = epochs[at + 1];
    if (at < 0 || next === undefined) return { durable: 0, applied: 0 };
    const end = next.firstPosition - 1;
    return { durable: Math.min(durable, end), applied: Math.min(applied, end) };
  }

  private isOfCurrentEpoch({ epochId }: MemberReport): boolean {
    const current = this.options.ledger.currentEpoch();
    return current !== undefined && bytesEqual(current.id, epochId);
  }

  private isKnownEpoch({ epochId }: MemberReport): boolean {
    return this.options.ledger.epochs.some(({ id }) => bytesEqual(id, epochId));
  }

  private isReached(position: Position, asked: PropagationAsked): boolean {
    switch (asked.mode) {
      case "bank":
        return true;
      case "quorum":
        return this.positionOf(asked.copies) >= position;
      case "allBranches":
        return this.graceMs() === 0 && position <= this.positionOfAll();
    }
  }

  private copiesWith(position: Position): number {
    let copies = 0;
    for (const { report } of this.table.members)
      if (report.onDisk && this.positionsOf(report).durable >= position) copies++;
    return copies;
  }

  /** What so many copies have on their disks. */
  private positionOf(copies: number): Position {
    if (copies < 1) return Number.POSITIVE_INFINITY;
    this.durable ??= Array.from(this.table.members, ({ report }) =>
      report.onDisk ? this.positionsOf(report).durable : 0,
    ).sort((a, b) => b - a);
    return this.durable[copies - 1] ?? 0;
  }

  /** What every copy that may call itself connected has on its disk and shows. */
  private positionOfAll(): Position {
    if (this.all !== undefined) return this.all.position;
    let position = Number.POSITIVE_INFINITY;
    for (const member of this.awaited()) {
      const { durable, applied } = this.positionsOf(member.report);
      position = Math.min(position, durable, applied);
    }
    this.all = { position };
    return position;
  }

  /** Those that may call themselves connected, but for the branches that nobody waits for. */
  private awaited(): Member[] {
    return this.table.present().filter((member) => this.hasJoined(member) && !this.isRetired(member));
  }

  private isRetired({ report }: Member): boolean {
    const { branches } = this.options.ledger;
    return (
      report.branches.length > 0 &&
      report.branches.every((branch) => branches.get(branch)?.state === BranchState.RETIRED)
    );
  }

  /** How long branches of an earlier start may still call themselves connected without this bank having heard of them. */
  private graceMs(): number {
    if (!this.options.hadPredecessor) return 0;
    return Math.max(0, this.startedMs + DROPPED_MS - this.options.platform.monotonicMs());
  }

  private isBeyondReach(asked: PropagationAsked): boolean {
    if (asked.mode !== "quorum") return false;
    const registered = this.registered().length;
    const connected = this.table.present().length;
    return asked.copies > Math.max(registered, connected);
  }

  private registered(): readonly BranchNumber[] {
    const { ledger } = this.options;
    return ledger.branchNumbers().filter((branch) => ledger.branches.get(branch)?.state !== BranchState.RETIRED);
  }

  private told(position: Position, asked: PropagationAsked): Propagation {
    this.forget();
    const reached = new Set<BranchNumber>();
    const missing = new Set<BranchNumber>();
    for (const member of this.table.members) {
      const { durable, applied } = this.positionsOf(member.report);
      const branches = durable >= position && applied >= position ? reached : missing;
      if (branches === reached || this.table.isPresent(member))
        for (const branch of member.report.branches) branches.add(branch);
    }
    return {
      asked,
      satisfied: this.isReached(position, asked),
      copiesReached: this.copiesWith(position),
      reached: ascending(reached),
      missing: ascending(missing).filter((branch) => !reached.has(branch)),
      disconnected: this.registered().filter((branch) => !reached.has(branch) && !missing.has(branch)),
    };
  }

  private wait(options: Omit<Wait, "resolve">, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    this.forget();
    if (options.isOver()) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        this.leave(wait);
        reject(signal.reason);
      };
      const wait: Wait = {
        ...options,
        resolve: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.waits.add(wait);
      if (wait.isTimed) this.timedWaits++;
      this.want(Math.max(this.wanted, wait.position));
      // While others wait it is set already.
      if (wait.isTimed && this.timedWaits === 1) this.setAlarm();
    });
  }

  /** Something was heard, or time has passed. */
  private look(): void {
    this.forget();
    for (const wait of this.waits) {
      if (!wait.isOver()) continue;
      this.leave(wait);
      wait.resolve();
    }
    this.setAlarm();
  }

  private forget(): void {
    this.all = undefined;
    this.durable = undefined;
  }

  private leave(wait: Wait): void {
    if (this.waits.delete(wait) && wait.isTimed) this.timedWaits--;
    if (this.waits.size === 0) this.want(0);
  }

  private want(position: Position): void {
    if (position === this.wanted) return;
    this.wanted = position;
    this.options.onWanted(position);
  }

  /** A copy that falls silent is waited for no longer than it may call itself connected. */
  private setAlarm(): void {
    if (this.timedWaits === 0) return;
    const now = this.options.platform.monotonicMs();
    const ends = this.awaited().map(({ heardMs }) => heardMs + DROPPED_MS - now);
    if (this.graceMs() > 0) ends.push(this.graceMs());
    // Just behind it: at the moment itself it is still connected.
    if (ends.length > 0) this.alarm.ringWithin(Math.min(...ends) + 1);
  }
}

/** Whether a copy is one from which a bank could go on. */
export function canReplaceBank({ onDisk, whole }: MemberReport): boolean {
  return onDisk && whole;
}

function ascending(branches: ReadonlySet<BranchNumber>): BranchNumber[] {
  return [...branches].sort((a, b) => a - b);
}
