import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningBank, type RunningBranches, silentLog, startBank, startBranch } from "@bank/node";
import { expect, vi } from "vitest";
import { ScriptClock } from "./script-clock.test-util.ts";

/** The branches that every script has, beside the head office. */
const BRANCHES = [1, 2];

/** A bank with branches on real connections and a real disk, and a clock that the script moves. */
export class ScriptBank {
  readonly clock: ScriptClock;
  readonly url: string;
  /** For the files that a script writes; goes away with the bank. */
  readonly folder: string;
  private readonly bank: RunningBank;
  private readonly branches: readonly RunningBranches[];

  private constructor(
    { clock, folder }: Pick<ScriptBank, "clock" | "folder">,
    bank: RunningBank,
    branches: readonly RunningBranches[],
  ) {
    this.clock = clock;
    this.folder = folder;
    this.url = bank.url;
    this.bank = bank;
    this.branches = branches;
  }

  /** The branches register one after the other, so that every record has the same position in every run. */
  static async start(): Promise<ScriptBank> {
    const clock = new ScriptClock();
    const platform = clock.platform();
    const folder = await mkdtemp(join(tmpdir(), "bank-script-"));
    const bank = await startBank({ dataDir: join(folder, "bank"), platform, log: silentLog });
    const running: RunningBranches[] = [];
    for (const number of BRANCHES) {
      const dataDir = join(folder, `branch-${number}`);
      const options = { branches: [{ number, port: 0 }], bankUrl: bank.url, dataDir, platform, log: silentLog };
      const branch = await startBranch(options);
      running.push(branch);
      await branch.whenFollowing(AbortSignal.timeout(20_000));
    }
    // They call themselves connected once the bank has answered how far it is, which they ask by themselves only as time passes.
    for (const branch of running)
      await vi.waitUntil(
        async () => {
          await branch.replica().readIndex();
          return branch.replica().connected;
        },
        { timeout: 10_000, interval: 5 },
      );
    return new ScriptBank({ clock, folder }, bank, running);
  }

  /** Lets time pass. Resolves once the holds whose time has come by then have ended, which the bank does by itself. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    const { ledger } = this.bank.replica;
    const nextMs = () => ledger.nextExpiryMs() ?? Number.POSITIVE_INFINITY;
    await expect.poll(nextMs, { timeout: 10_000 }).toBeGreaterThan(this.clock.nowMs);
  }

  /**
   * Resolves once the branches have what the bank has. A branch goes by its own copy: one that was opened again a moment ago still
   * sends customers away until it has heard of it.
   */
  async heard(): Promise<void> {
    const { committedPosition } = this.bank.replica;
    const behind = () => this.branches.filter((branch) => branch.replica().appliedPosition < committedPosition).length;
    await vi.waitUntil(() => behind() === 0, { timeout: 20_000, interval: 1 });
  }

  async close(): Promise<void> {
    for (const branch of this.branches) await branch.close();
    await this.bank.close();
    await rm(this.folder, { recursive: true });
  }
}
