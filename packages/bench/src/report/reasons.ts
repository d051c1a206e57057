/**
 * Why targets are missed on the machine that they were set for, as far as profiling has shown: told in the open wherever one
 * is missed, and nowhere else. One or two sentences each; `docs/internals/performance.md` has the figures behind them.
 */
export const REASONS = {
  unaryGrpcJs:
    "grpc-js 1.14 is three times as quick as what the target was set against, and keeps nothing. Most of a call is Node's HTTP/2 in the " +
    "server, which a server that answers with constants pays too, and the bank's main thread is busy for nine tenths of the time.",
  unaryPython:
    "Most of a call is Node's HTTP/2 in the server, whose main thread is busy for nine tenths of the time: what the load leaves of the " +
    "other core is of no use to it.",
  pythonClient:
    "A client of sixteen threads in one interpreter takes more than half a core for itself, and the bank's main thread, the history and the disk " +
    "share the other; the server in memory has nothing to write and nothing to wait for.",
  pythonRedis:
    "The client itself costs so much that even the server in memory, which keeps nothing, is not five times as quick as Python + Redis from it.",
  sdk64:
    "With 64 callers a call of the SDK carries few movements, and its HTTP/2 and its commit cost hardly less than those of a large one: the " +
    "bank's main thread takes some 16 µs for a movement, where it takes 3.6 with 512 callers, and the client 11 instead of 4.",
  sdk512:
    "The bank's main thread takes some 3.6 µs for a movement, the client 4, the history's thread 1.3: two cores that never waited would " +
    "do 225,000/s of that. The first two keep 1.2 cores busy: some of the time one still waits for the other.",
  loneDeposit:
    "Between two single calls everything has gone cold: a deposit costs the main thread more than twice what an empty call does. SQLite's " +
    "commit holds it up for as long as the disk takes.",
  lagWith3:
    "Five processes share two cores: the bank and the load alone keep both busy, and a branch applies a batch when it gets a turn.",
  lagWith10:
    "Twelve processes share two cores: each commit is a message to each branch, and the last one shows it when the others have had their turn.",
  snapshotPause:
    "The longest waits come without snapshots as well: collections of the young heap, which every stream of HTTP/2 survives twice, stop the " +
    "main thread for 10 to 20 ms. What snapshots add to that is a target of its own.",
  snapshotAdds:
    "A snapshot makes and stores its pages on the main thread, 3 to 8 ms at a time with everybody else's turn between: a call that meets " +
    "several of them, or a collection beside them, waits for all.",
  cleanStart:
    "650 MB of memory are touched for the first time, and the index and the digest of 1,000,000 accounts and 11,000,000 request ids are " +
    "built anew, while the snapshot is read and hashed in a thread beside it.",
  hotAccount:
    "The main thread's processor time is the same for one account as for many; what else differs beside it has not been found.",
  batchOwnIds:
    "An id for each row is 16 bytes more in the message, each to be read and looked up by itself. From run to run the rate is on either side " +
    "of the target.",
} as const satisfies Record<string, string>;
