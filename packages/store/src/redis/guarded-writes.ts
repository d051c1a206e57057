import { AppendUnknownError, CorruptStoreError, LeaseLostError } from "../errors.ts";
import type { Reply } from "./connection.ts";
import type { HeldLease } from "./held-lease.ts";
import type { Keys } from "./keys.ts";
import type { LeaseClock } from "./lease-clock.ts";
import type { FunctionName } from "./library.ts";
import type { Link } from "./link.ts";
import type { Fields } from "./meta.ts";
import { type Packable, Packer } from "./pack.ts";
import { replicationFailure, writeFailure } from "./redis-errors.ts";
import type { RedisPlace } from "./redis-place.ts";

/** What has to be so at the server for a write to happen. Whatever is not named is not looked at. */
export interface Expected {
  /** Keys, each followed by the type that it has, if it is there. */
  readonly types?: readonly string[];
  /** Fields of the meta hash with their values. */
  readonly facts?: Fields;
  /** Streams, each followed by the count of its entries. */
  readonly lengths?: readonly string[];
}

/**
 * Everything that the holder of a token writes: each write names the token and the epoch, and is carried out only where the
 * server has them.
 */
export class GuardedWrites {
  readonly token: string;
  readonly #link: Link;
  readonly #keys: Keys;
  readonly #place: RedisPlace;
  readonly #clock: LeaseClock;
  readonly #waitMs: number;
  readonly #lease: () => HeldLease;
  #epoch: number;
  #beat: number;
  /** Of a write that ended without an answer: until the token is replaced, no other is begun. */
  #doubt: AppendUnknownError | undefined;

  constructor(options: {
    readonly link: Link;
    readonly keys: Keys;
    readonly place: RedisPlace;
    readonly clock: LeaseClock;
    /** So long replicas may take. Signs of life wait behind it, so it is shorter than the lease. */
    readonly waitMs: number;
    readonly token: string;
    readonly beat: number;
    readonly epoch: number;
    readonly lease: () => HeldLease;
  }) {
    this.#link = options.link;
    this.#keys = options.keys;
    this.#place = options.place;
    this.#clock = options.clock;
    this.#waitMs = options.waitMs;
    this.token = options.token;
    this.#beat = options.beat;
    this.#epoch = options.epoch;
    this.#lease = options.lease;
  }

  get doubt(): AppendUnknownError | undefined {
    return this.#doubt;
  }

  /** The epoch that the server has from here on. */
  set epoch(epoch: number) {
    this.#epoch = epoch;
  }

  /** A sign of life, and nothing else. What becomes of it leaves no doubt. */
  async beat(): Promise<void> {
    await this.#run("write_lease", "give a sign of life", {}, [], []);
  }

  /** Changes what the store says of its holder. */
  async changeLease(fields: Fields): Promise<void> {
    await this.#run("write_lease", "change what the store says of its holder", {}, [], fields);
  }

