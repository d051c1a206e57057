/** Bounds of a batch file and of the calls that carry it. */

/** Size of a file in bytes: millions of commands, and small enough to hold as one string. */
export const BATCH_BYTES_MAX = 256 * 1024 * 1024;

/** Commands in one call, those in groups counted one by one. */
export const CALL_COMMANDS_MAX = 1_000;

/** Characters of the lines of one call: a server takes 4 MiB, and no character needs more than 3 bytes of it. */
export const CALL_CHARACTERS_MAX = 1024 * 1024;

/** Lines that cannot be read of which a message tells. */
export const PROBLEMS_SHOWN_MAX = 20;

/** Characters of a batch's name. */
export const BATCH_ID_LENGTH_MAX = 64;
