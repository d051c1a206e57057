import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { HASH_BYTES } from "../arguments.ts";
import { equalBytes } from "../bytes.ts";
import { CorruptStoreError } from "../errors.ts";
import type { StoreGap } from "../port.ts";
import { bytes, integer } from "./columns.ts";

/** Where a gap is, however much of it is filled. */
export type GapBounds = Omit<StoreGap, "filled">;

/**
 * The table with the bounds of a gap, one row, which is there only while there is a gap. A checksum covers it: with a
 * flipped bound, what is not proven yet would be shown.
 */
export class GapTable {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Throws: `CorruptStoreError`; SQLite's errors. */
  read(): GapBounds {
    const row = this.#database.prepare("SELECT after, up_to, chain_hash, checksum FROM gap").get();
    if (row === undefined) throw new CorruptStoreError("the bounds of the journal's gap are missing");
    const after = integer(row["after"], "beginning of the gap", 0);
    const position = integer(row["up_to"], "end of the gap", after + 1);
    const bounds = { after, upTo: { position, chainHash: bytes(row["chain_hash"], "chain hash", HASH_BYTES) } };
    if (!equalBytes(bytes(row["checksum"], "checksum of the gap"), checksum(bounds)))
      throw new CorruptStoreError("the stored bounds of the journal's gap were altered: their checksum does not agree");
    return bounds;
  }

  /** Inside the caller's transaction. */
  create(bounds: GapBounds): void {
    this.#database.exec(`
      CREATE TABLE gap (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        after INTEGER NOT NULL,
        up_to INTEGER NOT NULL,
        chain_hash BLOB NOT NULL,
        checksum BLOB NOT NULL
      ) STRICT`);
    this.#database
      .prepare("INSERT INTO gap (id, after, up_to, chain_hash, checksum) VALUES (1, ?, ?, ?, ?)")
      .run(bounds.after, bounds.upTo.position, bounds.upTo.chainHash, checksum(bounds));
  }

  /** Inside the caller's transaction. */
  drop(): void {
    this.#database.exec("DROP TABLE gap");
  }
}

function checksum({ after, upTo }: GapBounds): Uint8Array {
  return createHash("sha256").update(`bank store gap ${after} ${upTo.position} `).update(upTo.chainHash).digest();
}
