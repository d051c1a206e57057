/**
 * Why targets are missed on the machine that they were set for, as far as profiling has shown: told in the open wherever one
 * is missed, and nowhere else. One or two sentences each; `docs/internals/performance.md` has the figures behind them.
 */
export const REASONS = {
  unaryGrpcJs:
    "grpc-js 1.14 is three times as quick as what the target was set against, and keeps nothing. Most of a call is Node's HTTP/2 on the " +
    "server, which a server that does nothing else pays too; and all that one commit answers comes back together, so that server and " +
    "client take turns on the two cores.",
  unaryPython:
    "Most of a call is Node's HTTP/2 on the server, and all that one commit answers comes back together, so that server and client take " +
    "turns: their processor time adds up to one core of the two.",
  pythonClient:
    "Sixteen threads of one Python process share one interpreter: most of the time goes into the client itself, and a call to the bank " +
    "waits for the disk as well, with which the server in memory has nothing to do.",
  pythonRedis:
    "The Python client itself costs so much that no server can be five times as quick from it: with a server that answers at once it " +
    "reaches little more than with the bank.",
  sdk64:
    "With 64 callers a call of the SDK carries few movements, whose HTTP/2 and commit they share. Server and client take turns, and the " +
    "history's thread takes part of a core from both.",
  sdk512:
    "Server and client take turns: all that one commit answers returns together and is asked again together, so that the processor time " +
    "of the bank's main thread and of the client adds up to one core of the two. The history's thread takes a quarter of the rate.",
  loneDeposit:
    "Between two single calls everything has gone cold: an empty call costs the main thread less than half of what a deposit does, and " +
    "SQLite's commit holds it up for as long as the disk takes, and the history's thread is told of every batch.",
  lagWith3:
    "Five processes share two cores: the bank and the load alone keep both busy, and branches apply a batch when they get a turn.",
  lagWith10:
    "Twelve processes share two cores: each commit is a message to each branch, and the last branch shows it when the other nine have " +
    "had their turn.",
  snapshotPause:
    "The longest waits come without snapshots as well: collections of the young heap, which HTTP/2's streams survive, and writes to the " +
    "disk beside the load. What snapshots add stands in a row of its own.",
  cleanStart:
    "650 MB of memory are touched for the first time, index and digest of 1,000,000 accounts and 11,000,000 request ids are built anew, " +
    "and the snapshot is read and hashed in a thread of its own beside that.",
  hotAccount:
    "The main thread costs the same for one account as for many; what differs is what history and snapshots have to write beside it.",
  batchOwnIds:
    "An id for each row is 16 bytes more in message and journal, and each is looked up at a random place in memory, where ids with one " +
    "base lie side by side. From run to run it is on either side of the target.",
} as const satisfies Record<string, string>;
