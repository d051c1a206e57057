/**
 * Why targets are missed on the machine that they were set for, as far as profiling has shown: told in the open wherever one
 * is missed, and nowhere else. One or two sentences each; `docs/internals/performance.md` has the figures behind them.
 */
export const REASONS = {
  unaryGrpcJs:
    "grpc-js 1.14 gives five times what the target was set against, and keeps nothing: its main thread takes 31 µs a call. The bank's takes 57, of which " +
    "36 are a call that does nothing (20 Node's HTTP/2 with constant answers), and is busy or waits for the disk for nine tenths of the time.",
  unaryPython:
    "The bank's main thread is busy, or waits for the disk, for nine tenths of the time: 57 µs a call, of which 36 are a call that does nothing (20 Node's " +
    "HTTP/2 with constant answers), 8 the deposit, and the rest a commit shared by sixteen and its fsync. The other core is of no use to it.",
  pythonClient:
    "A client of sixteen threads in one interpreter takes more than half a core for itself, and the bank's main thread, the history and the disk " +
    "share the other; the server in memory has nothing to write and nothing to wait for.",
  pythonRedis:
    "The client itself costs so much that even the server in memory, which keeps nothing, is not five times as quick as Python + Redis from it.",
  sdk64:
    "With 64 callers everything is one call and one commit at a time, so bank and client work by turns, and both cost hardly less than for hundreds: 560 to 620 µs of " +
    "the bank's main thread for a round of 64 and 390 to 470 of the client, and 100 to 200 of waiting for the disk. Two calls of half the size were slower.",
  sdk512:
    "The bank's main thread takes 3.0 µs for a movement, the client 2.4, the bank's other threads (history, collector) 1.7 to 2.2: two cores that never waited would do " +
    "some 270,000/s of that.",
  loneDeposit:
    "Between two single calls everything has gone cold: a deposit costs the main thread more than twice what an empty call does. SQLite's " +
    "commit holds it up for as long as the disk takes.",
  lagWith3:
    "Five processes share two cores: the bank and the load alone keep both busy, and a branch, which takes 8 ms for a full batch, applies it when it gets a turn. " +
    "Collections that the memory of frames calls for stop it for 10 to 78 ms twenty times a run.",
  lagWith10:
    "Twelve processes share two cores: each commit is a message to each branch, and the last one shows it when the others have had their turn.",
  snapshotPause:
    "The longest waits come without snapshots as well. No turn of a snapshot takes more than 12 ms of processor time; in the longest ones there was a full collection, " +
    "and on two cores that are busy the main thread waits for its turn and for the disk besides.",
  snapshotAdds:
    "A snapshot makes and stores its pages on the main thread, 3 to 8 ms at a time with everybody else's turn between: a call that meets " +
    "several of them, or a collection beside them, waits for all.",
  cleanStart:
    "650 MB of memory are touched for the first time, and the index and the digest of 1,000,000 accounts and 11,000,000 request ids are " +
    "built anew, while the snapshot is read and hashed in a thread beside it.",
  hotAccount:
    "The main thread's processor time is the same for one account as for many: measured with other work on the machine.",
  manyAccounts:
    "A movement touches a dozen places in columns of over 100 MB, which the processor's caches do not hold: 1.5 µs of the main thread where ten thousand " +
    "accounts take 1.1. The history's rows of so many accounts lie far apart as well, and its thread takes the other core.",
  killedStart:
    "As after a clean stop, and besides what was written while the last snapshot was saved is replayed: up to two million records.",
  batchOwnIds:
    "An id for each row is 16 bytes more in the message, each to be read and looked up by itself. From run to run the rate is on either side " +
    "of the target.",
  engineStream:
    "One commit is on its way at a time and takes all that came meanwhile along: where the disk takes 4 ms for an fsync and not 0.13, as it does now and then, 64 in " +
    "flight wait together, and the bank's main thread, the load and the server share two cores.",
} as const satisfies Record<string, string>;
