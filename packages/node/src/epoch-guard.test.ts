import { randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EPOCHS_PER_LINE, FORMAT_LEVEL_MAX } from "@bank/core";
import { EPOCH_HEADER, failureFromConnectError } from "@bank/rpc";
import { consistency, RecordingLog, type ServerClient } from "@bank/testkit";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { deposit, give, openAccount } from "./books.test-util.ts";
import { EpochGuard, REMEMBER_AGAIN_MS } from "./epoch-guard.ts";
import { clientOf, startTestBank } from "./servers.test-util.ts";
import { SupersededError, SupersededFile } from "./superseded-file.ts";

async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
    if (failure === undefined) throw error;
    return `${failure.reason} ${failure.metadata["outcome"]}`;
  }
  return "done";
}

function knowing(epoch: number | string) {
  return { headers: { [EPOCH_HEADER]: String(epoch) } };
}

function order(account: string, requestId: string = randomUUID()) {
  return { requestId, account, amount: { currencyCode: "USD", amountMinor: 100n } };
}

/** What customers and followers ask. */
function questions({ accounts, transactions, requests, journal, replication }: ServerClient, account: string) {
  const requestId = randomUUID();
  return {
    deposit: () => transactions.deposit(order(account)),
    preview: () => transactions.deposit({ ...order(account), validateOnly: true }),
    linearizable: () => accounts.getBalance({ account }),
    outcome: () => requests.getOutcome({ requestId }),
    cancel: () => requests.cancelRequest({ requestId }),
    position: () => journal.getPosition({}),
    probe: () => journal.probe({}),
    register: () => replication.registerBranch({ branch: 9, name: "nine", address: "http://127.0.0.1:9" }),
    follow: async () => {
      for await (const _ of journal.follow({ formatLevel: FORMAT_LEVEL_MAX })) return;
    },
  };
}

describe("a bank that hears of a newer epoch", () => {
  it("stops for good: money does not move, nobody follows, local reads go on without a promise", async () => {
    const bank = await startTestBank();
    const client = clientOf(bank.url);
    const account = await openAccount(client);
    const done = order(account);
    await client.transactions.deposit(done);
    const position = bank.replica.committedPosition;
    const stream = client.journal.follow({ formatLevel: FORMAT_LEVEL_MAX })[Symbol.asyncIterator]();
    while ((await stream.next()).value?.frame.length === 0);
    const ended = reasonOf(
      (async () => {
        while (!(await stream.next()).done);
      })(),
    );

    // The very call that tells it is refused.
    expect(await reasonOf(client.transactions.deposit(order(account), knowing(2)))).toBe(
      "EPOCH_SUPERSEDED NOT_APPLIED",
    );
    expect(await ended).toMatch(/^EPOCH_SUPERSEDED/);
    for (const [name, ask] of Object.entries(questions(client, account)))
      expect(await reasonOf(ask()), name).toMatch(/^EPOCH_SUPERSEDED/);
    // What was done before is not said to be undone.
    expect(await reasonOf(client.transactions.deposit(done))).toBe("EPOCH_SUPERSEDED OUTCOME_UNKNOWN");
    expect(bank.replica.committedPosition).toBe(position);
    const { posted, readInfo } = await client.accounts.getBalance({ account }, consistency("local"));
    expect(posted?.amountMinor).toBe(100n);
    expect(readInfo?.stalenessMs).toBeUndefined();
    expect(readInfo?.session).toBe("");
  });

  it("does not start again, until an operator has taken the word of it away", async () => {
    const bank = await startTestBank();
    const { dataDir } = bank;
    const client = clientOf(bank.url);
    const account = await openAccount(client);
    expect(await reasonOf(client.accounts.getBalance({ account }, knowing(EPOCHS_PER_LINE)))).toMatch(
      /EPOCH_SUPERSEDED/,
    );
    const path = join(dataDir, "superseded.json");
    expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ epoch: "1", newer: String(EPOCHS_PER_LINE) });
    await bank.close();
    for (let tries = 0; tries < 2; tries++) await expect(startTestBank({ dataDir })).rejects.toThrow(SupersededError);
    await writeFile(path, "{}");
    await expect(startTestBank({ dataDir })).rejects.toThrow(/superseded.json is damaged/);
    await rm(path);
    const again = await startTestBank({ dataDir });
    expect(await clientOf(again.url).balance(account)).toBe(0n);
  });

  it("is not stopped by its own epoch, an older one, or what is none", async () => {
    const { dataDir, ...first } = await startTestBank();
    await first.close();
    const bank = await startTestBank({ dataDir });
    const client = clientOf(bank.url);
    const account = await openAccount(client);
    for (const epoch of [1, 2])
      expect(await reasonOf(client.accounts.getBalance({ account }, knowing(epoch)))).toBe("done");
    const none = [
      "",
      "0",
      "-3",
      "1e3",
      "0x9",
      "3.5",
      "three",
      String(2 + 100 * EPOCHS_PER_LINE + 1),
      "99999999999999999999",
    ];
    for (const epoch of none)
      expect(await reasonOf(client.accounts.getBalance({ account }, knowing(epoch))), epoch).toMatch(
        /^INVALID_REQUEST/,
      );
    await give(client, deposit(1, account, 100n));
    expect(await client.balance(account)).toBe(100n);
  });
});

describe("what a full disk could not remember", () => {
  it("is written by a later call, not by every one; what failed is told once", async () => {
    const { replica, dataDir } = await startTestBank();
    const log = new RecordingLog();
    const file = new SupersededFile(dataDir);
    let isFull = true;
    let tries = 0;
    const write = (superseded: Parameters<SupersededFile["write"]>[0]) => {
      tries++;
      if (isFull) throw new Error("ENOSPC: no space left on device");
      file.write(superseded);
    };
    let nowMs = 0;
    const guard = new EpochGuard({ replica, file: { write }, platform: { monotonicMs: () => nowMs, log } });
    guard.hear(7);
    expect(replica.isSuperseded).toBe(true);
    const hearAfter = (ms: number) => {
      nowMs += ms;
      guard.hear(8);
      return tries;
    };
    expect(hearAfter(REMEMBER_AGAIN_MS - 1)).toBe(1);
    expect(hearAfter(1)).toBe(2);
    isFull = false;
    expect(hearAfter(REMEMBER_AGAIN_MS - 1)).toBe(2);
    expect(file.read()).toBeUndefined();
    expect(hearAfter(1)).toBe(3);
    expect(file.read()).toEqual({ epoch: 1, newer: 7 });
    expect(hearAfter(10 * REMEMBER_AGAIN_MS)).toBe(3);
    expect(log.about("could not be remembered")).toHaveLength(1);
    expect(log.about("remembered now")).toHaveLength(1);
  });
});
