import type { Server } from "./connections.ts";

/** How long a server that failed is not asked first, before chance: at the first time … */
const REST_MIN_MS = 5_000;
/** … sooner one that was silent, which is not asked at all while it rests, unless all are silent … */
const SILENT_REST_MIN_MS = 2_000;
/** … and at the most: it doubles with each failure without an answer between them. */
const REST_MAX_MS = 60_000;

interface Place {
  readonly server: Server;
  /** Not asked first until then, by the monotonic clock; 0 for one that works, as far as is known. */
  restUntilMs: number;
  /** When it last failed, to count failures of tries that were under way together as one. */
  failedAtMs: number;
  /** How often it has failed since it last worked. */
  failures: number;
  /** Whether it gave no sign of life when it last failed: it is asked behind those that did. */
  isSilent: boolean;
}

/** What stands around a pool. */
export interface PoolSurroundings {
  /** Monotonic. */
  nowMs(): number;
  /** At least 0 and below 1. */
  random(): number;
}

const REAL: PoolSurroundings = { nowMs: () => performance.now(), random: Math.random };

/**
 * The servers that calls go to, in the order of the caller's preference.
 *
 * Each call goes first to the first server that does not rest. A server that fails rests for 5 s, longer each time up to a
 * minute, shortened by chance by up to a half; so calls stay with the one that worked. When its rest is over, one call
 * goes to it again and sees: an answer brings all calls back to it. Where all rest, those that have said why go first, and one that
 * fell silent is not waited for again before its rest is over.
 */
export class ServerPool {
  private readonly places: readonly Place[];
  private readonly around: PoolSurroundings;

  /** @param servers at least one; different ones. */
  constructor(servers: readonly Server[], around: PoolSurroundings = REAL) {
    this.places = servers.map((server) => ({
      server,
      restUntilMs: 0,
      failedAtMs: 0,
      failures: 0,
      isSilent: false,
    }));
    this.around = around;
  }

  get servers(): readonly Server[] {
    return this.places.map(({ server }) => server);
  }

  /** The server that the next call goes to, unless it is the one that looks whether another is back. */
  get first(): Server {
    const proven = this.places.find(({ restUntilMs }) => restUntilMs === 0);
    return (proven ?? this.soonest(this.places)).server;
  }

  /** The way of one call through the servers. */
  begin(): Route {
    return new Route(this);
  }

  /** Whom to ask next of these, and whether it has to prove first that it works again. */
  choose(among: ReadonlySet<Server>): { readonly server: Server; readonly isUnproven: boolean } {
    const nowMs = this.around.nowMs();
    const candidates = this.places.filter(({ server }) => among.has(server));
    const place = candidates.find(({ restUntilMs }) => restUntilMs <= nowMs) ?? this.soonest(candidates);
    const isUnproven = place.restUntilMs !== 0;
    // Whoever else comes meanwhile does not wait for what this try finds out.
    if (isUnproven) place.restUntilMs = nowMs + this.rest(place);
    return { server: place.server, isUnproven };
  }

  worked(server: Server): void {
    const place = this.placeOf(server);
    place.restUntilMs = 0;
    place.failures = 0;
    place.isSilent = false;
  }

  /**
   * @param sinceMs when the try began.
   * @param isSilent whether there was no answer at all.
   */
  failed(server: Server, { sinceMs, isSilent }: { readonly sinceMs: number; readonly isSilent: boolean }): void {
    const place = this.placeOf(server);
    place.isSilent = isSilent;
    if (place.failedAtMs > sinceMs) return;
    const nowMs = this.around.nowMs();
    place.failedAtMs = nowMs;
    place.restUntilMs = nowMs + this.rest(place);
    place.failures++;
  }

  /** Whether it would only be waited for, for all that is known. */
  isSilent(server: Server): boolean {
    const { isSilent, restUntilMs } = this.placeOf(server);
    return isSilent && restUntilMs > this.around.nowMs();
  }

  nowMs(): number {
    return this.around.nowMs();
  }

