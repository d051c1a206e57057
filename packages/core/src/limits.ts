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
/** Branch numbers go from 0, the head office, to this. */
export const BRANCH_NUMBER_MAX = 65_535;
/** Accounts of one ledger: V8's arrays, which hold their texts, end at 134 million entries. */
export const ACCOUNTS_MAX = 100_000_000;

/** Commands in one `ExecuteBatch` or one forwarded call. */
export const COMMANDS_PER_CALL_MAX = 10_000;
/** Records that one command can give: a currency, a cash account and the record that answers. */
export const RECORDS_PER_COMMAND_MAX = 4;
/** A journal batch is closed when it holds this many records … */
export const BATCH_RECORDS_MAX = 16_384;
/** … or when its records are estimated to take this many bytes. */
export const BATCH_BYTES_TARGET = 1_500_000;
/** Upper bound on the estimate of one command's records. */
export const COMMAND_BYTES_MAX = 8_192;
/** No frame is larger, so that no transport and no engine ever meets one that it cannot carry. */
export const FRAME_BYTES_MAX = 2_097_152;

assert(BATCH_BYTES_TARGET + COMMAND_BYTES_MAX < FRAME_BYTES_MAX, "a full batch fits into a frame");
assert(RECORDS_PER_COMMAND_MAX < BATCH_RECORDS_MAX, "one command always fits into a batch");
