import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type BankClient, connectBank } from "@bank/client";
import { freePort } from "@bank/store/testing";
import { type BranchProcess, ServerProcess, startBranchProcess } from "@bank/testkit";

const BANKS = 2;
const BRANCHES = 2;
const STARTED_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 100;
const LOG_TAIL_CHARACTERS = 20_000;

/** Bank servers on one database, of which one has the lease, and branches that know all of them. */
export class BankServers {
  readonly banks: readonly { readonly url: string; readonly process: ServerProcess }[];
  readonly branches: readonly BranchProcess[];
  readonly store: string;

  private constructor(store: string, banks: BankServers["banks"], branches: readonly BranchProcess[]) {
    this.store = store;
    this.banks = banks;
    this.branches = branches;
  }

  /** The first bank server has the lease when this resolves. Leaves nothing running when it rejects. */
  static async start(store: string, folder: string): Promise<BankServers> {
    await command("migrate", "--store", store);
    const banks: { readonly url: string; readonly process: ServerProcess }[] = [];
    const branches: BranchProcess[] = [];
    const servers = new BankServers(store, banks, branches);
    try {
      for (let i = 1; i <= BANKS; i++) {
        const listen = `127.0.0.1:${await freePort()}`;
        const args = ["--listen", listen, "--data", join(folder, `bank-${i}`), "--store", store];
        const process = new ServerProcess({ app: "bank-server", args });
        banks.push({ url: `http://${listen}`, process });
        await (i === 1 ? process.url() : listens(listen, process));
      }
      const bankUrl = banks.map(({ url }) => url).join(",");
      for (let number = 1; number <= BRANCHES; number++)
        branches.push(await startBranchProcess({ number, bankUrl, dataDir: join(folder, `branch-${number}`) }));
      return servers;
    } catch (error) {
      await servers.kill();
      throw error;
    }
  }

  /** Of whichever has the lease. */
  client(timeoutMs: number): BankClient {
    return connectBank({ servers: this.banks.map(({ url }) => url), timeoutMs });
  }

  /** How the bank servers and branches ended that should be running, with what they logged last. */
  async ended(): Promise<string[]> {
    const all = [...this.banks, ...this.branches];
    const endings = await Promise.all(
      all.map(({ url, process }) =>
        Promise.race([
          process.ended.then(({ code, stderr }) => [
            `${url} ended with ${code}: ${stderr.slice(-LOG_TAIL_CHARACTERS)}`,
          ]),
          delay(0, [] as string[]),
        ]),
      ),
    );
    return endings.flat();
  }

  /** Ends all in order, and checks the store from its first record to its end. Gives what `store verify` said. */
  async stopAndVerify(): Promise<string> {
    for (const branch of this.branches) await branch.stop();
    // At the same time: else the second would take over from the first.
    await Promise.all(this.banks.map(({ process }) => process.terminate()));
    return command("store", "verify", "--store", this.store);
  }

  /** Gives what all of them logged. Idempotent. */
  async kill(): Promise<string> {
    const ends = await Promise.all([
      ...this.banks.map(async ({ url, process }) => `== bank ${url}\n${(await process.kill()).stderr}`),
      ...this.branches.map(async (branch) => {
        await branch.kill();
        return `== branch ${branch.url}\n${(await branch.process.ended).stderr}`;
      }),
    ]);
    return ends.join("\n");
  }
}

/** A command of bank-server's that ends by itself. Rejects with what it said where it fails. */
async function command(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new ServerProcess({ app: "bank-server", args }).ended;
  if (code !== 0) throw new Error(`bank-server ${args[0]} ended with ${code}: ${stdout}\n${stderr}`);
  return stdout;
}

/** One that waits for its turn listens, but does not say so. */
async function listens(address: string, { ended }: ServerProcess): Promise<void> {
  const [host = "", port] = address.split(":");
  const deadlineMs = performance.now() + STARTED_WITHIN_MS;
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  for (;;) {
    const socket = connect(Number(port), host);
    const isConnected = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isConnected) return;
    if (isOver) throw new Error(`the bank server for ${address} has ended: ${(await ended).stderr}`);
    if (performance.now() > deadlineMs) throw new Error(`the bank server does not listen at ${address}`);
    await delay(LOOK_EVERY_MS);
  }
}
