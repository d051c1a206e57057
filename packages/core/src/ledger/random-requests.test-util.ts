import { AccountType } from "../account.ts";
import type { Command, Request } from "../command.ts";
import type { Random } from "../random.test-util.ts";

export const CURRENCIES = ["USD", "EUR", "JPY", "KWD"] as const;
export const BRANCHES = [0, 1, 2, 3, 4] as const;

/**
 * Requests as customers, clumsy programs and bad networks send them: most of them sensible, some to what is not there,
 * some again, some again with another body.
 */
export class RandomRequests {
  private readonly random: Random;
  private readonly sent: Request[] = [];
  private opened = 0;
  private readonly accountsMax: number;

  constructor(random: Random, options: { readonly accountsMax: number }) {
    this.random = random;
    this.accountsMax = options.accountsMax;
  }

  next(): Request {
    const { random } = this;
    if (this.sent.length > 0 && random.chance(8)) {
      const earlier = this.sent[
        Math.max(0, this.sent.length - 1 - random.below(random.chance(70) ? 20 : 5000))
      ] as Request;
      // A retry through another branch is the same request; under another principal it is another.
      if (random.chance(60)) return { ...earlier, branch: random.pick(BRANCHES) };
      if (random.chance(30)) return { ...earlier, principal: random.pick(["dev", "ada", "bob"]) };
      return { ...earlier, command: this.command() };
    }
    const request: Request = {
      principal: random.chance(90) ? "dev" : "ada",
      branch: random.chance(99) ? random.pick(BRANCHES) : 9,
      id: random.requestId(),
      command: this.command(),
    };
    this.sent.push(request);
    return request;
  }

  private command(): Command {
    const { random } = this;
    if (this.opened < 4 || (this.opened < this.accountsMax && random.chance(1))) return this.openAccount();
    if (random.chance(0.5)) {
      const name = random.pick(["North", "South"]);
      return { kind: "registerBranch", branch: 1 + random.below(4), name, address: "http://127.0.0.1:50061" };
    }
    // Few currencies, so that most pairs of accounts fit each other.
    const currency = random.chance(97) ? this.currencyOf(random.below(this.opened)) : random.pick(["CHF", "XXX", ""]);
    const amount = { currency, minor: this.minor() };
    const account = this.account(currency);
    const kind = random.pick(["deposit", "withdraw", "transfer", "transfer"] as const);
    if (kind === "transfer") return { kind, from: account, to: this.account(currency), amount };
    return { kind, account, amount };
  }

  private openAccount(): Command {
    const { random } = this;
    const currency = random.chance(95) ? this.currencyOf(this.opened) : "XXX";
    if (currency !== "XXX") this.opened++;
    const type = random.pick([AccountType.SAVINGS, AccountType.CHECKING]);
    return { kind: "openAccount", type, owner: random.pick(["", "Ada", "Zoë"]), displayName: "", currency };
  }

  /** Accounts take turns; where an opening was rejected, this is only a guess. */
  private currencyOf(account: number): string {
    return CURRENCIES[account % CURRENCIES.length] as string;
  }

  private account(currency: string): string {
    const { random } = this;
    if (random.chance(2)) return random.pick(["0", "007", "9999", "cash/0/USD", "1.0", "x"]);
    const turn = CURRENCIES.indexOf(currency as (typeof CURRENCIES)[number]);
    if (turn === -1 || random.chance(5)) return String(1 + random.below(this.opened));
    return String(1 + turn + CURRENCIES.length * random.below(Math.ceil(this.opened / CURRENCIES.length)));
  }

  private minor(): bigint {
    const { random } = this;
    if (random.chance(1)) return random.pick([0n, -1n, 2n ** 63n, -(2n ** 63n)]);
    if (random.chance(3)) return 2n ** 63n - 1n - BigInt(random.below(3));
    if (random.chance(3)) return 2n ** 62n - BigInt(random.below(1000));
    return BigInt(1 + random.below(random.chance(50) ? 100 : 100_000));
  }
}
