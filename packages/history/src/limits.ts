/** Every bound of the history, in one place. */

/** Entries of an account that one page looks at. A filter that finds few has pages with few, not slow ones. */
export const ENTRIES_SCANNED_MAX = 20_000;

/**
 * Entries that wait in memory to be written, and accounts that they are of: one row is written for each account, however many
 * entries it has. When either is reached everything is written; a message's worth may come on top. Some 25 MB.
 */
export const ENTRIES_WAITING_MAX = 524_288;
export const ACCOUNTS_WAITING_MAX = 131_072;
/** So many entries for each account that has some are written sooner: they fill rows, and more would not make them cheaper. */
export const ENTRIES_FOR_EACH_ACCOUNT = 112;
/** They wait no longer than this, in milliseconds. What is not written when a process dies is projected once more. */
export const KEEP_AFTER_MS = 10_000;
/** How long questions wait while entries are written, in milliseconds, besides the commit of them all. */
export const KEEP_SLICE_MS = 10;

/** Frames that go to the worker as one message, and are projected as one, unless one alone is larger. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** How long frames are gathered that nobody waits for, in milliseconds. */
export const GATHER_MS = 200;
/** Messages of frames on their way at the same time: while one is projected the next is there. */
export const MESSAGES_IN_FLIGHT_MAX = 2;
/** Bytes of frames that wait for the worker; beyond that the journal waits to be read. */
export const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** A history that is so many records behind is complained about. */
export const LAG_WARNING_RECORDS = 500_000;
/** How often it is looked at, in milliseconds. */
export const LAG_CHECK_MS = 5_000;

/** Waits before the next try after the worker or the journal failed, in milliseconds. */
export const RETRY_MIN_MS = 500;
export const RETRY_MAX_MS = 60_000;

/** So often a damaged history is built anew before it is given up: what comes back is no damage but a fault. */
export const REBUILDS_MAX = 3;

/** Heap of the worker: one that outgrows it dies alone. In MiB. */
export const WORKER_HEAP_MIB = 512;

/**
 * How far the worker stands behind the other threads, from 0 to 19. Where all processors are busy it then has a tenth of
 * what each of them has: enough to go on, so that whoever waits for the history is answered some time.
 */
export const WORKER_NICENESS = 10;
