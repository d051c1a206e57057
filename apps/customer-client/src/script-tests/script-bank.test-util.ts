import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog, startBank, startBranch } from "@bank/node";
import { ScriptClock } from "./script-clock.test-util.ts";

/** The branches that every script has, beside the head office. */
const BRANCHES = [1, 2];

/** A bank with branches on real connections and a real disk, and a clock that the script moves. */
export class ScriptBank {
  readonly clock: ScriptClock;
  readonly url: string;
  /** For the files that a script writes; goes away with the bank. */
  readonly folder: string;
  private readonly servers: readonly { close(): Promise<void> }[];

  private constructor(parts: Pick<ScriptBank, "clock" | "url" | "folder"> & { servers: { close(): Promise<void> }[] }) {
    this.clock = parts.clock;
    this.url = parts.url;
    this.folder = parts.folder;
    this.servers = parts.servers;
  }

  /** The branches register one after the other, so that every record has the same position in every run. */
  static async start(): Promise<ScriptBank> {
    const clock = new ScriptClock();
    const platform = clock.platform();
    const folder = await mkdtemp(join(tmpdir(), "bank-script-"));
    const bank = await startBank({ dataDir: join(folder, "bank"), platform, log: silentLog });
    const servers: { close(): Promise<void> }[] = [bank];
    for (const number of BRANCHES) {
      const dataDir = join(folder, `branch-${number}`);
      const branches = [{ number, port: 0 }];
      const branch = await startBranch({ branches, bankUrl: bank.url, dataDir, platform, log: silentLog });
      servers.unshift(branch);
      await branch.whenFollowing(AbortSignal.timeout(20_000));
    }
    return new ScriptBank({ clock, url: bank.url, folder, servers });
  }

  /** Lets time pass. Resolves once everything that was due by then has happened. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
  }

  async close(): Promise<void> {
    for (const server of this.servers) await server.close();
    await rm(this.folder, { recursive: true });
  }
}