  private rest({ failures, isSilent }: Place): number {
    const firstMs = isSilent ? SILENT_REST_MIN_MS : REST_MIN_MS;
    return Math.min(REST_MAX_MS, firstMs * 2 ** failures) * (1 - this.around.random() / 2);
  }

  private soonest(places: readonly Place[]): Place {
    const speaking = places.filter(({ isSilent }) => !isSilent);
    const among = speaking.length > 0 ? speaking : places;
    return among.reduce((a, b) => (b.restUntilMs < a.restUntilMs ? b : a));
  }

  private placeOf(server: Server): Place {
    const place = this.places.find((each) => each.server === server);
    if (place === undefined) throw new Error(`${server.url} is not of this pool`);
    return place;
  }
}

/** How a server failed where another may do better. */
export interface ServerFailure {
  /** It is down, hangs or is cut off: other calls should not go to it first for a while either. */
  readonly rests: boolean;
  /** It will never answer this call otherwise. */
  readonly isLasting: boolean;
  /** It said nothing in the time that it was given. */
  readonly isSilence: boolean;
  /** It says nothing, whatever time it is given. Default: `isSilence`. */
  readonly isSilent?: boolean;
}

/** A server that has not answered for so long rests; who gave it less time has learnt nothing. */
const SILENCE_MIN_MS = 250;

/** One call's way through the servers, a round at a time: in each round it asks every server once at the most. */
export class Route {
  server: Server;
  private readonly pool: ServerPool;
  /** Those that it has not asked in this round. */
  private untried: Set<Server>;
  /** Those that cannot answer this call, however often they are asked. */
  private readonly hopeless = new Set<Server>();
  private isUnproven: boolean;
  private askedAtMs: number;
  /** Whether a server has said something in this round. */
  private isHeard = false;

  constructor(pool: ServerPool) {
    this.pool = pool;
    this.untried = new Set(pool.servers);
    this.askedAtMs = pool.nowMs();
    const { server, isUnproven } = pool.choose(this.untried);
    this.server = server;
    this.isUnproven = isUnproven;
    this.untried.delete(server);
  }

  /** Whether there is a server that was not asked in this round, and should be. */
  get hasOther(): boolean {
    for (const server of this.untried) if (!this.isHeard || !this.pool.isSilent(server)) return true;
    return false;
  }

  /**
   * How much of the time that is left the next try may take: all of it at the last server of a round, else half, and a
   * second at the most where the server failed before. So one that hangs does not eat the time of those that work.
   */
  timeoutMs(leftMs: number): number {
    this.askedAtMs = this.pool.nowMs();
    if (!this.hasOther) return leftMs;
    const halfMs = Math.max(1, Math.floor(leftMs / 2));
    return this.isUnproven ? Math.min(halfMs, UNPROVEN_MS) : halfMs;
  }

  /** The server gave an answer, whatever it was. */
  answered(): void {
    this.pool.worked(this.server);
  }

  /** The server gave no answer that counts, and another might. */
  failed({ rests, isLasting, isSilence, isSilent = isSilence }: ServerFailure): void {
    if (isLasting) this.hopeless.add(this.server);
    if (!isSilent) this.isHeard = true;
    const learntNothing = isSilence && this.pool.nowMs() - this.askedAtMs < SILENCE_MIN_MS;
    if (rests && !learntNothing) this.pool.failed(this.server, { sinceMs: this.askedAtMs, isSilent });
  }

  /** Goes on to a server that was not asked in this round. There must be one. */
  goOn(): void {
    const { server, isUnproven } = this.pool.choose(this.untried);
    this.server = server;
    this.isUnproven = isUnproven;
    this.untried.delete(server);
  }

  /** Begins another round of those that may still answer. False when none may. */
  again(): boolean {
    this.untried = new Set(this.pool.servers.filter((server) => !this.hopeless.has(server)));
    this.isHeard = false;
    if (this.untried.size === 0) return false;
    this.goOn();
    return true;
  }
}

/** How long a server that failed before may take to show that it works again, while there are others. */
const UNPROVEN_MS = 1_000;
