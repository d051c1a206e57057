import { type BankClient, connectBank, type RetryNotice } from "@bank/client";
import { MemoryDisk } from "@bank/store";
import { LeasedStore } from "@bank/testkit";
import { expect, it, onTestFinished } from "vitest";
import { RemoteJournal } from "./bank-link.ts";
import { startTestBank, type TestBank } from "./servers.test-util.ts";

const usd = (minor: bigint) => ({ currency: "USD", minor });
function bankOn(disk: MemoryDisk): Promise<TestBank> {
  return startTestBank({ store: "memory:", wrapStore: () => new LeasedStore(disk) });
}

function clientOf(server: string, session?: string, onRetry?: (notice: RetryNotice) => void): BankClient {
  const client = connectBank({ server, session, onRetry });
  onTestFinished(() => client.close());
  return client;
}

/** A bank that was replaced and has not noticed, and the one that did. */
async function replaced() {
  const disk = new MemoryDisk();
  const old = await bankOn(disk);
  const customer = clientOf(old.url);
  await customer.openAccount({});
  await customer.deposit("1", usd(100n));
  await journalOf(old).registerBranch({ branch: 1, name: "one", address: "http://127.0.0.1:7001" });
  // As one that has the lease and stands still lets another one take it.
  disk.holder = undefined;
  const next = await bankOn(disk);
  const { session } = await clientOf(next.url).withdraw("1", usd(60n));
  return { old, next, session };
}

function journalOf({ url }: TestBank): RemoteJournal {
  const journal = new RemoteJournal(url, "a test");
  onTestFinished(() => journal.close());
  return journal;
}

const amount = usd(1n);

it.each<[string, (client: BankClient, signal: AbortSignal) => Promise<unknown>]>([
  ["a movement", (client, signal) => client.deposit("1", amount, { signal })],
  ["a movement that no row can say", (client, signal) => client.deposit("1", amount, { signal, expectedVersion: 1 })],
  ["a group", (client, signal) => client.executeGroup([{ kind: "deposit", account: "1", amount }], { signal })],
  ["an order about an account", (client, signal) => client.freezeAccount("1", { signal })],
  ["copies that shall count", (client, signal) => client.setDurability({ copies: 1, branches: [1] }, { signal })],
  ["a preview", (client, signal) => client.withdraw("1", amount, { signal, validateOnly: true })],
  ["a read", (client, signal) => client.balance("1", { signal, consistency: "session" })],
  [
    "a read of the past",
    (client, signal) => client.balance("1", { signal, consistency: { mode: "position", position: 9 } }),
  ],
])(
  "a bank that was replaced does not hold it against %s that it does not know the caller's session",
  async (_, ask) => {
    const { old, session } = await replaced();
    const firstTry = new AbortController();
    const reasons: string[] = [];
    const client = clientOf(old.url, session, ({ reason }) => {
      reasons.push(reason);
      firstTry.abort();
    });
    await expect(ask(client, firstTry.signal)).rejects.toMatchObject({ reason: "CANCELED" });
    expect(reasons).toEqual(["NOT_LEADER"]);
  },
);

it("holds against no session what the bank itself may", async () => {
  const { next, session } = await replaced();
  const another = await bankOn(new MemoryDisk());
  expect(await clientOf(next.url, session).deposit("1", amount)).toMatchObject({ replayed: false });
  await expect(clientOf(another.url, session).deposit("1", amount)).rejects.toMatchObject({
    reason: "SESSION_INVALID",
    outcome: "NOT_APPLIED",
  });
});

it("does not tell a branch that its registration is in force", async () => {
  const { old } = await replaced();
  const again = journalOf(old).registerBranch({ branch: 1, name: "one", address: "http://127.0.0.1:7001" });
  await expect(again).rejects.toThrow("another server has taken over");
});

it("does not take a follower of the other one for proof of a loss, nor tell it that its journal is another's", async () => {
  const { old, next } = await replaced();
  const { bankId } = next;
  const { position, chainHash, epochId } = await next.replica.head(0);
  const from = { bankId, position, chainHash: chainHash as Uint8Array, epochId: epochId as Uint8Array };
  const following = async () => {
    for await (const _ of journalOf(old).openJournal(from, AbortSignal.timeout(5_000)))
      throw new Error("it is followed");
  };
  await expect(following()).rejects.toThrow("another server has taken over");
  for (const checked of ["no part of this one", "could not be checked"]) expect(old.log.about(checked)).toEqual([]);
});
