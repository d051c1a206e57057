import { StoreError } from "../errors.ts";
import type { AccountRow, ShownAccount } from "../port.ts";
import type { Reply } from "./connection.ts";
import { Packer } from "./pack.ts";
import { readFailure } from "./redis-errors.ts";
import type { Tenure } from "./tenure.ts";

/** Every row has these, and no term is called so. */
const OWN_FIELDS = ["posted", "held", "version"];
/** Rows written in one step: the server does nothing else for some milliseconds. */
const ROWS_AT_ONCE = 1_000;
const KEYS_AT_ONCE = 500;

/** Rows of accounts on their way to the server, copied from whoever gave them. */
export class PackedRows {
  readonly #packer = new Packer();
  #texts = 0;
  #rows = 0;

  static of(rows: Iterable<AccountRow>): PackedRows {
    const packed = new PackedRows();
    for (const row of rows) packed.add(row);
    return packed;
  }

  /** Throws: `RangeError` for a term that is called like a field that every row has. */
  add({ number, posted, held, version, terms }: AccountRow): void {
    const packer = this.#packer;
    packer.text(number);
    packer.text(String(posted));
    packer.text(String(held));
    packer.text(String(version));
    const names = Object.keys(terms);
    packer.text(names.length === 0 ? "0" : String(2 * names.length));
    for (const name of names) {
      if (OWN_FIELDS.includes(name)) throw new RangeError(`no term of an account is called "${name}"`);
      packer.text(name);
      packer.text(terms[name] ?? "");
    }
    this.#texts += 5 + 2 * names.length;
    this.#rows++;
  }

  get count(): number {
    return this.#rows;
  }

  /** All as one list. They are gone from here. */
  packed(): Buffer {
    const list = new Packer();
    list.list(this.#texts);
    list.append(this.#packer.take());
    this.#texts = 0;
    this.#rows = 0;
    return list.take();
  }
}

/** The position that the rows show; undefined where it is not known. */
export async function accountsPosition({ at }: Tenure): Promise<number | undefined> {
  try {
    const text = String((await at.link.call(["HGET", at.keys.meta, "accounts"])) ?? "");
    const position = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : undefined;
    return Number.isSafeInteger(position) ? position : undefined;
  } catch (error) {
    throw readFailure(error, `ask ${at.place.name} how far its rows of accounts are`);
  }
}

/** Deletes what is there under the names of accounts, and writes all anew, some at a time. */
export async function replaceAccounts(tenure: Tenure, position: number, rows: Iterable<AccountRow>): Promise<void> {
  const { at, writes } = tenure;
  if (position !== (tenure.head?.position ?? 0))
    throw new StoreError(`the journal ends at ${tenure.head?.position ?? 0}: rows of ${position} are not its accounts`);
  const what = "write the rows of accounts anew";
  const head = ["position", String(position)];
  await writes.write(what, { facts: head }, [], ["accounts", "", "clean", "0"]);
  for await (const names of accountKeys(tenure)) await writes.write(what, {}, [["UNLINK", ...names]], []);
  const step = async (some: PackedRows) => {
    await writes.call("rows", what, { facts: head }, { plan: () => [[at.keys.accounts]], args: [some.packed()] });
  };
  const some = new PackedRows();
  for (const row of rows) {
    some.add(row);
    if (some.count >= ROWS_AT_ONCE) await step(some);
  }
  if (some.count > 0) await step(some);
  await writes.write(what, { facts: head }, [], ["accounts", String(position)]);
}

/** Every hash that is called like an account's, as it is. */
export async function* shownAccounts(tenure: Tenure): AsyncGenerator<ShownAccount, void, undefined> {
  const { link, keys, place } = tenure.at;
  for await (const names of accountKeys(tenure)) {
    // All at once on their way: one by one, each would wait for the one before.
    const hashes = await Promise.all(names.map((name) => link.call(["HGETALL", name]))).catch((error: unknown) => {
      throw readFailure(error, `read the rows of accounts in ${place.name}`);
    });
    for (const [i, name] of names.entries()) {
      const texts = Array.isArray(hashes[i]) ? hashes[i].map(String) : [];
      const fields = texts.flatMap((text, at) => (at % 2 === 0 ? [[text, texts[at + 1] ?? ""] as const] : []));
      yield { number: name.slice(keys.accounts.length), fields: Object.fromEntries(fields) };
    }
  }
}

/** Keys of whatever is called like an account. The whole database is gone through, beside what else the server does. */
async function* accountKeys({ at }: Tenure): AsyncGenerator<string[]> {
  let cursor = "0";
  do {
    let reply: Reply;
    try {
      reply = await at.link.call(["SCAN", cursor, "MATCH", `${at.keys.accounts}*`, "COUNT", String(KEYS_AT_ONCE)]);
    } catch (error) {
      throw readFailure(error, `look for rows of accounts in ${at.place.name}`);
    }
    const [next, found] = Array.isArray(reply) ? reply : [];
    const names = Array.isArray(found) ? found.map(String) : [];
    if (names.length > 0) yield names;
    cursor = String(next ?? "0");
  } while (cursor !== "0");
}
