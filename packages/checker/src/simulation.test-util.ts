import type { Random } from "@bank/testkit";
import { aboutHistory } from "./format/history-writer.ts";
import type {
  History,
  Movement,
  Operation,
  ReadConsistency,
  ReadOutcome,
  WriteAction,
  WriteOperation,
  WriteOutcome,
} from "./history.ts";
import { movementsOf } from "./history.ts";
import { type Answer, SimulatedBank, SimulatedBranch } from "./simulated-bank.test-util.ts";

/** What kind of life is simulated. */
export interface SimulationOptions {
  readonly clients?: number;
  readonly accounts?: number;
  readonly branches?: number;
  /** Whether operations couple accounts: transfers, groups, reads of several. Default: yes. */
  readonly isCoupled?: boolean;
  /** Whether there are holds, which the black-box checker does not know. Default: no. */
  readonly hasHolds?: boolean;
  /** So many writes of a hundred get no answer. Default: 5. */
  readonly unknownPercent?: number;
}

interface Client {
  readonly name: string;
  readonly session: { readonly name: string; position: number } | undefined;
  /** A write without an answer, which is tried again. */
  retry: WriteOperation | undefined;
}

type Untimed = { readonly client: string; readonly server: string; readonly session: string | undefined };
interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Clients, branches and a bank in simulated time, with lost messages and branches that are cut off; all is recorded. */
export class Simulation {
  readonly bank = new SimulatedBank();
  readonly operations: Operation[] = [];
  nowMs = 1;
  readonly random: Random;
  private readonly options: Required<SimulationOptions>;
  private readonly branches: readonly SimulatedBranch[];
  private readonly clients: readonly Client[];
  private readonly events: Event[] = [];
  private eventCount = 0;
  private requestCount = 0;
  private left = 0;

  constructor(random: Random, options: SimulationOptions = {}) {
    this.random = random;
    this.options = {
      clients: 5,
      accounts: 4,
      branches: 3,
      isCoupled: true,
      hasHolds: false,
      unknownPercent: 5,
      ...options,
    };
    this.branches = Array.from(
      { length: this.options.branches },
      (_, n) => new SimulatedBranch(this.bank, `branch-${n + 1}`, 0.25 * (1 + random.below(40))),
    );
    const shared = { name: "shared", position: 0 };
    this.clients = Array.from({ length: this.options.clients }, (_, n) => ({
      name: `c${n}`,
      session: n % 4 === 3 ? undefined : n % 4 === 2 ? shared : { name: `s${n}`, position: 0 },
      retry: undefined,
    }));
    for (let n = 0; n < this.options.accounts; n++) this.open();
  }

  get history(): History {
    return { about: aboutHistory(), accounts: [], records: this.bank.records, operations: this.operations };
  }

  /** Lets so many operations happen, and waits for all that is under way. */
  run(operations: number): this {
    this.left = operations;
    for (const client of this.clients) this.later(this.pause(), () => this.next(client));
    for (let event = pop(this.events); event !== undefined; event = pop(this.events)) {
      this.nowMs = Math.max(this.nowMs, event.atMs);
      event.run();
    }
    return this;
  }

  newRequest(): string {
    return `r${++this.requestCount}`;
  }

  /** Lets a moment pass. */
  pass(ms = 1): number {
    this.nowMs += ms;
    return this.nowMs;
  }

  /** All branches that are connected show that position. */
  spread(position: number): void {
    for (const branch of this.branches) if (branch.isConnected) branch.reach(position);
  }

  private open(): void {
    const request = this.newRequest();
    const account = this.bank.openCustomer(request, this.pass());
    const outcome: WriteOutcome = { status: "ok", position: this.bank.position, account };
    const invokeMs = this.nowMs;
    this.operations.push({ client: "c0", kind: "openAccount", request, invokeMs, returnMs: this.pass(), outcome });
  }

  private next(client: Client): void {
    if (this.left <= 0) return;
    this.left--;
    const { random } = this;
    const other = random.pick(this.branches);
    if (random.chance(other.isConnected ? 1 : 10)) this.toggle(other);
    const branch = random.pick(this.branches);
    if (client.retry !== undefined || random.chance(50)) this.write(client, branch);
    else this.read(client, branch);
  }

