/** What the projection holds contradicts itself or the journal: it has to be built anew. */
export class DamagedHistoryError extends Error {
  override readonly name = "DamagedHistoryError";
}

// SQLite's primary result codes: https://www.sqlite.org/rescode.html
const ERROR = 1;
const CORRUPT = 11;
const CONSTRAINT = 19;
const MISMATCH = 20;
const NOTADB = 26;
/** ERROR is a table or column that is not there; CONSTRAINT a row that is there and should not be. */
const DAMAGE: readonly number[] = [ERROR, CORRUPT, CONSTRAINT, MISMATCH, NOTADB];

/** Whether the error says that the file is not what was written, so that trying again does not help. */
export function isDamage(error: unknown): boolean {
  if (error instanceof DamagedHistoryError) return true;
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return false;
  return DAMAGE.includes(error.errcode & 0xff);
}

/** Throws: `DamagedHistoryError`. */
export function ensure(condition: boolean, expectation: string): asserts condition {
  if (!condition) throw new DamagedHistoryError(`it does not hold that ${expectation}`);
}
