import type { Outcome, RunningScenarioBank, ScenarioSession, ScenarioTeller } from "./scenario-bank.ts";

/** One call as the bank saw it: `#0 deposit A1 +400 @2` is the first customer object at branch 2. */
export type Call = string;

/** The simplest bank that keeps the runner's contract: one map of balances. It writes down what it is asked. */
export class MemoryScenarioBank implements RunningScenarioBank {
  readonly calls: Call[] = [];
  readonly sessions: number[] = [];
  /** Calls that have begun and not ended. */
  underWay = 0;
  closed = 0;
  /** Waits, or fails, before a call takes effect. */
  before: (call: Call) => Promise<void> = () => Promise.resolve();
  readonly #balances = new Map<string, bigint>();

  async openAccount(openingBalanceMinor: bigint, home: { readonly branch?: number }): Promise<string> {
    const account = `A${this.#balances.size + 1}`;
    return this.#call(`open ${account} =${openingBalanceMinor} @${home.branch ?? 0}`, () => {
      this.#balances.set(account, openingBalanceMinor);
      return account;
    });
  }

  customer(index: number): ScenarioSession {
    this.sessions.push(index);
    return { at: (branch) => this.#teller(`#${index}`, `@${branch}`) };
  }

  async close(): Promise<void> {
    if (this.underWay > 0) throw new Error("closed while calls were under way");
    this.closed++;
  }

  #teller(who: string, where: string): ScenarioTeller {
    return {
      deposit: (account, amountMinor) =>
        this.#call(`${who} deposit ${account} +${amountMinor} ${where}`, () => this.#change([[account, amountMinor]])),
      withdraw: (account, amountMinor) =>
        this.#call(`${who} withdraw ${account} -${amountMinor} ${where}`, () =>
          this.#change([[account, -amountMinor]]),
        ),
      transfer: (from, to, amountMinor) =>
        this.#call(`${who} transfer ${from} ${to} ${amountMinor} ${where}`, () =>
          this.#change([
            [from, -amountMinor],
            [to, amountMinor],
          ]),
        ),
      balance: (account) => this.#call(`${who} balance ${account} ${where}`, () => this.#balance(account)),
    };
  }

  #change(changes: readonly (readonly [string, bigint])[]): Outcome {
    if (changes.some(([account, change]) => this.#balance(account) + change < 0n)) return "fail";
    for (const [account, change] of changes) this.#balances.set(account, this.#balance(account) + change);
    return "success";
  }

  #balance(account: string): bigint {
    const balance = this.#balances.get(account);
    if (balance === undefined) throw new Error(`no account ${account}`);
    return balance;
  }

  async #call<T>(call: Call, effect: () => T): Promise<T> {
    this.underWay++;
    try {
      await this.before(call);
      this.calls.push(call);
      return effect();
    } finally {
      this.underWay--;
    }
  }
}