  private toggle(branch: SimulatedBranch): void {
    if (branch.isConnected) branch.cut();
    else branch.join(this.nowMs);
  }

  private write(client: Client, branch: SimulatedBranch): void {
    const { bank, random } = this;
    const invokeMs = this.nowMs;
    const { retry } = client;
    client.retry = undefined;
    const action = retry === undefined ? this.action() : retry;
    const request = retry?.request ?? this.newRequest();
    const toAll = random.chance(10);
    const call = {
      ...this.callOf(client, branch),
      invokeMs,
      ...(toAll ? { propagation: { mode: "allBranches" } as const } : {}),
    };
    const end = (returnMs: number | undefined, outcome: WriteOutcome) => {
      const operation = { ...actionOf(action), ...call, request, returnMs, outcome } as WriteOperation;
      this.operations.push(operation);
      if (outcome.status === "unknown" ? random.chance(60) : random.chance(4)) client.retry = operation;
      this.later(this.pause(), () => this.next(client));
    };
    const execute = () => this.execute(request, action);
    if (!branch.isConnected || random.chance(3)) {
      this.later(this.delay(), () => end(this.nowMs, { status: "notApplied", reason: "UNAVAILABLE" }));
    } else if (random.chance(this.options.unknownPercent)) {
      // The request is lost, or its answer, or it lies around for long.
      if (random.chance(70)) this.later(random.chance(50) ? this.delay() : 40 * this.delay(), execute);
      const hasReturn = random.chance(50);
      this.later(2 * this.delay(), () => end(hasReturn ? this.nowMs : undefined, { status: "unknown" }));
    } else {
      this.later(this.delay(), () => {
        const answer = execute();
        this.later(this.delay(), () => {
          const { position } = answer;
          branch.reach(position);
          if (toAll) this.spread(position);
          if (client.session !== undefined) client.session.position = Math.max(client.session.position, position);
          const session = Math.max(position, bank.positionAt(this.nowMs - 3));
          const isSpread = answer.status === "ok" && toAll;
          end(this.nowMs, { ...answer, session, ...(isSpread ? { propagation: { satisfied: true } } : {}) });
        });
      });
    }
  }

  private execute(request: string, action: WriteAction): Answer {
    const { bank, nowMs } = this;
    if (this.random.chance(2)) bank.commit({ kind: "other" }, nowMs);
    if (action.kind === "openAccount") {
      const known = bank.answerTo(request);
      if (known !== undefined) return known;
      const account = bank.openCustomer(request, nowMs);
      return { status: "ok", position: bank.position, account };
    }
    if (action.kind === "other") return bank.hold(request, action.accounts[0]!, 3n, nowMs);
    return bank.execute(request, movementsOf(action)!, action.kind === "group", nowMs);
  }

  private action(): WriteAction {
    const { options, random } = this;
    if (random.chance(100 / (100 + this.bank.customers.length))) return { kind: "openAccount" };
    if (options.hasHolds && random.chance(5))
      return { kind: "other", name: "placeHold", accounts: [random.pick(this.bank.customers)] };
    if (options.isCoupled && random.chance(10))
      return { kind: "group", items: Array.from({ length: 1 + random.below(3) }, () => this.movement()) };
    return this.movement();
  }

  private movement(): Movement {
    const { random } = this;
    const amount = BigInt(1 + random.below(random.chance(30) ? 40 : 5));
    const account = this.account();
    if (this.options.isCoupled && random.chance(40))
      return { kind: "transfer", from: account, to: this.account(), amount };
    return { kind: random.chance(50) ? "deposit" : "withdraw", account, amount };
  }

  private account(): string {
    const { random } = this;
    return random.chance(1) ? "999" : random.pick(this.bank.customers);
  }

  private read(client: Client, branch: SimulatedBranch): void {
    const { bank, random } = this;
    const invokeMs = this.nowMs;
    const floor = client.session?.position ?? 0;
    const isTotal = this.options.isCoupled && random.chance(30);
    const accounts = isTotal
      ? bank.customers.filter(() => random.chance(Math.min(80, 800 / bank.customers.length)))
      : [random.pick(bank.customers)];
    const consistency = this.consistency();
    this.later(this.delay(), () => {
      const outcome = this.serve(branch, accounts, consistency, floor);
      this.later(this.delay(), () => {
        const isPast = consistency.mode === "position" || consistency.mode === "time";
        if (client.session !== undefined && outcome.status === "ok" && !isPast)
          client.session.position = Math.max(client.session.position, outcome.position);
        this.operations.push({
          ...this.callOf(client, branch),
          kind: isTotal ? "total" : "balance",
          accounts,
          consistency,
          invokeMs,
          returnMs: this.nowMs,
          outcome: random.chance(1) ? { status: "unknown" } : outcome,
        });
        this.later(this.pause(), () => this.next(client));
      });
    });
  }

