/**
 * Everything that a history is held against, with what it means when one of them does not hold. One accident may break
 * several: a stale session read breaks read-your-writes and, if it says too little of its age, staleness.
 */
export const GUARANTEES = {
  "gapless-positions": "The journal's positions go up by one, without gaps or repetitions.",
  "double-entry": "What leaves one account arrives at another of the same currency, and both exist.",
  "constant-total": "No money is made or lost: balances of one position add up.",
  "balance-floor": "No balance, less what holds keep back, is below its floor.",
  "acknowledged-kept": "What a client was told is done, or rejected, is in the journal.",
  "acknowledged-as-told": "The record of an answer stands where the answer said and did what the client asked for.",
  "exactly-once": "No request has two records.",
  "one-answer": "A request that comes again gets the answer that it had.",
  "not-applied": "What was told to be not applied has no record.",
  "asked-for": "Nothing was done that nobody asked for.",
  "rejection-justified": "What was rejected could not be done where its record stands.",
  "read-as-of-position": "A read shows the balances that the journal gives at its position.",
  "as-of": "A read of the past is of the position, or the time, that was asked for.",
  "real-time-order": "A write comes behind everything that was answered or shown before it was sent.",
  "linearizable-read": "A linearizable read sees all that was acknowledged to anybody before it was sent.",
  "shown-is-committed": "A linearizable read sees all that any other read had shown before it was sent.",
  "read-your-writes": "A session sees its own writes.",
  "monotonic-reads": "A session never sees less than it has seen.",
  "monotonic-writes": "A session's writes are done in the order in which they were answered.",
  "writes-follow-reads": "A session's write comes behind what the session had seen.",
  "session-token": "A token names a committed position that covers its reply.",
  staleness: "A state is no older than its reply says.",
  "bounded-staleness": "A bounded read shows no state that is older than its bound, and says so.",
  propagation: "What was answered as shown at all branches is shown by all that call themselves connected.",
  linearizable: "There is one order of all operations that explains every answer, positions aside.",
} as const satisfies Record<string, string>;

export type Guarantee = keyof typeof GUARANTEES;
