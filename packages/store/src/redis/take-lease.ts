import { randomBytes } from "node:crypto";
import { CorruptStoreError, LeaseLostError, StoreError, StoreLockedError } from "../errors.ts";
import type { Keys } from "./keys.ts";
import { type LeaseClock, pause } from "./lease-clock.ts";
import type { Link } from "./link.ts";
import { type Fields, type LeaseFields, type Meta, newStoreFields, parseMeta } from "./meta.ts";
import { Packer } from "./pack.ts";
import { readFailure } from "./redis-errors.ts";
import type { RedisPlace } from "./redis-place.ts";

/** How often a holder is looked at, as a part of the time to live. */
const LOOKS_PER_TTL = 10;

/** Where a lease is taken, and by which clock. */
export interface LeasePlace {
  readonly link: Link;
  readonly keys: Keys;
  readonly place: RedisPlace;
  readonly clock: LeaseClock;
  readonly ttlMs: number;
}

/** A token that the server has: everything that is written from here on names it. */
export interface TakenLease {
  readonly token: string;
  /** When the write that took it was sent. */
  readonly sentMs: number;
  readonly beat: number;
}

/**
 * Takes the lease: at once where nobody has it, else once its holder has given no sign of life for the time to live.
 * Rejects with: `StoreLockedError` when the holder lives; `CorruptStoreError`; `StoreVersionError`; `StoreError`.
 */
export async function takeLease(at: LeasePlace): Promise<TakenLease> {
  for (let watched: Watched | undefined; ; ) {
    const meta = await readMeta(at);
    const nowMs = at.clock.nowMs();
    const seen = meta?.lease;
    if (seen !== undefined && seen.token !== "") {
      if (watched === undefined) watched = { lease: seen, sinceMs: nowMs };
      else if (!isSame(watched.lease, seen)) throw locked(at, seen);
      if (nowMs - watched.sinceMs < at.ttlMs) {
        await pause(at.clock, at.ttlMs / LOOKS_PER_TTL);
        continue;
      }
    }
    const taken = await tryToTake(at, seen, meta === undefined ? newStoreFields() : []);
    if (taken !== undefined) return taken;
  }
}

interface Watched {
  readonly lease: LeaseFields;
  readonly sinceMs: number;
}

/**
 * Puts a new token in the place of one of the own ones. What was sent under those and still waits at the server somewhere is
 * excluded from here on: only then may be looked at what is there.
 * Rejects with: `LeaseLostError` when the token is another's; `CorruptStoreError`; `StoreError`.
 *
 * @param own tokens that the server may have; the new one is added before it is sent.
 */
export async function replaceToken(at: LeasePlace, own: Set<string>): Promise<TakenLease> {
  for (;;) {
    const seen = (await readMeta(at))?.lease;
    if (seen === undefined) throw new CorruptStoreError(`${at.place.name} is empty, but a bank lived there`);
    if (!own.has(seen.token))
      throw new LeaseLostError(`another server has taken ${at.place.name} over${where(seen)}: nothing was stored`, {
        holder: addressOf(seen),
      });
    const taken = await tryToTake(at, seen, [], own);
    if (taken !== undefined) return taken;
  }
}

/** The meta hash, after a look at whether there should be one. */
export async function readMeta({
  link,
  keys,
  place,
}: Pick<LeasePlace, "link" | "keys" | "place">): Promise<Meta | undefined> {
  try {
    const meta = parseMeta(await link.call(["HGETALL", keys.meta]), place.name);
    if (meta === undefined && (await link.call(["EXISTS", keys.journal(1), keys.snapshots])) !== 0)
      throw new CorruptStoreError(`${place.name} has a journal, but has lost what it says of itself (${keys.meta})`);
    return meta;
  } catch (error) {
    throw readFailure(error, `look into ${place.name}`);
  }
}

/** A conditional write: undefined where somebody has written since it was looked. */
async function tryToTake(
  { link, keys, clock, place }: LeasePlace,
  seen: LeaseFields | undefined,
  created: Fields,
  own?: Set<string>,
): Promise<TakenLease | undefined> {
  const token = randomBytes(16).toString("hex");
  own?.add(token);
  const beat = (seen?.beat ?? 0) + 1;
  const expected =
    seen === undefined ? ["token", "", "beat", "", "layout", ""] : ["token", seen.token, "beat", String(seen.beat)];
  // Who only replaces its own token is where it was.
  const address = own === undefined ? ["address", ""] : [];
  const fields = [...created, "token", token, ...address, "beat", String(beat)];
  const sentMs = clock.nowMs();
  try {
    const plan = Packer.pack([[keys.meta, "hash"], expected, [], [], fields]);
    const [answer] = [await link.run("write_lease", keys.meta, [plan])].flat();
    return String(answer) === "done" ? { token, sentMs, beat } : undefined;
  } catch (error) {
    const failure = readFailure(error, `take ${place.name}`);
    throw failure instanceof StoreError ? failure : error;
  }
}

function isSame(a: LeaseFields, b: LeaseFields): boolean {
  return a.token === b.token && a.beat === b.beat;
}

function locked({ place }: LeasePlace, holder: LeaseFields): StoreLockedError {
  return new StoreLockedError(
    `${place.name} is in use by another bank server${where(holder)}: stop that one first, or let it go on`,
    { holder: addressOf(holder), isLeased: true },
  );
}

function addressOf({ address }: LeaseFields): string | undefined {
  return address === "" ? undefined : address;
}

function where({ address }: LeaseFields): string {
  return address === "" ? "" : ` at ${address}`;
}
