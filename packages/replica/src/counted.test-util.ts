import type { Request } from "@bank/core";
import { MemoryDisk } from "@bank/store";
import { LocalLink, ManualPlatform, openAccount, request, until, watch } from "@bank/testkit";
import { type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { newCopyId, type OpenedBranch, openBranch } from "./branch-replica.test-util.ts";
import type { Outcome } from "./outcome.ts";

/** As branches have it: a copy that counts saves at once all the same. */
const SAVE_WITHIN_MS = 50;

/** A link on which nothing moves while it is stalled, and nobody is told; then everything does, however late it is. */
export class StallingLink extends LocalLink {
  private stalled: PromiseWithResolvers<void> | undefined;

  constructor(bank: OpenedBank["bank"]) {
    super(bank);
    const { openJournal } = this;
    const moving = () => this.stalled?.promise;
    Object.assign(this, {
      openJournal: async function* (...args: Parameters<typeof openJournal>) {
        for await (const message of openJournal(...args)) {
          await moving();
          yield message;
        }
      },
      beforeAnswer: async () => moving(),
    });
  }

  get isStalled(): boolean {
    return this.stalled !== undefined;
  }

  stall(): void {
    this.stalled ??= Promise.withResolvers();
  }

  flow(): void {
    this.stalled?.resolve();
    this.stalled = undefined;
  }

  override async probe(...args: Parameters<LocalLink["probe"]>): ReturnType<LocalLink["probe"]> {
    await this.stalled?.promise;
    return super.probe(...args);
  }

  override async report(...args: Parameters<LocalLink["report"]>): Promise<void> {
    await this.stalled?.promise;
    return super.report(...args);
  }
}

/** A branch with its disk and the way to its bank. */
export interface Site {
  readonly number: number;
  readonly link: StallingLink;
  copyId: Uint8Array;
  disk: MemoryDisk;
  at: OpenedBranch;
}

/** A bank and branches 1, 2, …, all in one time. */
export class Group {
  readonly platform: ManualPlatform;
  readonly sites: Site[] = [];
  bank: OpenedBank;
  private ids = 0;

  private constructor(platform: ManualPlatform, bank: OpenedBank) {
    this.platform = platform;
    this.bank = bank;
  }

  /** Account 1 is open, and every branch is registered and follows. */
  static async start(branches: number, platform = new ManualPlatform()): Promise<Group> {
    const group = new Group(platform, await openBank({ platform }));
    await group.done(openAccount());
    for (let number = 1; number <= branches; number++) {
      await group.done({ kind: "registerBranch", branch: number, name: "", address: `http://branch-${number}` });
      const link = new StallingLink(group.bank.bank);
      const [copyId, disk] = [newCopyId(), new MemoryDisk()];
      const at = await openBranch({ link, disk, platform, number, copyId, saveWithinMs: SAVE_WITHIN_MS });
      group.sites.push({ number, link, copyId, disk, at });
    }
    await group.connected();
    return group;
  }

  site(number: number): Site {
    const site = this.sites[number - 1];
    if (site === undefined) throw new Error(`there is no branch ${number}`);
    return site;
  }

  /** From now on so many of these branches count. */
  async count(copies: number, ...branches: number[]): Promise<void> {
    const members = branches.map((branch) => ({ branch, copyId: this.site(branch).copyId }));
    await this.done({ kind: "setDurability", copies, members });
  }

  /** A request that nobody has made before. */
  next(command: Request["command"]): Request {
    return request(++this.ids, command);
  }

  /** Submits a command at the bank; it must be done. */
  async done(command: Request["command"]): Promise<void> {
    const [outcome] = await this.driven(this.bank.bank.submit([this.next(command)]));
    if (outcome?.kind !== "answered" || "rejection" in outcome.record)
      throw new Error(`${command.kind} was not done: ${JSON.stringify(outcome, bigintText)}`);
  }

  /** Submits a command at the bank, and watches what becomes of it. */
  asked(command: Request["command"], signal?: AbortSignal) {
    return watch<Outcome[]>(this.bank.bank.submit([this.next(command)], { signal }));
  }

  /** The promise's result, while time passes whenever nothing else happens. */
  async driven<T>(promise: Promise<T>): Promise<T> {
    const watched = watch(promise);
    await this.until(() => watched.state !== "pending", "a promise to settle");
    return promise;
  }

  until(condition: () => boolean, what = condition.toString()): Promise<void> {
    return until(condition, { platform: this.platform, what });
  }

  /** Every branch is connected to the bank, and shows what that has committed. */
  connected(): Promise<void> {
    return this.until(() => {
      const { bank } = this.bank;
      return this.sites.every(
        ({ at, copyId }) =>
          at.branch.connected &&
          at.branch.appliedPosition === bank.committedPosition &&
          bank.members.connectedMs({ ...at.branch.report(), copyId }) > 0,
      );
    }, "the branches to be connected");
  }

  /** Nobody reaches the bank any more from these branches. */
  cut(...branches: number[]): void {
    for (const number of branches) this.site(number).link.break();
  }

  join(...branches: number[]): void {
    for (const number of branches) this.site(number).link.join(this.bank.bank);
  }

  /** The bank's process ends, and another one begins on the same disk. */
  async restartBank(
    disk = this.bank.disk,
    options: Pick<Parameters<typeof openBank>[0] & object, "onCommitted"> = {},
  ): Promise<void> {
    for (const { link } of this.sites) link.break();
    this.bank = await openBank({ ...options, platform: this.platform, disk });
    for (const { link } of this.sites) link.join(this.bank.bank);
  }

  /** A branch's process ends, and another one begins, on the same disk or on an empty one. */
  async restart(number: number, options: { readonly losesDisk?: boolean } = {}): Promise<void> {
    const site = this.site(number);
    site.link.break();
    // It is over, however it was: what it would still write is to another disk than the next one's.
    const disk = options.losesDisk ? new MemoryDisk() : Object.assign(new MemoryDisk(), structuredCloneOf(site.disk));
    const closing = site.at.branch.close();
    await this.driven(closing);
    if (options.losesDisk) site.copyId = newCopyId();
    site.disk = disk;
    site.link.join(this.bank.bank);
    const { link, copyId } = site;
    site.at = await openBranch({ link, disk, platform: this.platform, number, copyId, saveWithinMs: SAVE_WITHIN_MS });
  }

  async close(): Promise<void> {
    for (const { link } of this.sites) {
      link.flow();
      link.break();
    }
    for (const { at } of this.sites) await this.driven(at.branch.close());
    await this.driven(this.bank.bank.close());
  }
}

function structuredCloneOf({ bankId, epoch, batches, snapshots }: MemoryDisk) {
  return { bankId, epoch, closedCleanly: false, batches: [...batches], snapshots: [...snapshots] };
}

function bigintText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
