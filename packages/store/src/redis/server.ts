import { AppendUnknownError, CorruptStoreError, StoreClosedError, StoreError } from "../errors.ts";
import type { StoreHead } from "../port.ts";
import { HeldLease, type LeaseWrites } from "./held-lease.ts";
import { Keys } from "./keys.ts";
import { type LeaseClock, monotonicClock } from "./lease-clock.ts";
import { Link } from "./link.ts";
import { readFailure } from "./redis-errors.ts";
import { parseRedisUrl, type RedisPlace } from "./redis-place.ts";
import type { TrustedServer } from "./settings.ts";
import { type LeasePlace, replaceToken, type TakenLease, takeLease } from "./take-lease.ts";
import { Tenure } from "./tenure.ts";

const TTL_DEFAULT_MS = 2_000;
const TIMEOUT_DEFAULT_MS = 10_000;

export interface ServerOptions {
  /** `redis:` or `rediss:`; see `parseRedisUrl`. */
  readonly url: string;
  /** A holder that gives no sign of life for so long may be replaced. Default what the URL says, else 2,000 ms. */
  readonly ttlMs?: number;
  /** Who does not answer for so long is taken to be gone. Default 10,000 ms. */
  readonly timeoutMs?: number;
  /** Default the process's own. */
  readonly clock?: LeaseClock;
}

type Phase =
  /** Holds nothing. Left by `open`. */
  | { readonly kind: "closed" }
  /** Has the token, or had it a moment ago; a write may be in doubt. Left by `close`, and by `recover`. */
  | { readonly kind: "held"; readonly tenure: Tenure; readonly tokens: Set<string> }
  /** `recover` gave up the connection and could not make another, or not settle. Left by another `recover`. */
  | { readonly kind: "dropped"; readonly tokens: Set<string>; readonly known: Known; readonly cause: unknown };

/** What this store has seen acknowledged: a server that has less has lost something. */
interface Known {
  readonly head: StoreHead | undefined;
  readonly epoch: number;
}

/** What the store has of the server: nothing, or the lease and one tenure after the other. */
export class Server {
  readonly place: RedisPlace;
  readonly #keys: Keys;
  readonly #clock: LeaseClock;
  readonly #ttlMs: number;
  readonly #timeoutMs: number;
  #phase: Phase = { kind: "closed" };
  #lease: HeldLease | undefined;
  #warnings: readonly string[] = [];
  readonly #trusted: TrustedServer = { runId: undefined };
  /** `open`, `recover` and `close`, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The connection over which the store is being opened. */
  #opening: Link | undefined;
  #isAbandoned = false;

  constructor(options: ServerOptions) {
    this.place = parseRedisUrl(options.url);
    this.#keys = new Keys(this.place.prefix);
    this.#clock = options.clock ?? monotonicClock;
    this.#ttlMs = options.ttlMs ?? this.place.leaseMs ?? TTL_DEFAULT_MS;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_DEFAULT_MS;
  }