  private consistency(): ReadConsistency {
    const { bank, random } = this;
    if (random.chance(5)) return { mode: "position", position: 1 + random.below(bank.position) };
    if (random.chance(5)) {
      const timeMs = bank.journalMs(bank.position - random.below(Math.min(100, bank.position))) - random.below(2);
      if (timeMs < bank.journalMs(bank.position)) return { mode: "time", timeMs };
    }
    if (random.chance(20)) return { mode: "bounded", maxStalenessMs: 1 + random.below(15) };
    return { mode: random.pick(["linearizable", "linearizable", "session", "local"] as const) };
  }

  private serve(
    branch: SimulatedBranch,
    accounts: readonly string[],
    consistency: ReadConsistency,
    floor: number,
  ): ReadOutcome {
    const { bank, nowMs, random } = this;
    const unavailable: ReadOutcome = { status: "notApplied", reason: "UNAVAILABLE" };
    branch.follow(nowMs);
    const isStale = consistency.mode === "bounded" && branch.stalenessMs(nowMs) > consistency.maxStalenessMs - 1;
    if (consistency.mode === "linearizable" || isStale) {
      if (!branch.isConnected) return unavailable;
      branch.catchUp(nowMs);
    }
    if (consistency.mode === "session" || consistency.mode === "bounded") {
      if (!branch.isConnected && branch.position < floor) return unavailable;
      branch.reach(floor);
    }
    let { position } = branch;
    if (consistency.mode === "position") ({ position } = consistency);
    if (consistency.mode === "time")
      position = bank.records.findLast(({ timeMs }) => timeMs! <= consistency.timeMs)?.position ?? 0;
    const balances = accounts.map((account) => bank.balanceAt(account, position));
    if (balances.some((balance) => balance === undefined)) return { status: "notApplied", reason: "ACCOUNT_NOT_FOUND" };
    return {
      status: "ok",
      position,
      balances: balances as bigint[],
      session: Math.max(position, branch.position),
      connected: branch.isConnected,
      ...(random.chance(80) || consistency.mode === "bounded"
        ? { stalenessMs: Math.ceil(branch.stalenessMs(nowMs)) }
        : {}),
    };
  }

  private callOf(client: Client, branch: SimulatedBranch): Untimed {
    return { client: client.name, server: branch.name, session: client.session?.name };
  }

  private delay(): number {
    return 0.25 * (1 + this.random.below(12));
  }

  /** Some clients send the next call in the very moment of an answer. */
  private pause(): number {
    return this.random.chance(30) ? 0 : this.delay();
  }

  private later(afterMs: number, run: () => void): void {
    push(this.events, { atMs: this.nowMs + afterMs, order: this.eventCount++, run });
  }
}

function actionOf(action: WriteAction): WriteAction {
  switch (action.kind) {
    case "deposit":
    case "withdraw":
      return { kind: action.kind, account: action.account, amount: action.amount };
    case "transfer":
      return { kind: "transfer", from: action.from, to: action.to, amount: action.amount };
    case "group":
      return { kind: "group", items: action.items };
    case "other":
      return { kind: "other", name: action.name, accounts: action.accounts };
    case "openAccount":
      return { kind: "openAccount" };
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs;
}

/** A binary heap, the earliest event first. */
function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  for (let up = (at - 1) >> 1; at > 0 && isBefore(event, heap[up]!); at = up, up = (at - 1) >> 1) heap[at] = heap[up]!;
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let down = 2 * at + 1;
    if (down >= heap.length) break;
    if (down + 1 < heap.length && isBefore(heap[down + 1]!, heap[down]!)) down++;
    if (!isBefore(heap[down]!, last)) break;
    heap[at] = heap[down]!;
    at = down;
  }
  heap[at] = last;
  return first;
}
