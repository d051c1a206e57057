import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { AccountType, type GroupItem } from "@bank/core";
import { type CommandOutcome, CommandOutcomeSchema, type ForwardedCommandSchema } from "@bank/proto";
import { failureFromConnectError, itemFromCommand } from "@bank/rpc";
import { type JournalStore, MemoryJournalStore } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import { consistency, followJournal, HeldStore, rest, type ServerClient, watch } from "@bank/testkit";
import { type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { checkBooks, deposit, give, openAccount, withdrawal } from "./books.test-util.ts";
import { clientOf, startFollowing, startTestBank } from "./servers.test-util.ts";
import { describeRecovery } from "./start-bank.ts";

async function failureOf(call: Promise<unknown>): Promise<{ reason: string; outcome: string | undefined }> {
  try {
    await call;
  } catch (error) {
    const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
    if (failure === undefined) throw error;
    return { reason: failure.reason, outcome: failure.metadata["outcome"] };
  }
  throw new Error("the call was expected to fail");
}

/** A bank over a store whose appends the test holds and fails, with a branch. */
async function startFaultyBank() {
  const faulty = new FaultyStore(new MemoryJournalStore());
  const store = new HeldStore(faulty);
  const bank = await startTestBank({ wrapStore: () => store });
  const branch = await startFollowing(bank.url, [1]);
  const [atBank, atBranch] = [clientOf(bank.url), clientOf(branch.url)];
  return { faulty, store, bank, branch, atBank, atBranch, account: await openAccount(atBank) };
}

/** A bank whose appends wait when the test says so. */
async function startHeldBank() {
  const stores: HeldStore[] = [];
  const wrapStore = (inner: JournalStore) => {
    const store = new HeldStore(inner);
    stores.push(store);
    return store;
  };
  const bank = await startTestBank({ wrapStore });
  return { bank, dataDir: bank.dataDir, store: stores[0]! };
}

type Forwarded = MessageInitShape<typeof ForwardedCommandSchema>;

function forwarded(command: GroupItem): Forwarded {
  return { command: { case: "item", value: itemFromCommand(command, { requestId: randomUUID() }) } };
}

function open(owner: string): Forwarded {
  return forwarded({ kind: "openAccount", type: AccountType.SAVINGS, owner, displayName: "", currency: "USD" });
}

function move(kind: "deposit" | "withdraw", account: string, minor: bigint): Forwarded {
  return forwarded({ kind, account, amount: { currency: "USD", minor } });
}

function send(from: string, to: string, minor: bigint): Forwarded {
  return forwarded({ kind: "transfer", from, to, amount: { currency: "USD", minor } });
}

/** Gives commands as a branch does, one call for each. */
async function submit({ replication }: ServerClient, commands: readonly Forwarded[]): Promise<CommandOutcome[]> {
  const outcomes: CommandOutcome[] = [];
  for (const command of commands) outcomes.push(...(await replication.submit({ commands: [command] })).outcomes);
  return outcomes;
}

function bytesOf(outcome: CommandOutcome): string {
  if (outcome.result === undefined) throw new Error("an outcome has a result");
  const result = { ...outcome.result, replayed: false };
  return Buffer.from(toBinary(CommandOutcomeSchema, { ...outcome, result })).toString("hex");
}

describe("a bank whose store", () => {
  it("refuses an append says that nothing was done, and goes on", async () => {
    const { faulty, atBank, atBranch, account } = await startFaultyBank();
    for (const [branch, client] of [atBank, atBranch].entries()) {
      const order = deposit(branch, account, 5n);
      faulty.failNextAppend("refused");
      expect(await failureOf(give(client, order))).toEqual({ reason: "STORE_REFUSED", outcome: "NOT_APPLIED" });
      expect(await client.balance(account)).toBe(BigInt(5 * branch));
      expect(await give(client, order)).toMatchObject({ done: true, replayed: false });
    }
    expect(faulty.faultsSpent).toBe(true);
  });

  it.each(["unknown-lost", "unknown-stored", "unknown-surfacing"] as const)(
    "does not know (%s) answers once it does, and does nothing twice",
    async (fault) => {
      const { faulty, bank, atBranch, account } = await startFaultyBank();
      const order = deposit(1, account, 5n);
      faulty.failNextAppend(fault);
      const reply = await give(atBranch, order);
      expect(reply).toMatchObject({ done: true, replayed: false });
      expect(await give(atBranch, order)).toEqual({ ...reply, replayed: true });
      checkBooks(await followJournal(atBranch, bank.replica.committedPosition), [{ order, reply }]);
      expect(bank.fatal).toEqual([]);
    },
  );

  it("fails for good promises nothing any more, and tells its process to stop", async () => {
    const { store, bank, atBank, atBranch, account } = await startFaultyBank();
    store.holds = true;
    const call = failureOf(give(atBranch, deposit(1, account, 1n)));
    await vi.waitUntil(() => store.held.length > 0);
    store.failNext(new Error("the disk is on fire"));
    expect(await call).toEqual({ reason: "NOT_READY", outcome: "OUTCOME_UNKNOWN" });
    expect(await failureOf(give(atBank, deposit(0, account, 1n)))).toEqual({
      reason: "NOT_READY",
      outcome: "NOT_APPLIED",
    });
    expect(bank.fatal).toHaveLength(1);
    expect(bank.log.about("cannot go on")).toMatchObject([{ fields: { problem: "the disk is on fire" } }]);
    // Another bank may write the journal by now: nobody is told that this one knows its end.
    expect(await failureOf(atBank.journal.getPosition({}))).toMatchObject({ reason: "NOT_READY" });
    expect(await failureOf(atBank.balance(account))).toMatchObject({ reason: "NOT_READY" });
    // The bank says so itself, as long as anybody can ask it.
    const { reason } = await failureOf(atBranch.balance(account));
    expect(["NOT_READY", "BANK_UNREACHABLE"]).toContain(reason);
  });
});

describe("a bank whose disk is slow", () => {
  it("shows nothing and answers nothing that is not on it", async () => {
    const { store, bank, atBank, atBranch, account } = await startFaultyBank();
    await give(atBank, deposit(0, account, 1n));
    const position = bank.replica.committedPosition;
    store.holds = true;
    const write = watch(give(atBranch, deposit(1, account, 10n)));
    await vi.waitUntil(() => store.held.length > 0);
    // What was computed on it waits as it does: a rejection, and every read.
    const rejection = watch(give(atBank, withdrawal(0, account, 12n)));
    const reads = [consistency("local"), consistency("linearizable")].map((mode) =>
      watch(atBank.balance(account, mode)),
    );
    expect((await atBank.journal.getPosition({})).position).toBe(BigInt(position));
    expect(await atBranch.balance(account, consistency("local"))).toBe(1n);
    await rest(100);
    expect([write, rejection, ...reads].map(({ state }) => state)).toEqual(Array(4).fill("pending"));
    store.holds = false;
    store.passNext();
    await vi.waitUntil(() => [write, rejection, ...reads].every(({ state }) => state !== "pending"));
    expect(write.value).toMatchObject({ done: true });
    expect(rejection.value).toMatchObject({ done: false, reason: "INSUFFICIENT_FUNDS" });
    expect(reads.map(({ value }) => value)).toEqual([11n, 11n]);
  });
});

describe("a bank that closes", () => {
  it("answers what is under way, and what it answered is there", async () => {
    const { dataDir, store, bank } = await startHeldBank();
    const client = clientOf(bank.url);
    const account = await openAccount(client);
    store.holds = true;
    const orders = Array.from({ length: 5 }, () => deposit(0, account, 7n));
    const calls = orders.map((order) => give(client, order));
    await vi.waitUntil(() => store.held.length > 0);
    const closing = bank.close();
    store.holds = false;
    store.passNext();
    const replies = await Promise.all(calls);
    await closing;
    const again = await startTestBank({ dataDir });
    const answered = orders.map((order, i) => ({ order, reply: replies[i]! }));
    checkBooks(await followJournal(clientOf(again.url), again.replica.committedPosition), answered);
    expect(again.recovered.snapshotPosition).toBeGreaterThan(0);
  });
});

describe("a bank that is started again", () => {
  it("gives every answer again, byte for byte, from its snapshot", async () => {
    const first = await startTestBank({ snapshotEveryRecords: 4 });
    const { port, dataDir } = first;
    const client = clientOf(first.url);
    const commands = [
      open("Ada"),
      open("Bob"),
      move("deposit", "1", 100n),
      move("withdraw", "1", 101n),
      move("withdraw", "1", 30n),
      send("1", "2", 20n),
      send("2", "2", 1n),
      move("deposit", "9", 1n),
      send("1", "2", 999n),
      move("deposit", "2", 1n),
    ];
    const originals = await submit(client, commands);
    expect(originals.map(({ result }) => result?.result.case)).toEqual([
      "account",
      "account",
      "transaction",
      "failure",
      "transaction",
      "transaction",
      "failure",
      "failure",
      "failure",
      "transaction",
    ]);
    await first.close();
    const second = await startTestBank({ port, dataDir });
    expect(second.recovered.snapshotPosition).toBeGreaterThan(0);
    const replays = await submit(client, commands);
    expect(replays.every(({ result }) => result?.replayed)).toBe(true);
    expect(replays.map(bytesOf)).toEqual(originals.map(bytesOf));
    const line = describeRecovery(second.recovered, second.bankId);
    const { snapshotPosition: at, replayedRecords: behind } = second.recovered;
    expect(line).toMatch(new RegExp(`^bank [0-9a-f]{8} recovered to position ${at + behind} in \\d+ ms: `));
    expect(line).toContain(`the snapshot at ${at} and ${behind} records behind it`);
    await openAccount(client);
    expect(describeRecovery(second.recovered, second.bankId), "what has happened since changes nothing").toBe(line);
  });

  it("keeps no anchor for a journal in memory", async () => {
    const bank = await startTestBank({ store: "memory:" });
    await openAccount(clientOf(bank.url));
    await bank.close();
    expect(await readdir(bank.dataDir)).toEqual([]);
  });
});

describe("many commands in one call", () => {
  it("are each done or not, in their order", async () => {
    const bank = await startTestBank();
    const client = clientOf(bank.url);
    const account = await openAccount(client);
    const id = randomUUID();
    const amount = (minor: bigint) => ({ currencyCode: "USD", amountMinor: minor });
    const item = (kind: "deposit" | "withdraw", requestId: string, minor: bigint) => ({
      command: { case: kind, value: { requestId, account, amount: amount(minor) } },
    });
    const items = [
      item("withdraw", randomUUID(), 1n),
      item("deposit", id, 5n),
      item("withdraw", randomUUID(), 5n),
      item("deposit", id, 5n),
      item("deposit", id, 6n),
      item("withdraw", randomUUID(), 1n),
    ];
    const { results, readInfo } = await client.transactions.executeBatch({ items });
    expect(
      results.map(({ result, replayed }) => [result.case === "failure" ? result.value.reason : "done", replayed]),
    ).toEqual([
      ["INSUFFICIENT_FUNDS", false],
      ["done", false],
      ["done", false],
      ["done", true],
      ["REQUEST_ID_REUSED", false],
      ["INSUFFICIENT_FUNDS", false],
    ]);
    expect(Number(readInfo?.position)).toBe(bank.replica.committedPosition);
    expect(await client.balance(account)).toBe(0n);
  });
});