  get lease(): HeldLease | undefined {
    return this.#lease;
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  get isOpen(): boolean {
    return this.#phase.kind !== "closed";
  }

  get current(): Tenure | undefined {
    return this.#phase.kind === "held" ? this.#phase.tenure : undefined;
  }

  /** For a look. Throws: `StoreClosedError`; `StoreError` while the store is not recovered. */
  tenure(): Tenure {
    const phase = this.#phase;
    switch (phase.kind) {
      case "closed":
        throw this.#closed();
      case "dropped":
        throw new StoreError(`${this.place.name} is not recovered: recover it`, { cause: phase.cause });
      case "held":
        return phase.tenure;
    }
  }

  /** For a write. Throws: `StoreClosedError`; `AppendUnknownError` where the store has to be recovered first. */
  writable(): Tenure {
    const phase = this.#phase;
    if (phase.kind === "dropped")
      throw new AppendUnknownError(`${this.place.name} is not recovered: recover it first`, { cause: phase.cause });
    const tenure = this.tenure();
    tenure.writes.requireNoDoubt("write");
    return tenure;
  }

  open(): Promise<Tenure> {
    return this.#inTurn(async () => {
      if (this.#phase.kind !== "closed") throw new StoreError(`the store in ${this.place.name} is open already`);
      const at = await this.#reach();
      try {
        const taken = await takeLease(at);
        this.#lease = this.#newLease(at, taken);
        const tenure = await Tenure.begin(at, taken, () => this.#held());
        await this.#settle(at, tenure);
        this.#phase = { kind: "held", tenure, tokens: new Set([taken.token]) };
        return tenure;
      } catch (error) {
        this.#lease?.stop();
        this.#lease = undefined;
        at.link.close();
        throw error;
      }
    });
  }

  recover(): Promise<Tenure> {
    return this.#inTurn(async () => {
      const phase = this.#drop();
      const at = await this.#reach();
      try {
        const taken = await replaceToken(at, phase.tokens);
        if (this.#lease === undefined || this.#lease.lost.aborted) this.#lease = this.#newLease(at, taken);
        else this.#lease.goOn(this.#leaseWrites(), taken.sentMs);
        const tenure = await Tenure.begin(at, taken, () => this.#held());
        await this.#requireNothingLost(tenure, phase.known);
        await this.#settle(at, tenure);
        this.#phase = { kind: "held", tenure, tokens: new Set([taken.token]) };
        return tenure;
      } catch (error) {
        at.link.close();
        throw error;
      }
    });
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      const phase = this.#phase;
      this.#phase = { kind: "closed" };
      try {
        if (phase.kind === "held") await phase.tenure.release({ isClean: phase.tenure.writes.doubt === undefined });
      } catch {
        // It stays marked as not closed, and others wait until the lease has run out: which is true, and safe.
      } finally {
        this.#end(phase);
      }
    });
  }

  abandon(): void {
    const phase = this.#phase;
    this.#phase = { kind: "closed" };
    this.#isAbandoned = true;
    this.#opening?.close();
    this.#end(phase);
  }

  #end(phase: Phase): void {
    this.#lease?.stop();
    this.#lease = undefined;
    if (phase.kind === "held") phase.tenure.at.link.close();
  }

  /** Ends the connection, and with it whatever is on its way. Throws: `StoreClosedError`. */
  #drop(): Extract<Phase, { kind: "dropped" }> {
    const phase = this.#phase;
    if (phase.kind === "closed") throw this.#closed();
    if (phase.kind === "dropped") return phase;
    const { tenure, tokens } = phase;
    tenure.at.link.close();
    const known = { head: tenure.head, epoch: tenure.facts.epoch };
    const dropped = { kind: "dropped", tokens, known, cause: tenure.writes.doubt } as const;
    this.#phase = dropped;
    return dropped;
  }

  async #reach(): Promise<LeasePlace> {
    this.#isAbandoned = false;
    let link: Link;
    try {
      link = await Link.open(this.place, {
        timeoutMs: this.#timeoutMs,
        trusted: this.#trusted,
        onWarnings: (warnings) => {
          this.#warnings = warnings;
        },
      });
    } catch (error) {
      throw readFailure(error, `open ${this.place.name}`);
    }
    this.#opening = link;
    if (this.#isAbandoned) link.close();
    return { link, keys: this.#keys, place: this.place, clock: this.#clock, ttlMs: this.#ttlMs };
  }

  /** What was found counts only once enough replicas have it, and the token that excludes others. */
  async #settle({ place }: LeasePlace, tenure: Tenure): Promise<void> {
    try {
      await tenure.writes.replicated(`take ${place.name}`);
    } catch (error) {
      throw error instanceof AppendUnknownError ? new StoreError(error.message, { cause: error }) : error;
    }
  }

  /** Throws: `CorruptStoreError`. */
  async #requireNothingLost(tenure: Tenure, known: Known): Promise<void> {
    const { head, facts, journal } = tenure;
    const position = known.head?.position ?? 0;
    const isShort = (head?.position ?? 0) < position || facts.epoch < known.epoch;
    const isSame = async () => {
      if (position === 0 || position === facts.gap?.upTo.position) return true;
      const hash = await journal.chainHashAt(facts.parts, position);
      return hash !== undefined && Buffer.compare(hash, known.head?.chainHash ?? hash) === 0;
    };
    if (isShort || !(await isSame()))
      throw new CorruptStoreError(
        `${this.place.name} acknowledged position ${position} under epoch ${known.epoch} and does not have it any more: ` +
          "it lost its end, or another server answers in its place",
      );
  }

  #newLease(at: LeasePlace, { sentMs }: TakenLease): HeldLease {
    const { clock, ttlMs } = at;
    return new HeldLease({ clock, ttlMs, name: this.place.name, writes: this.#leaseWrites(), sentMs });
  }

  #leaseWrites(): LeaseWrites {
    const writes = () => {
      const { current } = this;
      if (current === undefined) throw new StoreError(`there is no connection to ${this.place.name}`);
      return current.writes;
    };
    return {
      beat: async () => writes().beat(),
      announce: async (address) => writes().changeLease(["address", address]),
    };
  }

  #held(): HeldLease {
    if (this.#lease === undefined) throw this.#closed();
    return this.#lease;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act, act);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #closed(): StoreClosedError {
    return new StoreClosedError(`the store in ${this.place.name} is not open`);
  }
}
