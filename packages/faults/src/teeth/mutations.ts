import type { Guarantee } from "@bank/checker";
import type { Patch } from "./scratch-copy.ts";

/** A small change by which a guarantee is lost. */
export interface Mutation {
  readonly name: string;
  /** What must be found violated; others may be too. */
  readonly guarantees: readonly Guarantee[];
  /** What the run must also complain of. */
  readonly trouble?: RegExp;
  readonly patches: readonly Patch[];
  /** In which it shows quickly. */
  readonly scenario: string;
  /** Faults come whose name it matches. Default: those of the scenario. */
  readonly faults?: string;
  /** Default: 4. */
  readonly seconds?: number;
}

const BRANCH_READS = "packages/replica/src/branch-reads.ts";
const READ_GATE = "packages/replica/src/read-gate.ts";
const FRESHNESS = "packages/replica/src/freshness.ts";
const MEMBERS = "packages/replica/src/members.ts";
const SEQUENCER = "packages/replica/src/sequencer.ts";
const EXECUTE_BATCH = "packages/replica/src/execute-batch.ts";
const FOLLOWER = "packages/replica/src/follower.ts";
const CALLER = "packages/client/src/caller.ts";

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "a branch answers session reads without waiting",
    guarantees: ["read-your-writes"],
    scenario: "cut",
    patches: [
      {
        file: BRANCH_READS,
        find: "if (known !== undefined && known <= this.copy.applied.current) return;",
        replace: "if (known !== undefined) return;",
      },
    ],
  },
  {
    name: "the SDK forgets what reads have shown",
    guarantees: ["monotonic-reads"],
    scenario: "cut",
    patches: [
      {
        file: CALLER,
        find: "if (reply.readInfo !== undefined) this.observe(",
        replace: "if (reply.readInfo !== undefined && call.consistency === undefined) this.observe(",
      },
    ],
  },
  {
    name: "a branch's tokens do not cover its replies",
    guarantees: ["session-token"],
    scenario: "calm",
    patches: [
      {
        file: BRANCH_READS,
        find: "session: sessionAt(bankId, epochs, position),",
        replace: "session: sessionAt(bankId, epochs, position - 1),",
      },
    ],
  },
  {
    name: "a branch asks nobody before a linearizable read",
    guarantees: ["linearizable-read"],
    scenario: "cut",
    patches: [
      {
        file: BRANCH_READS,
        find: "const index = await this.readIndex(signal);\n    await this.whenShown(index.position, signal);\n    this.requireHistoryOf(index);\n    if (session !== undefined) this.settle(session, index.position);",
        replace: "if (session !== undefined) this.neededBy(session);",
      },
    ],
  },
  {
    name: "a question serves reads that came after it was sent",
    guarantees: ["linearizable-read"],
    scenario: "slow",
    faults: "slow link",
    patches: [
      {
        file: READ_GATE,
        find: "this.waiting ??= newQuestion(this.nowMs());",
        replace:
          "if (this.asked !== undefined) return this.asked.answer;\n    this.waiting ??= newQuestion(this.nowMs());",
      },
    ],
  },
  {
    name: "a linearizable read does not wait until it is applied",
    guarantees: ["linearizable-read"],
    scenario: "calm",
    patches: [
      {
        file: BRANCH_READS,
        find: "await this.whenShown(index.position, signal);\n    this.requireHistoryOf(index);",
        replace: "this.requireHistoryOf(index);",
      },
      // What a slow disk or a busy processor does.
      {
        file: FOLLOWER,
        find: "      await this.belongTo(message.bankId);",
        replace:
          "      await new Promise((resolve) => setTimeout(resolve, 5));\n      await this.belongTo(message.bankId);",
      },
    ],
  },
  {
    name: "the bank answers and shows before the append, and asks no session what it has seen",
    guarantees: ["acknowledged-kept", "monotonic-writes", "writes-follow-reads"],
    scenario: "bank",
    faults: "kill bank",
    seconds: 6,
    patches: [
      {
        file: SEQUENCER,
        find: "      await this.appender.appendSettled(stored, {",
        replace: `      replay.chainHash = stored.chainHash;
      this.ledger.forgetUndo(stored.lastPosition);
      this.committed.advance(stored.lastPosition);
      this.time.committed.advance(batch.timeMs);
      batch.answerFromBatch();
      for (const job of batch.finished) job.finish();
      await new Promise((resolve) => setTimeout(resolve, 300));
      await this.appender.appendSettled(stored, {`,
      },
      {
        file: "packages/replica/src/bank-replica.ts",
        find: "if (check.position > this.committedPosition)",
        replace: "if (check.position < 0)",
      },
      {
        file: "packages/core/src/session.ts",
        find: "if (next !== undefined && position >= next.firstPosition)",
        replace: "if (next !== undefined && position < 0)",
      },
    ],
  },
  {
    name: "a request that comes again is carried out again",
    guarantees: ["exactly-once"],
    scenario: "calm",
    patches: [
      { file: EXECUTE_BATCH, find: "    if (entry >= 0) {", replace: "    if (entry >= 0 && entry < 0) {" },
      {
        file: "packages/core/src/ledger/check-record.ts",
        find: '  else assert(ledger.findRequest(record.principal, record.request.id) === -1, "a request is answered once");',
        replace: "",
      },
    ],
  },
  {
    name: "staleness counts from when the answer came",
    guarantees: ["staleness"],
    scenario: "slow",
    faults: "slow link",
    patches: [
      {
        file: FRESHNESS,
        find: "const sent = momentOf(this.clocks);\n    const index = await ask();",
        replace: "const index = await ask();\n    const sent = momentOf(this.clocks);",
      },
    ],
  },
  {
    name: "staleness stands still while the branch is cut off",
    guarantees: ["staleness"],
    scenario: "long-cut",
    patches: [
      {
        file: FRESHNESS,
        find: "return this.freshAsOf === undefined ? undefined : elapsedMs(this.freshAsOf, momentOf(this.clocks));",
        replace: "return this.freshAsOf === undefined ? undefined : 1;",
      },
    ],
  },
  {
    name: "a bounded read is served beyond its bound",
    guarantees: ["bounded-staleness"],
    scenario: "cut",
    patches: [{ file: BRANCH_READS, find: "    if (isFresh()) return;\n    try {", replace: "    return;\n    try {" }],
  },
  {
    name: "all branches are said to have what none was asked about",
    guarantees: ["propagation"],
    scenario: "slow",
    faults: "slow link",
    patches: [
      {
        file: MEMBERS,
        find: "return this.graceMs() === 0 && position <= this.positionOfAll();",
        replace: "return true;",
      },
    ],
  },
  {
    name: "a branch that is cut off calls itself connected",
    guarantees: ["propagation"],
    scenario: "long-cut",
    seconds: 6,
    patches: [
      {
        file: "packages/replica/src/bank-contact.ts",
        find: "return this.isReachable && this.freshness.isConnected(applied);",
        replace: "return applied > 0;",
      },
    ],
  },
  {
    name: "the bank gives up on a branch that may still call itself connected",
    guarantees: ["propagation"],
    scenario: "pause",
    faults: "pause branch",
    seconds: 6,
    patches: [
      {
        file: "packages/replica/src/copy-table.ts",
        find: "export const DROPPED_MS = CONNECTED_MS + 500;",
        replace: "export const DROPPED_MS = 400;",
      },
    ],
  },
  {
    name: "a branch tells those behind it how far the bank was, and asks nobody anew",
    guarantees: ["linearizable-read"],
    scenario: "slow",
    faults: "slow link of branch-1",
    seconds: 6,
    patches: [
      {
        file: "packages/replica/src/branch-replica.ts",
        find: "const index = await this.contact.readIndexForFollower();",
        replace: `const last = this.lastIndex;
    const isNew = last !== undefined && last.atMs > Date.now() - 150;
    const index = isNew ? last.index : await this.contact.readIndexForFollower();
    if (!isNew) this.lastIndex = { index, atMs: Date.now() };`,
      },
    ],
  },
  {
    name: "a branch leaves out a record and shows what is behind it",
    guarantees: ["read-as-of-position"],
    scenario: "calm",
    patches: [
      {
        file: BRANCH_READS,
        find: "const { position, epochs } = ledger;",
        replace:
          "const position = this.copy.applied.current + (ledger.position % 7 === 0 ? 1 : 0);\n    const { epochs } = ledger;",
      },
    ],
  },
  {
    name: "a read of the past is of the position before",
    guarantees: ["as-of"],
    scenario: "calm",
    patches: [
      {
        file: "packages/node/src/services/history-reads.ts",
        find: "? notInFuture(asOf.position, shown)",
        replace: "? notInFuture(asOf.position, shown) - 1",
      },
    ],
  },
  {
    name: "a branch that lost its call says that it was not applied",
    guarantees: ["not-applied"],
    scenario: "cut",
    faults: "break link",
    seconds: 6,
    patches: [
      {
        file: "packages/replica/src/bank-contact.ts",
        find: 'return new RefusalError("BANK_UNREACHABLE", { branch }, outcome,',
        replace: 'return new RefusalError("BANK_UNREACHABLE", { branch }, "NOT_APPLIED",',
      },
      // The SDK asks the same branch again within the call, and there another place may answer: one that says the outcome
      // is unknown would make the whole call's unknown.
      {
        file: "packages/node/src/registration.ts",
        find: 'return new RefusalError("BANK_UNREACHABLE", { branch }, "OUTCOME_UNKNOWN");',
        replace: 'return new RefusalError("BANK_UNREACHABLE", { branch }, "NOT_APPLIED");',
      },
    ],
  },
  {
    name: "a branch books another amount than the record says, and compares no digest",
    guarantees: ["read-as-of-position", "constant-total"],
    scenario: "calm",
    patches: [
      {
        file: FOLLOWER,
        find: "const batch = applyFrame(replayed, received, this.options.platform.sha256);",
        replace: `const batch = applyFrame(replayed, received, this.options.platform.sha256);
      const account = replayed.ledger.findCustomerAccount("2");
      if (account !== undefined && replayed.ledger.position > 40) replayed.ledger.post(account, 1n, 1);`,
      },
      {
        file: "packages/journal/src/replay.ts",
        find: "if (!bytesEqual(digest, header.digestAfter))",
        replace: "if (digest.length === 0)",
      },
    ],
  },
];
