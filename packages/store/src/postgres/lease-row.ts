import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreLockedError } from "../errors.ts";
import { bytea } from "./binary-arrays.ts";
import type { Row } from "./columns.ts";
import { bytes, integer } from "./columns.ts";
import type { Connection, Statement } from "./connection.ts";
import type { PostgresPlace } from "./place.ts";

export const TOKEN_BYTES = 16;

/** How often a contender looks while it waits for the holder's time to live to pass. */
const LOOKS = 5;

/** Names one holding of the lease. Every write carries it. */
export function newToken(): Buffer {
  return randomBytes(TOKEN_BYTES);
}

/** The statements on the lease's row. Each of them is checked and done in one step by the server. */
export class LeaseRow {
  readonly #place: PostgresPlace;
  readonly #look: Statement;
  readonly #takeFree: Statement;
  readonly #takeOver: Statement;
  readonly #replace: Statement;
  readonly #release: Statement;
  readonly #beat: Statement;

  constructor(place: PostgresPlace) {
    this.#place = place;
    const lease = `"${place.schema}".lease`;
    const take = `UPDATE ${lease} SET token = $1, address = NULL, beat = beat + 1 WHERE id = 1`;
    this.#look = { name: "bank_look", text: `SELECT token, beat, address FROM ${lease} WHERE id = 1` };
    this.#takeFree = { name: "bank_take", text: `${take} AND token IS NULL RETURNING beat` };
    this.#takeOver = { name: "bank_take_over", text: `${take} AND token = $2 AND beat = $3 RETURNING beat` };
    this.#replace = {
      name: "bank_replace",
      text: `UPDATE ${lease} SET token = $1, beat = beat + 1 WHERE id = 1 AND token IN ($1, $2) RETURNING beat`,
    };
    this.#release = {
      name: "bank_release",
      text: `UPDATE ${lease} SET token = NULL, address = NULL, beat = beat + 1, closed_cleanly = closed_cleanly OR $3
        WHERE id = 1 AND token IN ($1, $2) RETURNING beat`,
    };
    this.#beat = {
      name: "bank_beat",
      text: `UPDATE ${lease} SET beat = beat + 1, address = $2 WHERE id = 1 AND token = $1 RETURNING beat`,
    };
  }

  /**
   * Takes the lease: at once where nobody has it; from a holder whose beat stays the same for `takeOverAfterMs`, by this
   * process' monotonic clock. Gives the moment when the statement that took it was sent.
   *
   * It waits for statements that run under the old token: they lock the row.
   * Rejects with: `StoreLockedError`; what `query` rejects with.
   */
  async take(connection: Connection, token: Buffer, takeOverAfterMs: number): Promise<number> {
    for (;;) {
      const seen = await this.#see(connection);
      if (seen !== undefined && !(await this.#isSilent(connection, seen, takeOverAfterMs))) continue;
      const sentAtMs = performance.now();
      const rows =
        seen === undefined
          ? await connection.commit(this.#takeFree, [token])
          : await connection.commit(this.#takeOver, [token, bytea(seen.token), seen.beat]);
      if (rows.length > 0) return sentAtMs;
      // Somebody was faster, or the holder lives: look who.
    }
  }

  /** Replaces the own token, also where an earlier try had done it already. Gives whether this process still had the lease. */
  async replace(
    connection: Connection,
    { old, token }: { readonly old: Buffer; readonly token: Buffer },
  ): Promise<boolean> {
    return (await connection.commit(this.#replace, [token, old])).length > 0;
  }

  /** Gives the lease up, whichever of the two is in it. */
  async release(
    connection: Connection,
    { tokens: [one, other], cleanly }: { readonly tokens: readonly [Buffer, Buffer]; readonly cleanly: boolean },
  ): Promise<void> {
    await connection.commit(this.#release, [one, other, cleanly]);
  }

  /** A sign of life. Gives whether this process still has the lease. */
  async beat(connection: Connection, token: Buffer, address: string | undefined): Promise<boolean> {
    return (await connection.commit(this.#beat, [token, address ?? null])).length > 0;
  }

  /** Where the holder can be reached; undefined where that is not known, or there is none. */
  async address(connection: Connection): Promise<string | undefined> {
    return (await this.#see(connection))?.address;
  }

  async #see(connection: Connection): Promise<Holder | undefined> {
    return toHolder((await connection.query(this.#look))[0]);
  }

  /** Whether the holder gives no sign of life for so long; false where it gave the lease back meanwhile. */
  async #isSilent(connection: Connection, first: Holder, takeOverAfterMs: number): Promise<boolean> {
    for (let look = 0; look < LOOKS; look++) {
      await sleep(takeOverAfterMs / LOOKS);
      const now = await this.#see(connection);
      if (now === undefined) return false;
      if (now.beat !== first.beat || !now.token.every((byte, i) => byte === first.token[i])) {
        const at = now.address === undefined ? "" : ` at ${now.address}`;
        throw new StoreLockedError(`${this.#place.name} is in use by another bank server${at}`, {
          holder: now.address,
          isLeased: true,
        });
      }
    }
    return true;
  }
}

interface Holder {
  readonly token: Uint8Array;
  readonly beat: number;
  readonly address: string | undefined;
}

function toHolder(row: Row | undefined): Holder | undefined {
  const [token, beat, address] = row ?? [];
  if (token === null) return undefined;
  return {
    token: bytes(token, "token of the lease", TOKEN_BYTES),
    beat: integer(beat, "beat of the lease", 0),
    address: typeof address === "string" ? address : undefined,
  };
}
