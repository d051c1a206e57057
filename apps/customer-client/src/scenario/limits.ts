/** Bounds of a scenario file. A file beyond one of them is refused before anything runs. */

/** Size of a file in bytes: far above any exercise, and small enough to hold as one string. */
export const SCENARIO_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Arrays and objects inside each other. The extended form needs five; the bound keeps a hostile file from exhausting
 * the stack of the recursive parser.
 */
export const SCENARIO_DEPTH_MAX = 32;

/** Branches in one file: each may be a server with a port of its own. */
export const SCENARIO_BRANCHES_MAX = 1_000;

/** Accounts in one extended file. */
export const SCENARIO_ACCOUNTS_MAX = 10_000;

/** Customers are only labels; their ids go into the output as JSON numbers, so they must be exact there. */
export const CUSTOMER_ID_MAX = Number.MAX_SAFE_INTEGER;

/** Characters of a value that a message quotes. */
export const QUOTED_LENGTH_MAX = 40;
