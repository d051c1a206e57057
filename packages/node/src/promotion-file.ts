import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Ledger, toHex } from "@bank/core";
import { HEX_16, readTextFields, WHOLE_NUMBER, writeTextFields } from "./json-file.ts";

/** Remembers, in a branch's data folder, that its journal is the bank's since a promotion. */
export class PromotionFile {
  readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, "promoted.json");
  }

  /** Throws: an `Error` where it is damaged. */
  read(): Promotion | undefined {
    const fields = readTextFields(this.path, { epoch: WHOLE_NUMBER, from: HEX_16, store: /^[\s\S]+$/ }, MEANING);
    return fields && { epoch: Number(fields.epoch), from: fields.from, store: fields.store };
  }

  /** Durable when it returns. Comes before the record of the epoch: from here on no branch uses the folder. */
  write(promotion: { readonly epoch: number; readonly from: Uint8Array; readonly store: string }): void {
    const { epoch, from, store } = promotion;
    const fields = { epoch: String(epoch), from: toHex(from), store, at: new Date().toISOString() };
    writeTextFields(this.path, fields);
  }

  /** Throws: an `Error` where the folder is a bank's by now, and no branch may use it. */
  refuseBranch(): void {
    if (this.read() === undefined) return;
    throw new Error(
      `the journal of this folder was made the bank's by a promotion (${this.path}): start bank-server with it, and the ` +
        "branch with another folder",
    );
  }
}

/** What was promoted. */
export interface Promotion {
  /** Number of the epoch that begins with it. */
  readonly epoch: number;
  /** Copy id of the branch whose journal it was, in hexadecimal. */
  readonly from: string;
  /** URL of the store that holds the journal. */
  readonly store: string;
}

const MEANING =
  "It says that the journal of this folder is the bank's since a promotion. Move it away and run bank-server promote again.";

/** Where a branch keeps its journal, where nothing else is said. */
export function branchStoreUrl(dataDir: string): string {
  return `sqlite:${dataDir}/journal`;
}

/**
 * Where a bank keeps its journal: where it is told to, where a promotion found it, or in the data folder itself.
 * Throws: an `Error` for the folder of a branch that was not promoted.
 */
export function bankStoreUrl(dataDir: string, store: string | undefined): string {
  if (store !== undefined) return store;
  const promotion = new PromotionFile(dataDir).read();
  if (promotion !== undefined) return promotion.store;
  if (existsSync(join(dataDir, "journal", "journal.db")) && !existsSync(join(dataDir, "journal.db")))
    throw new Error(
      `${dataDir} is the data folder of a branch. bank-server promote makes its journal the bank's; look there first what that costs`,
    );
  return `sqlite:${dataDir}`;
}

/**
 * The records of a promotion that was cut short fence nobody: a bank that went on from there would be one of two.
 * Throws: an `Error` where it was.
 */
export function requireFinished(dataDir: string, ledger: Ledger): void {
  const promotion = new PromotionFile(dataDir).read();
  if (promotion !== undefined && (ledger.currentEpoch()?.number ?? 0) < promotion.epoch)
    throw new Error("the promotion of this folder was cut short: run bank-server promote again");
}
