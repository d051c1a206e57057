import type { Command, GroupItem } from "../command.ts";
import type { Money } from "../money.ts";
import type { Random } from "../random.test-util.ts";
import { isInternal, type NaiveAccount, type NaiveBooks, type NaiveHold } from "./naive-books.test-util.ts";
import { BRANCHES, NO_BRANCH, RandomBranches } from "./random-branches.test-util.ts";

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const RATES = [0, 1, 12_345, 2_500_000, 1_250_000, 500_000, 333_333, 4_999_999] as const;
const LARGE_RATES = [12_500_000, 25_000_000, 50_000_000, 100_000_000] as const;

export interface CommandOptions {
  readonly accountsMax: number;
  readonly currencies: readonly string[];
  /** Whether balances and amounts stand at the ends of 64 bits rather than in the middle. */
  readonly edges: boolean;
}

/** Whatever is no group. */
export type Single = Exclude<Command, { kind: "group" | "cancelRequest" }>;
type Kind = Single["kind"];

/** How often of a hundred or so. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  openAccount: 1.5,
  updateAccount: 5,
  freezeAccount: 4,
  unfreezeAccount: 4,
  closeAccount: 4,
  deposit: 14,
  withdraw: 12,
  transfer: 18,
  reverse: 8,
  applyInterest: 6,
  placeHold: 9,
  captureHold: 9,
  releaseHold: 2.5,
  extendHold: 3.5,
  registerBranch: 2,
  renameBranch: 0.7,
  setBranchState: 2.5,
  setDurability: 1,
};
const KINDS = Object.keys(WEIGHTS) as Kind[];
const WEIGHT_SUM = Object.values(WEIGHTS).reduce((sum, weight) => sum + weight, 0);

/**
 * Commands as customers and clumsy programs send them: most of them sensible, many exactly at the limit or one beyond
 * it, some to what is not there. What the limits are is read in the books of the twin; the ledger is never asked.
 */
export class RandomCommands {
  private readonly random: Random;
  private readonly books: NaiveBooks;
  private readonly options: CommandOptions;
  private readonly branches: RandomBranches;

  constructor(random: Random, books: NaiveBooks, options: CommandOptions) {
    this.random = random;
    this.books = books;
    this.options = options;
    this.branches = new RandomBranches(random, books);
  }

  next(): Single {
    const { books, random } = this;
    if (books.customerCount < 6) return this.openAccount(true);
    let at = random.below(WEIGHT_SUM * 10) / 10;
    const kind = KINDS.find((each) => {
      at -= WEIGHTS[each];
      return at < 0;
    });
    switch (kind) {
      case "registerBranch":
        return this.branches.register();
      case "renameBranch":
        return this.branches.rename();
      case "setBranchState":
        return this.branches.setState();
      case "setDurability":
        return this.branches.setDurability();
      default:
        return this.item(kind ?? "transfer");
    }
  }

  /** One that will most likely be done, whatever else is done before it. */
  sureItem(): GroupItem {
    const { random } = this;
    const account = this.customer(
      ({ state, ceiling, posted }) => state === "open" && posted >= 0n && (ceiling ?? MAX) > posted + 5000n,
    );
    const rich = this.customer((each) => each.state === "open" && spendable(each, 0n) > 10_000n);
    const single = account ?? this.customer();
    const minor = BigInt(1 + random.below(40));
    const choice = random.below(12);
    if (choice < 1) return { kind: "updateAccount", account: this.name(single), displayName: `n${random.below(99)}` };
    if (choice < 2) return { kind: "applyInterest", account: this.name(single), rate: random.pick(RATES) };
    if (rich === undefined || choice < 7)
      return { kind: "deposit", account: this.name(single), amount: money(single, minor) };
    const [from, amount] = [this.name(rich), money(rich, minor)];
    if (choice < 9) return { kind: "withdraw", account: from, amount };
    if (choice < 11)
      return { kind: "placeHold", account: from, amount, expiresMs: this.books.timeMs + 1 + random.below(20_000) };
    return { kind: "transfer", from, to: fees(0, rich), amount };
  }

