import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { FailureOutcome } from "@bank/core";
import { LossDetectedError } from "@bank/replica";
import { failureFromConnectError } from "@bank/rpc";
import { openStore, StoreLockedError } from "@bank/store";
import { consistency, followJournal, readWholeJournal, type ServerClient } from "@bank/testkit";
import { type CallOptions, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { checkBooks, deposit, give } from "./books.test-util.ts";
import { silentLog } from "./log.ts";
import { anchoredPosition, type LostTail, loseTail, removeAnchor } from "./loss.test-util.ts";
import { acceptLoss, healFrom } from "./recover-loss.ts";
import {
  clientOf,
  startFollowing,
  startTestBank,
  startTestBranches,
  type TestBranches,
  temporaryFolder,
} from "./servers.test-util.ts";

/** The refusal of a start. Rejects where it does not refuse. */
async function refusalOf(start: Promise<unknown>): Promise<LossDetectedError> {
  try {
    await start;
  } catch (error) {
    if (error instanceof LossDetectedError) return error;
    throw error;
  }
  throw new Error("the bank was expected to refuse to start");
}

function bankUrlOf({ bankPort }: LostTail): string {
  return `http://127.0.0.1:${bankPort}`;
}

/** The branch of a lost bank, at its old address. */
function returnOfBranch(lost: LostTail): Promise<TestBranches> {
  return startTestBranches(bankUrlOf(lost), [1], { dataDir: lost.branchDir, firstPort: lost.branchPort });
}

/** Why a call failed, and what that says about its effect. */
async function failureOf(call: Promise<unknown>): Promise<{ reason: string; outcome: FailureOutcome; text: string }> {
  try {
    await call;
  } catch (error) {
    const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
    if (failure === undefined) throw error;
    const { reason, message: text, metadata } = failure;
    return { reason, text, outcome: metadata["outcome"] as FailureOutcome };
  }
  throw new Error("the call was expected to fail");
}

function depositUnder(client: ServerClient, account: string, session: string): Promise<unknown> {
  const amount = { currencyCode: "USD", amountMinor: 1n };
  return client.transactions.deposit({ requestId: randomUUID(), account, amount }, consistency("", session));
}

describe("a bank that lost the end of its journal", () => {
  it.each([1, 2] as const)("refuses to start by its anchor alone, which knows %i epochs", async (epochs) => {
    const lost = await loseTail({ epochs });
    const { bankDir, kept, end } = lost;
    // The branch is away.
    for (let tries = 0; tries < 2; tries++) {
      const refusal = await refusalOf(startTestBank({ dataDir: bankDir }));
      expect(refusal.losses).toHaveLength(1);
      expect(refusal.message).toContain(`The journal ends at position ${kept}, and the anchor file ${bankDir}`);
      expect(refusal.message).toContain(`holds position ${end}: ${end - kept} committed records are missing`);
      expect(refusal.message).toContain(`(${kept + 1} to ${end})`);
    }
  });

  it.each([1, 2] as const)("refuses to start by a branch alone, which knows %i epochs", async (epochs) => {
    const { bankDir, bankPort, branchDir, branchPort, branchUrl, kept, end } = await loseTail({ epochs });
    await removeAnchor(bankDir);
    const bankUrl = `http://127.0.0.1:${bankPort}`;
    await startTestBranches(bankUrl, [1], { dataDir: branchDir, firstPort: branchPort });
    const refusal = await refusalOf(startTestBank({ dataDir: bankDir, port: bankPort, witnessTimeoutMs: 5_000 }));
    expect(refusal.losses).toMatchObject([{ kind: "behind", position: kept, witness: { position: end } }]);
    expect(refusal.message).toContain(`branch 1 at ${branchUrl} holds position ${end}`);
  });

  it("starts where nothing is lost, or nobody is left who knows of it", async () => {
    const { bankDir, kept } = await loseTail();
    await removeAnchor(bankDir);
    const bank = await startTestBank({ dataDir: bankDir });
    expect(bank.replica.committedPosition).toBe(kept + 1);
    expect(bank.log.about("without the testimony")).toMatchObject([{ level: "warn", fields: { missing: 1 } }]);
    await bank.close();
    await (await startTestBank({ dataDir: bankDir })).close();
  });
});

describe("healing", () => {
  it("takes everything back from a branch, and nobody can tell the difference", async () => {
    const lost = await loseTail();
    const { bankDir, bankPort, branchUrl, kept, end, account, answered, session } = lost;
    const branch = await returnOfBranch(lost);
    const options = { dataDir: bankDir, log: silentLog };
    expect(await healFrom(branchUrl, options)).toEqual({ from: kept, to: end });
    expect(await healFrom(branchUrl, options)).toEqual({ from: end, to: end });

    const bank = await startTestBank({ dataDir: bankDir, port: bankPort, witnessTimeoutMs: 5_000 });
    expect(bank.recovered).toMatchObject({ replayedRecords: end });
    expect(bank.replica.ledger.currentEpoch()).toMatchObject({ firstPosition: end + 1, lossAccepted: false });
    const client = clientOf(bank.url);
    await branch.whenFollowing(AbortSignal.timeout(10_000));
    expect(await client.balance(account)).toBe(lost.endBalance);
    expect(await clientOf(branchUrl).balance(account, consistency("session", session))).toBe(lost.endBalance);
    for (const { order, reply } of answered)
      expect(await give(client, order)).toEqual(reply.done ? { ...reply, replayed: true } : reply);
    const journals = await Promise.all(
      [client, clientOf(branchUrl)].map((server) => followJournal(server, bank.replica.committedPosition)),
    );
    for (const journal of journals) checkBooks(journal, answered);
    expect(journals[0]?.digests).toEqual(journals[1]?.digests);
    expect(journals[0]?.digests.get(end)).toBe(lost.digest);
  });

  it("takes nothing that does not continue the bank's own journal, and nothing from another bank", async () => {
    const lost = await loseTail();
    const options = { dataDir: lost.bankDir, log: silentLog };
    const stranger = await startTestBank();
    for (let i = 0; i < 20; i++) await clientOf(stranger.url).accounts.openAccount(newAccount());
    await expect(healFrom(stranger.url, options)).rejects.toThrow("not a prefix");
    // The bank writes on without what it lost; then it is too late.
    await removeAnchor(lost.bankDir);
    const bank = await startTestBank({ dataDir: lost.bankDir });
    await expect(healFrom(lost.branchUrl, options)).rejects.toThrow(StoreLockedError);
    const end = bank.replica.committedPosition;
    await bank.close();
    await returnOfBranch(lost);
    await expect(healFrom(lost.branchUrl, options)).rejects.toThrow("not a prefix");
    const again = await startTestBank({ dataDir: lost.bankDir, witnessTimeoutMs: 0 });
    expect(again.recovered.replayedRecords + again.recovered.snapshotPosition).toBe(end);
  });

  it("needs a bank to heal, and a branch to heal it from", async () => {
    const dataDir = join(await temporaryFolder(), "nothing");
    const log = silentLog;
    await expect(healFrom("http://127.0.0.1:1", { dataDir, log })).rejects.toThrow("no bank lives in");
    const { bankDir } = await loseTail();
    await expect(healFrom("http://127.0.0.1:1", { dataDir: bankDir, log })).rejects.toThrow(ConnectError);
  });
});

describe("accepting a loss", () => {
  it("exports what a branch still holds, begins a new epoch, and the branch follows again", async () => {
    const lost = await loseTail();
    const { bankDir, bankPort, branchDir, kept, end, account, session, answered } = lost;
    const branch = await returnOfBranch(lost);
    const accepted = await acceptLoss({ dataDir: bankDir, log: silentLog });
    expect(accepted).toMatchObject({ position: kept, exportedRecords: end - kept });
    const lines = (await readFile(accepted.exportFile ?? "", "utf8")).trimEnd().split("\n");
    const exported = lines.map((line) => JSON.parse(line) as { position: string; record: { amount: string } });
    const gone = answered.filter(({ reply }) => (reply.position ?? 0) > kept);
    expect(exported.map(({ position, record }) => [Number(position), BigInt(record.amount)])).toEqual(
      gone.map(({ order, reply }) => [reply.position, order.minor]),
    );
    expect(await anchoredPosition(bankDir)).toBe(kept + 1);

    const bank = await startTestBank({ dataDir: bankDir, port: bankPort });
    expect(bank.replica.ledger.epochs.at(-2)).toMatchObject({ firstPosition: kept + 1, lossAccepted: true });
    expect(bank.replica.ledger.epochs.at(-1)).toMatchObject({ lossAccepted: false });
    await branch.whenFollowing(AbortSignal.timeout(10_000));
    const clients = [clientOf(bank.url), clientOf(branch.url)];
    for (const client of clients) {
      expect(await client.balance(account)).toBe(lost.keptBalance);
      // Whoever has seen what is lost is told so, at once and wherever he asks.
      const asks: CallOptions[] = [consistency("session", session), consistency("linearizable", session)];
      for (const ask of asks)
        expect(await failureOf(client.balance(account, ask))).toMatchObject({ reason: "SESSION_LOST" });
      expect(await failureOf(depositUnder(client, account, session))).toMatchObject({
        reason: "SESSION_LOST",
        outcome: "NOT_APPLIED",
      });
      expect(await client.balance(account, consistency("local", session))).toBe(lost.keptBalance);
      // What was lost can be asked for again under its old id.
    }
    const [first] = gone;
    if (first === undefined) throw new Error("something was lost");
    expect(await give(clientOf(branch.url), first.order)).toMatchObject({ done: true, replayed: false });
    await checkSame(bank.replica.committedPosition, clients);

    // Evidence of loss is never destroyed.
    const aside = (await readdir(branchDir)).filter((name) => name.startsWith("journal.aside-"));
    expect(aside).toHaveLength(1);
    const store = openStore(`sqlite:${join(branchDir, aside[0] as string)}`);
    await store.open();
    const old = await readWholeJournal(store, bank.bankId);
    await store.close();
    expect(old.records).toHaveLength(end);
    expect(old.digests.get(end)).toBe(lost.digest);
    checkBooks(old, answered);
  });

  it("begins a new epoch also where no branch holds anything, and where the lost epoch is not known", async () => {
    const lost = await loseTail({ epochs: 2 });
    const accepted = await acceptLoss({ dataDir: lost.bankDir, log: silentLog, witnessTimeoutMs: 0 });
    expect(accepted).toEqual({ position: lost.kept, exportedRecords: 0, exportFile: undefined });
    const bank = await startTestBank({ dataDir: lost.bankDir, port: lost.bankPort });
    // The branch comes back later, with records of an epoch that the bank has never heard of.
    const branch = await returnOfBranch(lost);
    await branch.whenFollowing(AbortSignal.timeout(10_000));
    for (const client of [clientOf(bank.url), clientOf(branch.url)])
      expect(await failureOf(client.balance(lost.account, consistency("session", lost.session)))).toMatchObject({
        reason: "SESSION_LOST",
      });
    await checkSame(bank.replica.committedPosition, [clientOf(bank.url), clientOf(branch.url)]);
  });

  it("is not possible where nothing is missing, and leaves the bank as it was", async () => {
    const bank = await startTestBank();
    const { dataDir } = bank;
    await bank.close();
    const end = await anchoredPosition(dataDir);
    await expect(acceptLoss({ dataDir, log: silentLog })).rejects.toThrow("nothing is missing");
    const again = await startTestBank({ dataDir });
    expect(again.recovered.replayedRecords + again.recovered.snapshotPosition).toBe(end);
  });

  it("puts a copy aside that lies elsewhere, too", async () => {
    const lost = await loseTail();
    await acceptLoss({ dataDir: lost.bankDir, log: silentLog, witnessTimeoutMs: 0 });
    const folder = join(lost.branchDir, "journal");
    await startTestBank({ dataDir: lost.bankDir, port: lost.bankPort });
    const dataDir = await temporaryFolder();
    const branch = await startFollowing(bankUrlOf(lost), [1], { dataDir, store: `sqlite:${folder}/` });
    expect(await clientOf(branch.url).balance(lost.account)).toBe(lost.keptBalance);
    const names = await readdir(dirname(folder));
    expect(names.filter((name) => name.startsWith(`${basename(folder)}.aside-`))).toHaveLength(1);
    expect(branch.log.about("put aside")).toHaveLength(1);
  });
});

describe("a bank that runs without what its branch holds", () => {
  it.each([1, 12])(
    "stops writing as soon as the branch is back, after %i records of its own, and goes on reading",
    async (count) => {
      const lost = await loseTail();
      const { account, kept, end } = lost;
      await removeAnchor(lost.bankDir);
      const bank = await startTestBank({ dataDir: lost.bankDir, port: lost.bankPort });
      const client = clientOf(bank.url);
      for (let i = 0; i < count; i++) await give(client, deposit(0, account, 7n));
      const balance = lost.keptBalance + 7n * BigInt(count);
      const written = bank.replica.committedPosition;

      const branch = await returnOfBranch(lost);
      await vi.waitUntil(() => branch.replica().state === "diverged");
      // The bank asks the branch back before it believes the loss.
      await vi.waitUntil(() => bank.log.lines.some(({ level }) => level === "error"));
      const failure = await failureOf(give(client, deposit(0, account, 1n)));
      expect(failure).toMatchObject({ reason: "LOSS_DETECTED", outcome: "NOT_APPLIED" });
      expect(failure.text).toMatch(new RegExp(`branch 1 at .* up to position ${end} .* ends at position ${written}:`));
      expect(await client.balance(account)).toBe(balance);

      const atBranch = clientOf(branch.url);
      expect(await atBranch.balance(account, consistency("local"))).toBe(lost.endBalance);
      expect(await failureOf(atBranch.balance(account))).toMatchObject({ reason: "BANK_UNREACHABLE" });
      expect(await failureOf(give(atBranch, deposit(1, account, 1n)))).toMatchObject({ reason: "BANK_UNREACHABLE" });

      // Started again it refuses; told to give up what is lost, it goes on, with what it wrote since.
      await bank.close();
      const options = { dataDir: lost.bankDir, port: lost.bankPort, witnessTimeoutMs: 5_000 };
      await refusalOf(startTestBank(options));
      const accepted = await acceptLoss({ dataDir: lost.bankDir, log: silentLog });
      expect(accepted).toMatchObject({ position: written, exportedRecords: end - kept });
      const again = await startTestBank(options);
      await branch.whenFollowing(AbortSignal.timeout(10_000));
      expect(await atBranch.balance(account)).toBe(balance);
      await checkSame(again.replica.committedPosition, [atBranch, clientOf(again.url)]);
    },
  );

  it("is not stopped by somebody who only says so", async () => {
    const bank = await startTestBank();
    const client = clientOf(bank.url);
    const follow = async (request: Parameters<typeof client.journal.follow>[0]) => {
      for await (const _ of client.journal.follow(request));
    };
    const bare = { afterPosition: 1_000n, chainHash: new Uint8Array(32) };
    expect(await failureOf(follow(bare))).toMatchObject({ reason: "INVALID_REQUEST" });
    const claim = { ...bare, epochId: new Uint8Array(16), follower: "branch 1" };
    for (const bankId of [new Uint8Array(16).fill(9), bank.bankId])
      expect(await failureOf(follow({ ...claim, bankId }))).toMatchObject({ reason: "JOURNAL_DIVERGED" });
    // No registered branch holds more, so that nothing is believed.
    await vi.waitUntil(() => bank.log.lines.some(({ event }) => event.includes("no registered branch confirms")));
    expect((await client.accounts.openAccount(newAccount())).account?.number).toBe("1");
  });
});

describe("a second loss, behind one that was accepted,", () => {
  /** The bank has accepted a loss, has gone on, and loses a whole epoch. */
  async function loseAgain(): Promise<LostTail> {
    const first = await loseTail();
    await acceptLoss({ dataDir: first.bankDir, log: silentLog, witnessTimeoutMs: 0 });
    return loseTail({ epochs: 2, from: first });
  }

  it("is seen by the anchor", async () => {
    const { bankDir, kept, end } = await loseAgain();
    const refusal = await refusalOf(startTestBank({ dataDir: bankDir }));
    expect(refusal.losses).toMatchObject([{ position: kept, witness: { position: end } }]);
  });

  it("is seen by a branch, whether it is asked or comes by itself, and the branch keeps its copy", async () => {
    const lost = await loseAgain();
    await removeAnchor(lost.bankDir);
    const options = { dataDir: lost.bankDir, port: lost.bankPort };
    const branch = await returnOfBranch(lost);
    const refusal = await refusalOf(startTestBank({ ...options, witnessTimeoutMs: 5_000 }));
    expect(refusal.losses).toMatchObject([{ position: lost.kept, witness: { position: lost.end } }]);
    await branch.close();
    await startTestBank({ ...options, witnessTimeoutMs: 0 });
    const back = await returnOfBranch(lost);
    await vi.waitUntil(() => back.replica().state === "diverged");
    expect(await failureOf(give(clientOf(bankUrlOf(lost)), deposit(0, lost.account, 1n)))).toMatchObject({
      reason: "LOSS_DETECTED",
    });
    expect((await readdir(lost.branchDir)).filter((name) => name.startsWith("journal.aside-"))).toHaveLength(1);
    expect(back.replica().savedPosition).toBe(lost.end);
  });

  it("can be healed or accepted like the first", async () => {
    const lost = await loseAgain();
    const branch = await returnOfBranch(lost);
    const options = { dataDir: lost.bankDir, port: lost.bankPort, witnessTimeoutMs: 5_000 };
    await refusalOf(startTestBank(options));
    await acceptLoss({ dataDir: lost.bankDir, log: silentLog });
    await startTestBank(options);
    await branch.whenFollowing(AbortSignal.timeout(10_000));
    expect(await clientOf(branch.url).balance(lost.account)).toBe(lost.keptBalance);
    expect((await readdir(lost.branchDir)).filter((name) => name.startsWith("journal.aside-"))).toHaveLength(2);
  });
});

function newAccount() {
  return { requestId: randomUUID(), owner: "Ada", currencyCode: "USD" };
}

/** All servers tell the same journal up to the position. */
async function checkSame(end: number, clients: readonly ServerClient[]): Promise<void> {
  const journals = await Promise.all(clients.map((client) => followJournal(client, end)));
  for (const { digests } of journals) expect(digests).toEqual(journals[0]?.digests);
}
