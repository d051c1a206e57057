import { StoreError } from "../errors.ts";

/** Where a bank lives in a PostgreSQL database, as its URL says. */
export interface PostgresPlace {
  /** The URL without what is not for the client library. It may contain a password: never shown. */
  readonly connectionString: string;
  /** Name of the schema, fit to stand in SQL between quotation marks. */
  readonly schema: string;
  /** Unsafe settings of the server are warnings only. */
  readonly allowDataLoss: boolean;
  /** For messages: the place without user and password. */
  readonly name: string;
}

export const SCHEMA_DEFAULT = "bank";

/** PostgreSQL cuts names behind 63 bytes. */
const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=bank&allow_data_loss=true`; every other parameter is the client
 * library's. Throws: `StoreError`, whose message does not repeat the URL: there may be a password in it.
 */
export function parsePlace(text: string): PostgresPlace {
  // Not a cause of the error: it would carry the URL along.
  if (!URL.canParse(text))
    throw new StoreError('this "postgres:" URL cannot be read: write postgres://USER@HOST/DATABASE');
  const url = new URL(text);
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:")
    throw new StoreError(`"${url.protocol}" is another kind of store: this is for postgres://USER@HOST/DATABASE`);
  // The end of a password that should have been encoded would be taken for a host, and shown.
  if (/@/.test(url.pathname) || (url.username === "" && /@/.test(url.search + url.hash)))
    throw new StoreError(
      'this "postgres:" URL has an "@" behind its host: write "/", "?", "#" and "@" in a password as %2F, %3F, %23 and %40',
    );
  const { searchParams } = url;
  const schema = searchParams.get("schema") ?? SCHEMA_DEFAULT;
  if (!SCHEMA_NAME.test(schema))
    throw new StoreError(
      `schema "${schema}": the name of a schema has small letters, digits and underscores, at most 63`,
    );
  const allow = searchParams.get("allow_data_loss") ?? "false";
  if (allow !== "true" && allow !== "false")
    throw new StoreError(`allow_data_loss is "true" or "false", not "${allow}"`);
  searchParams.delete("schema");
  searchParams.delete("allow_data_loss");
  const name = `postgres://${url.host === "" ? "localhost" : url.host}${url.pathname}, schema "${schema}"`;
  return { connectionString: url.href, schema, allowDataLoss: allow === "true", name };
}
