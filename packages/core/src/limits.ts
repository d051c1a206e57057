import { assert } from "./assert.ts";

/** Every bound of the ledger and the journal, in one place, so that the relations between them can be checked. */

/** Smallest and largest balance and amount: what fits into 64 bits with a sign. */
export const AMOUNT_MAX = 9_223_372_036_854_775_807n;
export const BALANCE_MIN = -9_223_372_036_854_775_808n;

/** Owners, display names, principals and branch names, in UTF-16 code units. */
export const TEXT_LENGTH_MAX = 128;
/** URLs of branches, in UTF-16 code units. */
export const ADDRESS_LENGTH_MAX = 256;
/** An account number or internal name as a caller may write it. */
export const ACCOUNT_REFERENCE_LENGTH_MAX = 64;
/** Entries of an account's metadata … */
export const METADATA_ENTRIES_MAX = 16;
/** … each under a name of 1 to this many UTF-16 code units … */
export const METADATA_KEY_LENGTH_MAX = 64;
/** … and names and values together, in UTF-16 code units. */
export const METADATA_LENGTH_MAX = 1_024;
/** Branch numbers go from 0, the head office, to this. */
export const BRANCH_NUMBER_MAX = 65_535;
/** Accounts of one ledger: what the columns of one process hold, at some 115 bytes each. */
export const ACCOUNTS_MAX = 100_000_000;
/** Accounts with an alias, and reversed transactions: V8's maps end at 16.7 million entries. */
export const ALIASES_MAX = 16_000_000;
export const REVERSALS_MAX = 16_000_000;
/** Holds of one ledger, ended ones included. */
export const HOLDS_MAX = 100_000_000;
/** Times go to the end of the year 9999, in Unix milliseconds: what RFC 3339 can write. */
export const TIME_MS_MAX = 253_402_300_799_999;

/** Copies of the journal that can count towards durability at a time. */
export const DURABILITY_MEMBERS_MAX = 16;

/** A rate of interest in millionths of a percent: from 0 to 100 %. */
export const RATE_MAX = 100_000_000;

/** Commands in one `ExecuteBatch` or one forwarded call. */
export const COMMANDS_PER_CALL_MAX = 10_000;
/** Commands in one atomic group. */
export const GROUP_ITEMS_MAX = 100;
/** Records that one command that is no group can give: a currency, an internal account and the record that answers. */
export const RECORDS_PER_COMMAND_MAX = 4;
/** Holds that one record ends because their time has come. */
export const EXPIRIES_PER_RECORD_MAX = 10_000;
/** A journal batch is closed when it holds this many records … */
export const BATCH_RECORDS_MAX = 16_384;
/** … or when its records are estimated to take this many bytes. */
export const BATCH_BYTES_TARGET = 1_200_000;
/** Upper bound on the estimate of the records of one command that is no group. */
export const COMMAND_BYTES_MAX = 8_192;
/** No frame is larger, so that no transport and no engine ever meets one that it cannot carry. */
export const FRAME_BYTES_MAX = 2_097_152;

assert(
  BATCH_BYTES_TARGET + (GROUP_ITEMS_MAX + 1) * COMMAND_BYTES_MAX < FRAME_BYTES_MAX,
  "a full batch, and a group on top of it, fits into a frame",
);
assert(GROUP_ITEMS_MAX * RECORDS_PER_COMMAND_MAX < BATCH_RECORDS_MAX, "one group always fits into a batch");
