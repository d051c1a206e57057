import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { bytesEqual, formatRequestId, RecordKind } from "@bank/core";
import { failureFromConnectError, outcomeOf } from "@bank/rpc";
import { migrate, openStore } from "@bank/store";
import { describeWithPostgres } from "@bank/store/conformance";
import { consistency, readWholeJournal, type ServerClient } from "@bank/testkit";
import { ConnectError } from "@connectrpc/connect";
import { expect, it, vi } from "vitest";
import { freePort } from "./promotion.test-util.ts";
import { clientOf, startProcess, temporaryFolder } from "./servers.test-util.ts";

const LEASE_MS = 500;
const CUSTOMERS = 16;
/** Before the leader stands still, so that it does so in the middle of its appends. */
const WARM_UP = 200;
const PATIENCE_MS = 20_000;

/** A deposit of 1, sent once, and what its caller was told; undefined while he waits. */
interface Sent {
  readonly requestId: string;
  told?: string;
}

/** Sends it without retries. An answer is told as `done`, any other end by its reason and what is known of the effect. */
async function send({ transactions }: ServerClient, sent: Sent): Promise<void> {
  const amount = { currencyCode: "USD", amountMinor: 1n };
  sent.told = await transactions.deposit({ requestId: sent.requestId, account: "1", amount }).then(
    () => "done",
    (error: unknown) => toldBy(error),
  );
}

function toldBy(error: unknown): string {
  if (!(error instanceof ConnectError)) throw error;
  return `${failureFromConnectError(error)?.reason ?? "its connection broke"}, ${outcomeOf(error)}`;
}

/** What may be told by a bank that another one has replaced, or that ended meanwhile. */
const REPLACED = /^NOT_LEADER, |, OUTCOME_UNKNOWN$/;

/** Request ids of what is stored, in its order, by whose epoch it is of. */
async function storedIn(url: string) {
  const store = openStore(url);
  try {
    const { bankId } = await store.open();
    if (bankId === undefined) throw new Error("no bank lives there");
    const { records, replay } = await readWholeJournal(store, bankId);
    const { epochs } = replay.ledger;
    const epochOf = (id: Uint8Array) => epochs.find((each) => bytesEqual(each.id, id))?.number;
    return records.flatMap(({ record, epochId, position }) =>
      record.kind === RecordKind.DEPOSIT && record.request !== undefined
        ? [{ requestId: formatRequestId(record.request.id), epoch: epochOf(epochId), position }]
        : [],
    );
  } finally {
    await store.close();
  }
}

describeWithPostgres("a leader that stood still in the middle of its appends while another took over", (postgres) => {
  it("stores nothing when it is woken, says so, and answers no read that must be newest", async () => {
    const url = postgres().url("woken", `&lease_ms=${LEASE_MS}`);
    await migrate(url);
    const folder = await temporaryFolder();
    const start = (port: number) => {
      const args = ["--listen", `127.0.0.1:${port}`, "--data", join(folder, String(port)), "--store", url];
      return startProcess({ app: "bank-server", args });
    };
    const first = start(await freePort());
    const firstUrl = await first.url();
    const second = start(await freePort());
    await second.logged(/the standby is warm/);
    const atFirst = Array.from({ length: CUSTOMERS }, () => clientOf(firstUrl));
    const [client] = atFirst as [ServerClient];
    await client.accounts.openAccount({ requestId: randomUUID(), currencyCode: "USD" });

    const before: Sent[] = [];
    let isPaused = false;
    const trading = atFirst.map(async (each) => {
      while (!isPaused) {
        const sent: Sent = { requestId: randomUUID() };
        before.push(sent);
        await send(each, sent);
      }
    });
    const answered = () => before.filter(({ told }) => told === "done").length;
    await vi.waitUntil(() => answered() > WARM_UP, { timeout: PATIENCE_MS, interval: 1 });
    first.pause();
    isPaused = true;
    const secondUrl = await second.url();
    const atSecond = clientOf(secondUrl);
    const there: Sent[] = Array.from({ length: 20 }, () => ({ requestId: randomUUID() }));
    for (const sent of there) await send(atSecond, sent);

    // What it finds in its sockets when it wakes, and what comes at once.
    const late: Sent[] = Array.from({ length: 2 * CUSTOMERS }, () => ({ requestId: randomUUID() }));
    const read = () => client.accounts.getBalance({ account: "1" }, consistency("linearizable"));
    const reads = [read(), read()].map((reading) => reading.then(() => "answered", toldBy));
    const asking = late.map((sent, i) => send(atFirst[i % CUSTOMERS] as ServerClient, sent));
    first.resume();
    reads.push(read().then(() => "answered", toldBy));
    await Promise.all(asking);

    expect(await Promise.all(reads)).not.toContain("answered");
    for (const { told } of late) expect(told).toMatch(REPLACED);
    expect((await first.ended).code).toBe(6);
    expect(there.map(({ told }) => told)).toEqual(there.map(() => "done"));
    await Promise.all(trading);
    const balance = await atSecond.balance("1");
    expect((await second.terminate()).code).toBe(0);
    // Reading proves the chain, each digest and that there is no gap.
    const stored = await storedIn(url);
    const epochOf = new Map(stored.map(({ requestId, epoch }) => [requestId, epoch]));
    expect(epochOf.size).toBe(stored.length);
    expect(balance).toBe(BigInt(stored.length));
    const [inFirst, inSecond] = [1, 2].map((epoch) => stored.filter((each) => each.epoch === epoch).length);
    expect(inSecond).toBe(there.length);
    expect(inFirst).toBe(stored.length - there.length);
    for (const { requestId, told } of before) {
      if (told === "done") expect(epochOf.get(requestId)).toBe(1);
      else expect(told).toMatch(REPLACED);
      if (told?.endsWith("NOT_APPLIED")) expect(epochOf.has(requestId)).toBe(false);
    }
    for (const { requestId } of late) expect(epochOf.has(requestId)).toBe(false);
    for (const { requestId } of there) expect(epochOf.get(requestId)).toBe(2);
    process.stdout.write(
      `\ntold behind the wake: ${[...new Set([...late, ...before].map(({ told }) => told))].join("; ")}\n`,
    );
  });
});
