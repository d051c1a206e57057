import { type Command, type RejectionReason, type Request, toHex } from "@bank/core";

/** What the naive bank says to a request. */
export type NaiveAnswer = "done" | RejectionReason;

const MAX = 2n ** 63n - 1n;

/**
 * The simplest bank there is: balances in a map, one currency, one request after the other. It shares no code with the
 * ledger, whose decisions it checks.
 */
export class NaiveBank {
  /** Balances of customers by account number. */
  readonly balances = new Map<string, bigint>();
  /** Requests that were answered, by id. */
  readonly answers = new Map<string, NaiveAnswer>();

  /** Answers a request whose id is new. Throws: for a known one, which a bank must never execute again. */
  execute({ id, command }: Request): NaiveAnswer {
    const key = toHex(id);
    if (this.answers.has(key)) throw new Error(`request ${key} is executed twice`);
    const answer = this.decide(command);
    this.answers.set(key, answer);
    return answer;
  }

  /** A copy of all balances. */
  copyBalances(): ReadonlyMap<string, bigint> {
    return new Map(this.balances);
  }

  private decide(command: Command): NaiveAnswer {
    switch (command.kind) {
      case "openAccount":
        this.balances.set(String(this.balances.size + 1), 0n);
        return "done";
      case "deposit":
        return this.add(command.account, command.amount.minor);
      case "withdraw":
        return this.add(command.account, -command.amount.minor);
      case "transfer": {
        const { from, to, amount } = command;
        if (!this.balances.has(from) || !this.balances.has(to)) return "ACCOUNT_NOT_FOUND";
        if (from === to) return "SAME_ACCOUNT";
        const taken = this.add(from, -amount.minor);
        return taken === "done" ? this.add(to, amount.minor) : taken;
      }
      case "registerBranch":
        return "done";
    }
  }

  private add(account: string, minor: bigint): NaiveAnswer {
    const balance = this.balances.get(account);
    if (balance === undefined) return "ACCOUNT_NOT_FOUND";
    if (balance + minor < 0n) return "INSUFFICIENT_FUNDS";
    if (balance + minor > MAX) return "BALANCE_LIMIT_EXCEEDED";
    this.balances.set(account, balance + minor);
    return "done";
  }
}