  /** A random command of a kind. */
  item(kind: GroupItem["kind"]): GroupItem {
    const { random } = this;
    switch (kind) {
      case "openAccount":
        return this.openAccount(false);
      case "updateAccount":
        return this.updateAccount();
      case "freezeAccount":
        return this.withVersion({ kind, account: this.reference(this.customer()) });
      case "unfreezeAccount": {
        const frozen = random.chance(60) ? this.customer(({ state }) => state === "frozen") : undefined;
        return this.withVersion({ kind, account: this.reference(frozen ?? this.customer()) });
      }
      case "closeAccount":
        return this.withVersion({ kind, account: this.reference(this.closing()) });
      case "deposit": {
        const account = this.customer();
        const limit = (random.chance(70) ? account.ceiling : undefined) ?? (this.options.edges ? MAX : 0n);
        return this.withVersion({
          kind,
          account: this.reference(account),
          amount: this.amount(account, limit - account.posted),
        });
      }
      case "withdraw": {
        const account = this.customer();
        return this.withVersion({
          kind,
          account: this.reference(account),
          amount: this.amount(account, spendable(account)),
        });
      }
      case "transfer": {
        const from = this.customer();
        const to = this.receiver(from);
        const amount = this.amount(from, this.limitBetween(from, to));
        return this.withVersion({ kind, from: this.reference(from), to, amount });
      }
      case "reverse":
        return this.withVersion({ kind, transaction: this.transaction() });
      case "applyInterest":
        return this.withVersion({ kind, account: this.reference(this.customer()), rate: this.rate() });
      case "placeHold": {
        const account = this.customer();
        const amount = this.amount(account, spendable(account, 0n));
        return this.withVersion({ kind, account: this.reference(account), amount, expiresMs: this.expiry(15) });
      }
      case "captureHold":
        return this.captureHold();
      case "releaseHold":
        return this.withVersion({ kind, hold: this.hold()?.position ?? this.anyPosition() });
      case "extendHold": {
        const hold = this.hold();
        const expiresMs = Math.max(1, (hold?.expiresMs ?? 0) + random.pick([0, -500, 1, 5000, 20_000]));
        return this.withVersion({ kind, hold: hold?.position ?? this.anyPosition(), expiresMs });
      }
    }
  }

  openAccount(first: boolean): GroupItem {
    const { books, options, random } = this;
    const full = !first && books.customerCount >= options.accountsMax;
    const checking = random.chance(50);
    // When there are enough accounts, only openings that fail are left.
    const alias = full ? this.takenAlias() : random.chance(45) ? this.alias() : random.pick([undefined, ""]);
    const floor =
      checking && random.chance(60) ? (options.edges && random.chance(40) ? MIN : -this.small()) : undefined;
    const ceiling = random.chance(25)
      ? options.edges
        ? MAX - BigInt(random.below(3))
        : 50_000n + this.small()
      : undefined;
    return {
      kind: "openAccount",
      type: checking ? 2 : 1,
      owner: random.pick(["", "Ada", "Zoë", "李雷"]),
      displayName: random.pick(["", "Rent", "Savings 🏦"]),
      currency: random.chance(96) ? random.pick(options.currencies) : random.pick(["XXX", ""]),
      alias,
      metadata: random.pick([undefined, {}, { colour: "blue" }, { b: "2", a: "1", "": "" }].slice(0, first ? 3 : 4)),
      floor: floor ?? random.pick([undefined, 0n]),
      ceiling,
    };
  }

  private updateAccount(): GroupItem {
    const { random } = this;
    const account = this.customer();
    const available = account.posted - account.held;
    const floors = [0n, available, available + 1n, available - this.small(), -this.small(), account.floor ?? 0n];
    const ceilings = [account.posted, account.posted - 1n, account.posted + this.small(), MAX - 1n, null, null];
    const floor = random.chance(50) ? within(random.pick(floors), MIN) : undefined;
    const ceiling = random.chance(this.options.edges ? 20 : 50) ? random.pick(ceilings) : undefined;
    const named = {
      displayName:
        random.chance(40) || (floor === undefined && ceiling === undefined) ? `n${random.below(9)}` : undefined,
      metadata: random.chance(20) ? random.pick([{}, { colour: "red" }, { colour: "red", size: "L" }]) : undefined,
      floor: account.type === "savings" && floor !== undefined && floor < 0n && random.chance(60) ? 0n : floor,
      ceiling: typeof ceiling === "bigint" ? within(ceiling, random.chance(90) ? 1n : MIN) : ceiling,
    };
    return this.withVersion({ kind: "updateAccount", account: this.reference(account), ...named });
  }

  private captureHold(): GroupItem {
    const { random } = this;
    const hold = this.hold();
    const account = hold === undefined ? this.customer() : this.books.account(hold.account);
    const to = random.chance(40) ? "" : random.chance(4) ? this.name(account) : this.receiver(account);
    const left = hold === undefined ? 0n : hold.amount - hold.captured;
    const amount = random.chance(35) ? undefined : this.amount(account, random.chance(90) ? left : left / 2n);
    const position = hold?.position ?? this.anyPosition();
    return this.withVersion({ kind: "captureHold", hold: position, amount, to });
  }

