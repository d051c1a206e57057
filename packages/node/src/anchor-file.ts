import { open, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Position, toHex } from "@bank/core";
import { errorText, type Log, type Witness } from "@bank/replica";
import { fieldsOfText, textOfFields } from "./json-file.ts";

/** Where the journal ended when the anchor was last written. */
export interface Anchor {
  readonly bankId: Uint8Array;
  readonly epochId: Uint8Array;
  readonly position: Position;
  readonly chainHash: Uint8Array;
}

/** Under load the anchor is written at most this often. */
const WRITE_INTERVAL_MS = 100;

/**
 * A witness of the journal's head outside the journal: a journal that ends before it has lost something. It follows the
 * journal: written behind the append, the newest head only, one write at a time.
 */
export class AnchorFile {
  readonly path: string;
  private readonly log: Log;
  private pending: Anchor | undefined;
  private writing: Promise<void> | undefined;
  private closed = false;
  private wake: () => void = () => undefined;

  constructor(folder: string, log: Log) {
    this.path = join(folder, "anchor.json");
    this.log = log;
  }

  /** The anchor as a witness; undefined when there is none yet. Rejects when there is one that cannot be read. */
  async read(): Promise<Witness | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    const anchor = parseAnchor(text);
    if (anchor === undefined)
      throw new Error(
        `${this.path} is damaged. It proves how far the journal once went. ` +
          "If you are sure that the journal is whole, move the file away and start again.",
      );
    const { position, chainHash, epochId } = anchor;
    return { name: `the anchor file ${this.path}`, position, chainHash, epochId };
  }

  /** Writes the anchor soon, unless a newer one comes before that. */
  update(anchor: Anchor): void {
    this.pending = anchor;
    this.writing ??= this.writePending();
  }

  /** Writes what is pending, and no more after that. */
  async close(): Promise<void> {
    this.closed = true;
    this.wake();
    await this.writing;
  }

  private async writePending(): Promise<void> {
    for (let anchor = this.pending; anchor !== undefined; anchor = this.pending) {
      this.pending = undefined;
      await this.write(anchor).catch((error: unknown) => {
        this.log.error("anchor not written", { path: this.path, problem: errorText(error) });
      });
      if (!this.closed) await this.pause();
    }
    // In the same turn as the look at what is pending: a later update begins anew.
    this.writing = undefined;
  }

  private async write({ bankId, epochId, position, chainHash }: Anchor): Promise<void> {
    const temporary = `${this.path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      const fields = {
        bank_id: toHex(bankId),
        epoch_id: toHex(epochId),
        position: String(position),
        chain_hash: toHex(chainHash),
      };
      await file.writeFile(textOfFields(fields));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.path);
    // Windows cannot open a folder, and keeps entries in order without being asked.
    if (process.platform === "win32") return;
    const folder = await open(dirname(this.path), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, WRITE_INTERVAL_MS);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function parseAnchor(text: string): Anchor | undefined {
  const fields = fieldsOfText(text);
  if (fields === undefined) return undefined;
  const { bank_id, epoch_id, position, chain_hash } = fields;
  const bankId = hexBytes(bank_id, 16);
  const epochId = hexBytes(epoch_id, 16);
  const chainHash = hexBytes(chain_hash, 32);
  if (bankId === undefined || epochId === undefined || chainHash === undefined) return undefined;
  if (typeof position !== "string" || !/^[0-9]{1,16}$/.test(position)) return undefined;
  return { bankId, epochId, chainHash, position: Number(position) };
}

function hexBytes(text: unknown, length: number): Uint8Array | undefined {
  if (typeof text !== "string" || !/^[0-9a-f]*$/.test(text) || text.length !== 2 * length) return undefined;
  return new Uint8Array(Buffer.from(text, "hex"));
}
