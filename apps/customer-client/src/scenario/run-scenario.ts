import type { CashEvent, QueryEvent, Scenario, ScenarioCustomer, ScenarioEvent, TransferEvent } from "./scenario.ts";
import type { Outcome, ScenarioBank, ScenarioSession, ScenarioTeller } from "./scenario-bank.ts";

export interface RunOptions {
  /** All customers at once, each one's own events in order. Default: one customer after the other. */
  readonly concurrent?: boolean;
  /** Reads the balance after every deposit, withdrawal and transfer too, at the same branch. Default: no. */
  readonly balances?: boolean;
}

/** What a customer object received. */
export interface CustomerAnswers {
  readonly id: number;
  /** One for each event, in order. */
  readonly answers: readonly Answer[];
  /** Only in a `final-balance` scenario: what its last query answered, or a read after its last event. Minor units. */
  readonly finalBalanceMinor?: bigint;
}

/** The answer to one event. Balances after a change are there when they were asked for. */
export type Answer =
  | { readonly event: QueryEvent; readonly balanceMinor: bigint }
  | { readonly event: CashEvent; readonly outcome: Outcome; readonly balanceMinor?: bigint }
  | {
      readonly event: TransferEvent;
      readonly outcome: Outcome;
      readonly fromBalanceMinor?: bigint;
      readonly toBalanceMinor?: bigint;
    };

/**
 * Opens the scenario's accounts, then lets its customers act: each event is sent after the one before was answered.
 * Gives one entry for each customer object, in the order of the file, however the run was interleaved.
 *
 * Rejects with: the first error of the bank. By then no call is under way any more.
 */
export async function runScenario(
  scenario: Scenario,
  bank: ScenarioBank,
  { concurrent = false, balances = false }: RunOptions = {},
): Promise<CustomerAnswers[]> {
  const numbers = new Map<string, string>();
  for (const { name, openingBalanceMinor, homeBranch } of scenario.accounts) {
    const home = homeBranch === undefined ? {} : { branch: homeBranch };
    numbers.set(name, await bank.openAccount(openingBalanceMinor, home));
  }
  const run = new Run(scenario, bank, numbers, balances);
  return concurrent ? run.allAtOnce() : run.oneByOne();
}

class Run {
  readonly #scenario: Scenario;
  readonly #bank: ScenarioBank;
  /** The bank's number of each account, by its name in the file. */
  readonly #numbers: ReadonlyMap<string, string>;
  readonly #balances: boolean;
  /** The first error. Once there is one, no customer sends another event: no answer would be shown. */
  #failure: { readonly error: unknown } | undefined;

  constructor(scenario: Scenario, bank: ScenarioBank, numbers: ReadonlyMap<string, string>, balances: boolean) {
    this.#scenario = scenario;
    this.#bank = bank;
    this.#numbers = numbers;
    this.#balances = balances;
  }

  async oneByOne(): Promise<CustomerAnswers[]> {
    const all: CustomerAnswers[] = [];
    for (const [index, customer] of this.#scenario.customers.entries()) {
      all.push(await this.#customer(customer, this.#bank.customer(index)));
    }
    return all;
  }

  async allAtOnce(): Promise<CustomerAnswers[]> {
    const running = this.#scenario.customers.map(async (customer, index): Promise<CustomerAnswers> => {
      try {
        return await this.#customer(customer, this.#bank.customer(index));
      } catch (error) {
        this.#failure ??= { error };
        return { id: customer.id, answers: [] };
      }
    });
    // All have settled here, failed or not: the caller may close the bank, so nobody may still be talking to it.
    const all = await Promise.all(running);
    if (this.#failure !== undefined) throw this.#failure.error;
    return all;
  }

  async #customer(customer: ScenarioCustomer, session: ScenarioSession): Promise<CustomerAnswers> {
    const { id, events } = customer;
    const answers: Answer[] = [];
    let lastQueriedMinor: bigint | undefined;
    for (const event of events) {
      if (this.#failure !== undefined) return { id, answers };
      const answer = await this.#event(event, session.at(event.branch));
      if (!("outcome" in answer)) lastQueriedMinor = answer.balanceMinor;
      answers.push(answer);
    }
    if (this.#scenario.shape !== "final-balance") return { id, answers };
    return { id, answers, finalBalanceMinor: lastQueriedMinor ?? (await this.#closingBalance(customer, session)) };
  }

  async #event(event: ScenarioEvent, teller: ScenarioTeller): Promise<Answer> {
    switch (event.interface) {
      case "query":
        return { event, balanceMinor: await teller.balance(this.#number(event.account)) };
      case "deposit":
      case "withdraw": {
        const account = this.#number(event.account);
        const outcome = await teller[event.interface](account, event.amountMinor);
        return this.#balances ? { event, outcome, balanceMinor: await teller.balance(account) } : { event, outcome };
      }
      case "transfer": {
        const from = this.#number(event.from);
        const to = this.#number(event.to);
        const outcome = await teller.transfer(from, to, event.amountMinor);
        if (!this.#balances) return { event, outcome };
        const fromBalanceMinor = await teller.balance(from);
        return { event, outcome, fromBalanceMinor, toBalanceMinor: await teller.balance(to) };
      }
    }
  }

  /** The balance after a customer's last event; without events, at the file's first branch: all show the same. */
  async #closingBalance({ events }: ScenarioCustomer, session: ScenarioSession): Promise<bigint> {
    const branch = events.at(-1)?.branch ?? this.#scenario.branches[0];
    const account = this.#scenario.accounts[0];
    if (branch === undefined || account === undefined) throw new Error("a scenario has a branch and an account");
    return session.at(branch).balance(this.#number(account.name));
  }

  #number(name: string): string {
    const number = this.#numbers.get(name);
    if (number === undefined) throw new Error(`the scenario names an account that it does not have: ${name}`);
    return number;
  }
}
