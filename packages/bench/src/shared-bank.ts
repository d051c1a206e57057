import { type BankProcess, startBankProcess } from "@bank/testkit";
import { BankLoad } from "./bank-load.ts";

/** The bank that all rows over the network share, in a process of its own. It starts with the first of them. */
export class SharedBank {
  private readonly dataDir: string;
  private running: { readonly process: BankProcess; readonly load: BankLoad } | undefined;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  async load(): Promise<BankLoad> {
    if (this.running === undefined) {
      const process = await startBankProcess({ dataDir: this.dataDir });
      this.running = { process, load: new BankLoad(process.url) };
      await this.running.load.setUp();
    }
    return this.running.load;
  }

  /** Gives the number of movements that it acknowledged; undefined when it never started. */
  async stop(): Promise<number | undefined> {
    this.running?.load.close();
    await this.running?.process.stop();
    return this.running?.load.acknowledged;
  }
}