  /** Gives the token back: also where nobody can know any more whether it is still the server's, for the server knows. */
  async release(fields: Fields): Promise<void> {
    const plan = [...this.#common({}), [], ["token", "", "address", "", ...fields, ...this.#nextBeat()]];
    await this.#link.run("write_lease", this.#keys.meta, [Packer.pack(plan)]);
  }

  /** Throws: `AppendUnknownError`. */
  requireNoDoubt(what: string): void {
    if (this.#doubt === undefined) return;
    throw new AppendUnknownError(
      `${what}: an earlier write to ${this.#place.name} is in doubt: recover the store first`,
      { cause: this.#doubt },
    );
  }

  /**
   * Carries out commands, then sets fields of the meta hash.
   * Rejects with: `AppendRefusedError`, `AppendUnknownError`; `LeaseLostError`; `CorruptStoreError`.
   */
  async write(what: string, expected: Expected, commands: readonly Packable[], fields: Fields): Promise<void> {
    await this.#doubting(what, () => this.#run("write", what, expected, commands, fields));
  }

  /** The same for one of the other functions, with what it needs besides the plan's common part. */
  async call(
    name: FunctionName,
    what: string,
    expected: Expected,
    { plan, args }: { readonly plan: (fields: Fields) => readonly Packable[]; readonly args: readonly Buffer[] },
  ): Promise<void> {
    await this.#doubting(what, () =>
      this.#send(name, what, [...this.#common(expected), ...plan(this.#nextBeat())], args),
    );
  }

  /** Looks at what is there for a write, and fails as that would: for the caller it is one step of it. */
  async look<T>(what: string, look: () => Promise<T>): Promise<T> {
    return this.#doubting(what, () => look().catch((error: unknown) => Promise.reject(writeFailure(error, what))));
  }

  /**
   * Resolves once as many replicas as are asked for have everything that was written over this connection.
   * Rejects with: `AppendUnknownError` where they are too few, or that cannot be asked: it is on the master's disk, and does not
   * count yet.
   */
  async replicated(what: string): Promise<void> {
    const { waitReplicas, waitAof } = this.#place;
    if (waitAof > 0) {
      // The master's own file is synced before it answers at all; asked for all the same, it refuses where it keeps none.
      const counts = await this.#ask(what, ["WAITAOF", "1", String(waitAof), String(this.#waitMs)]);
      const [own, others] = Array.isArray(counts) ? counts.map(Number) : [];
      this.#requireCount(what, { count: own === 1 ? (others ?? 0) : 0, needed: waitAof, where: "on the disks of" });
    }
    if (waitReplicas > waitAof) {
      const count = Number(await this.#ask(what, ["WAIT", String(waitReplicas), String(this.#waitMs)]));
      this.#requireCount(what, { count, needed: waitReplicas, where: "on" });
    }
  }

  async #ask(what: string, command: readonly string[]): Promise<Reply> {
    return this.#doubting(what, () =>
      this.#link.call(command).catch((error: unknown) => Promise.reject(replicationFailure(error, what))),
    );
  }

  #requireCount(
    what: string,
    { count, needed, where }: { readonly count: number; readonly needed: number; readonly where: string },
  ): void {
    if (count >= needed) return;
    const error = new AppendUnknownError(
      `${what}: it is on the disk of ${this.#place.name}, but ${where} ${count} of ${needed} replicas`,
    );
    this.#doubt ??= error;
    throw error;
  }

  async #run(
    name: FunctionName,
    what: string,
    expected: Expected,
    commands: readonly Packable[],
    fields: Fields,
  ): Promise<void> {
    await this.#send(name, what, [...this.#common(expected), commands, [...fields, ...this.#nextBeat()]], []);
  }

  /** What every plan begins with. */
  #common({ types = [], facts = [], lengths = [] }: Expected): readonly Packable[] {
    return [
      [this.#keys.meta, "hash", ...types],
      ["token", this.token, "epoch", String(this.#epoch), ...facts],
      lengths,
    ];
  }

  #nextBeat(): Fields {
    return ["beat", String(++this.#beat)];
  }

  async #send(name: FunctionName, what: string, plan: readonly Packable[], args: readonly Buffer[]): Promise<void> {
    const lease = this.#lease();
    lease.requireHeld();
    const sentMs = this.#clock.nowMs();
    let reply: Reply;
    try {
      reply = await this.#link.run(name, this.#keys.meta, [Packer.pack(plan), ...args]);
    } catch (error) {
      const failure = writeFailure(error, what);
      if (failure instanceof LeaseLostError) lease.lose(failure);
      throw failure;
    }
    const [answer, field, found] = Array.isArray(reply) ? reply.map(String) : [];
    if (answer === "done") return lease.renewed(sentMs);
    if (answer === "fact" && field === "token") {
      const error = new LeaseLostError(
        `another server has taken ${this.#place.name} over: nothing was stored (${what})`,
      );
      lease.lose(error);
      throw error;
    }
    throw new CorruptStoreError(
      `${what}: nothing was stored, because ${this.#place.name} is not as this server left it ` +
        `(${String(answer)} ${String(field)} is "${String(found)}"): somebody else has written there, or it has lost something`,
    );
  }

  async #doubting<T>(what: string, act: () => Promise<T>): Promise<T> {
    this.requireNoDoubt(what);
    try {
      return await act();
    } catch (error) {
      if (error instanceof AppendUnknownError) this.#doubt ??= error;
      throw error;
    }
  }
}