  // What to name

  private customer(where?: (account: NaiveAccount) => boolean): NaiveAccount;
  private customer(where: (account: NaiveAccount) => boolean): NaiveAccount | undefined;
  private customer(where?: (account: NaiveAccount) => boolean): NaiveAccount | undefined {
    const { books, random } = this;
    const wanted = where ?? (random.chance(88) ? ({ state }: NaiveAccount) => state === "open" : () => true);
    const found = [...books.accounts.values()].filter((account) => !isInternal(account) && wanted(account));
    if (found.length > 0) return random.pick(found);
    return where === undefined
      ? ([...books.accounts.values()].find((account) => !isInternal(account)) as NaiveAccount)
      : undefined;
  }

  private closing(): NaiveAccount {
    const empty = this.random.chance(15)
      ? this.customer(({ state, posted, held }) => state === "open" && posted === 0n && held === 0n)
      : undefined;
    const holding = this.random.chance(30)
      ? this.customer(({ held, posted }) => held > 0n && posted === 0n)
      : undefined;
    return empty ?? holding ?? this.customer();
  }

  private name({ alias, name }: NaiveAccount): string {
    return alias !== "" && this.random.chance(50) ? alias : name;
  }

  private reference(account: NaiveAccount): string {
    const { random } = this;
    if (random.chance(97)) return this.name(account);
    const internal = [`cash/0/${account.currency}`, `interest/0/${account.currency}`, fees(0, account)];
    return random.pick(["0", "007", "9999", "1.0", "x y", "1e1", " 1", ...internal]);
  }

  private receiver(from: NaiveAccount): string {
    const { random } = this;
    if (random.chance(10)) return fees(random.chance(92) ? random.pick(BRANCHES) : NO_BRANCH, from);
    if (random.chance(1)) return random.pick(["fees/0/XXX", "fees/00/USD", "fees/1/usd", "fees/0/CHF", "fees/0/"]);
    if (random.chance(3)) return this.reference(from);
    if (this.options.edges && random.chance(25)) return this.reference(this.fullest(from));
    const other = random.chance(94)
      ? this.customer(
          (account) =>
            account.currency === from.currency && account !== from && (account.state === "open" || random.chance(7)),
        )
      : undefined;
    return this.reference(other ?? this.customer());
  }

  /** Whoever has most of a currency, and so the least room for more. */
  private fullest(from: NaiveAccount): NaiveAccount {
    const room = ({ ceiling, posted }: NaiveAccount) => (ceiling ?? MAX) - posted + (ceiling === undefined ? 0n : MAX);
    return [...this.books.accounts.values()]
      .filter((account) => !isInternal(account) && account !== from && account.currency === from.currency)
      .reduce((best, account) => (room(account) < room(best) ? account : best), from);
  }

  /** Position of something that moved money, most of the time. */
  private transaction(): number {
    const { books, random } = this;
    if (random.chance(6)) return this.anyPosition();
    if (random.chance(3)) return this.transactionOfClosed() ?? this.anyPosition();
    const start = books.position - random.below(random.chance(80) ? 60 : 3000);
    for (let position = start; position > start - 60; position--) {
      const transaction = books.transactions.get(position);
      if (transaction !== undefined && (!transaction.isReversal || random.chance(10))) return position;
    }
    return this.anyPosition();
  }

  private transactionOfClosed(): number | undefined {
    const { books, random } = this;
    const closed = this.customer(({ state }) => state === "closed")?.name;
    const on = [...books.transactions.values()].filter(({ from, to }) => from === closed || to === closed);
    const open = on.filter(({ isReversal, reversedBy }) => !isReversal && reversedBy === undefined);
    return open.length === 0 ? undefined : random.pick(open).position;
  }

  private hold(): NaiveHold | undefined {
    const { books, random } = this;
    if (this.options.edges && random.chance(20) && books.openHolds.size > 0)
      return [...books.openHolds.values()].reduce((most, hold) => (hold.amount > most.amount ? hold : most));
    if (random.chance(80) && books.openHolds.size > 0) return random.pick([...books.openHolds.values()]);
    const start = books.position - random.below(300);
    for (let position = start; position > start - 60; position--) {
      const hold = books.holds.get(position);
      if (hold !== undefined) return hold;
    }
    return undefined;
  }

