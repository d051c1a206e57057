import { type BankClient, BankError, type CallOptions } from "@bank/client";
import type { Outcome, RunningScenarioBank, ScenarioSession, ScenarioTeller } from "./scenario/index.ts";

const CURRENCY = "USD";

export interface ClientScenarioBankOptions {
  /** The bank, or one of its branches. */
  readonly client: BankClient;
  /** Options of each call. */
  readonly call: CallOptions;
  /** Stops what was started for the run. */
  readonly stop: () => Promise<void>;
}

/** A bank for a scenario's run, reached by the SDK: each customer object has a session of its own. */
export class ClientScenarioBank implements RunningScenarioBank {
  private readonly client: BankClient;
  private readonly call: CallOptions;
  private readonly stop: () => Promise<void>;

  constructor({ client, call, stop }: ClientScenarioBankOptions) {
    this.client = client;
    this.call = call;
    this.stop = stop;
  }

  async openAccount(openingBalanceMinor: bigint, { branch }: { readonly branch?: number }): Promise<string> {
    const home = branch === undefined ? this.client : await this.client.branch(branch, this.call);
    const { account } = await home.openAccount({ currency: CURRENCY }, this.call);
    if (openingBalanceMinor > 0n)
      await home.deposit(account.number, { currency: CURRENCY, minor: openingBalanceMinor }, this.call);
    return account.number;
  }

  customer(): ScenarioSession {
    const client = this.client.withSession();
    return { at: (branch) => this.teller(client, branch) };
  }

  close(): Promise<void> {
    return this.stop();
  }

  private teller(session: BankClient, branch: number): ScenarioTeller {
    const { call } = this;
    let found: Promise<BankClient> | undefined;
    const client = () => {
      found ??= session.branch(branch, call);
      return found;
    };
    const money = (minor: bigint) => ({ currency: CURRENCY, minor });
    return {
      deposit: async (account, minor) => outcomeOf((await client()).deposit(account, money(minor), call)),
      withdraw: async (account, minor) => outcomeOf((await client()).withdraw(account, money(minor), call)),
      transfer: async (from, to, minor) => outcomeOf((await client()).transfer(from, to, money(minor), call)),
      balance: async (account) => (await (await client()).balance(account, call)).posted.minor,
    };
  }
}

async function outcomeOf(booking: Promise<unknown>): Promise<Outcome> {
  try {
    await booking;
    return "success";
  } catch (error) {
    if (error instanceof BankError && error.outcome === "REJECTED") return "fail";
    throw error;
  }
}
