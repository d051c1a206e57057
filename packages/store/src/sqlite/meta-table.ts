import { createHash } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { BANK_ID_BYTES } from "../arguments.ts";
import { equalBytes } from "../bytes.ts";
import { CorruptStoreError } from "../errors.ts";
import { bytes, integer } from "./columns.ts";
import { GAP_LAYOUT, WHOLE_LAYOUT } from "./layout.ts";

/** What a store is, apart from what is in it. */
export interface Meta {
  readonly bankId: Uint8Array | undefined;
  readonly epoch: number;
  /** Whether nobody wrote since the last clean close. */
  readonly clean: boolean;
  /** Whether the journal has a gap, whose bounds are in a table of their own. */
  readonly hasGap: boolean;
}

/** The one row of `meta`. A checksum covers what no chain hash covers: with a flipped epoch a stale bank could append. */
export class MetaTable {
  readonly #read: StatementSync;
  readonly #write: StatementSync;

  constructor(database: DatabaseSync) {
    this.#read = database.prepare("SELECT layout_version, bank_id, epoch, checksum, clean FROM meta");
    this.#write = database.prepare(
      "INSERT OR REPLACE INTO meta (id, layout_version, bank_id, epoch, checksum, clean) VALUES (1, ?, ?, ?, ?, ?)",
    );
  }

  /** Throws: `CorruptStoreError`. */
  read(): Meta {
    const row = this.#read.get();
    if (row === undefined) throw new CorruptStoreError("the store's row of facts about itself is missing");
    const stored = row["bank_id"];
    const bankId = stored === null ? undefined : bytes(stored, "bank id", BANK_ID_BYTES);
    const epoch = integer(row["epoch"], "epoch", 0);
    if (!equalBytes(bytes(row["checksum"], "checksum of bank id and epoch"), checksum(bankId, epoch))) {
      throw new CorruptStoreError("the stored bank id or epoch was altered: their checksum does not agree");
    }
    return { bankId, epoch, clean: row["clean"] === 1, hasGap: row["layout_version"] === GAP_LAYOUT };
  }

  write({ bankId, epoch, clean, hasGap }: Meta): void {
    this.#write.run(hasGap ? GAP_LAYOUT : WHOLE_LAYOUT, bankId ?? null, epoch, checksum(bankId, epoch), clean ? 1 : 0);
  }
}

function checksum(bankId: Uint8Array | undefined, epoch: number): Uint8Array {
  return createHash("sha256")
    .update(`bank store meta ${epoch} `)
    .update(bankId ?? "")
    .digest();
}