  private anyPosition(): number {
    const { books, random } = this;
    if (random.chance(10)) return random.pick([0, Number.MAX_SAFE_INTEGER, 2 ** 32, 2 ** 31]);
    return 1 + random.below(books.position + 3);
  }

  private alias(): string {
    const { books, random } = this;
    if (random.chance(25)) return this.takenAlias();
    if (random.chance(50)) return `${books.lastNumber + 1 + random.below(4)}`;
    if (random.chance(3)) return random.pick(["a/b", "cash/0/USD", "a".repeat(65), "-1", " a", "Zoë"]);
    return random.pick([
      random.chance(10) ? "007" : "7a",
      "zoe",
      "Zoe",
      "a@b.example",
      "12345678901234567890",
      `a-${random.below(500)}`,
    ]);
  }

  private takenAlias(): string {
    const aliases = [...this.books.aliases.keys()];
    return aliases.length > 0 && this.random.chance(50)
      ? this.random.pick(aliases)
      : `${1 + this.random.below(Math.max(1, this.books.lastNumber))}`;
  }

  // How much, and until when

  private amount(account: NaiveAccount, limit: bigint): Money {
    const currency = this.random.chance(97.5)
      ? account.currency
      : this.random.pick([...this.options.currencies, "XXX"]);
    return { currency, minor: this.minor(limit) };
  }

  private minor(limit: bigint): bigint {
    const { random } = this;
    if (random.chance(1)) return random.pick([0n, -1n, 2n ** 63n, MIN]);
    if (random.chance(this.options.edges ? 6 : 0.5)) return MAX - BigInt(random.below(3));
    if (limit > 0n) {
      const most = limit > MAX ? MAX : limit;
      const choice = random.below(100);
      if (choice < 12) return most;
      if (choice < 19) return within(limit + 1n, 1n);
      if (choice < 22) return within(limit - 1n, 1n);
      if (choice < (this.options.edges ? 60 : 30)) return within(most / BigInt(2 + random.below(5)), 1n);
    }
    return this.small();
  }

  private small(): bigint {
    return BigInt(1 + this.random.below(this.random.chance(50) ? 100 : 20_000));
  }

  private limitBetween(from: NaiveAccount, to: string): bigint {
    const room = this.books.customer(to);
    if (room === undefined || this.random.chance(70)) return spendable(from);
    return (room.ceiling ?? MAX) - room.posted;
  }

  private rate(): number {
    const { random } = this;
    if (random.chance(2)) return random.pick([-1, 100_000_001, 0.5]);
    if (random.chance(this.options.edges ? 40 : 8)) return random.pick(LARGE_RATES);
    return random.chance(70) ? random.pick(RATES) : random.below(3_000_000);
  }

  private expiry(never: number): number {
    const { books, random } = this;
    if (random.chance(never)) return 0;
    if (random.chance(12)) return Math.max(1, books.timeMs - random.pick([0, 0, 1, 5000]));
    return books.timeMs + 1 + random.below(20_000);
  }

  private withVersion<C extends GroupItem & { readonly kind: Exclude<GroupItem["kind"], "openAccount"> }>(
    command: C,
  ): C {
    const { random } = this;
    if (!random.chance(9)) return command;
    const version = this.versionOf(command);
    return {
      ...command,
      expectedVersion: random.chance(45) ? version : Math.max(1, version + random.pick([-1, 1, 7])),
    };
  }

  /** The version that a command can expect; 1 for want of a better one. */
  private versionOf(command: GroupItem): number {
    const { books } = this;
    const name =
      "account" in command
        ? books.customer(command.account)?.name
        : "from" in command
          ? books.customer(command.from)?.name
          : "hold" in command
            ? books.holds.get(command.hold)?.account
            : "transaction" in command
              ? books.transactions.get(command.transaction)?.account
              : undefined;
    return name === undefined ? 1 : books.account(name).version;
  }
}

/** What can go out; with a least floor of zero, what can be held. */
function spendable({ floor = 0n, held, posted }: NaiveAccount, leastFloor = MIN): bigint {
  return posted - held - (floor < leastFloor ? leastFloor : floor);
}

function fees(branch: number, { currency }: NaiveAccount): string {
  return `fees/${branch}/${currency}`;
}

function money({ currency }: NaiveAccount, minor: bigint): Money {
  return { currency, minor };
}

/** No less than what may be, and no more than 64 bits hold. */
function within(value: bigint, least: bigint): bigint {
  return value < least ? least : value > MAX ? MAX : value;
}
