import { randomUUID } from "node:crypto";
import { GROUP_ITEMS_MAX, RefusalError } from "@bank/core";
import { commandOfBatchItem, encodeMovements, forwardedCommand, itemFromCommand } from "@bank/rpc";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { RemoteJournal } from "./bank-link.ts";
import { BankTeller } from "./bank-teller.ts";
import { accountWith, reasonOf } from "./calls.test-util.ts";
import { columns } from "./movement-columns.test-util.ts";
import { clientOf, startFollowing, startTestBank } from "./servers.test-util.ts";

function linkTo(url: string): RemoteJournal {
  const link = new RemoteJournal(url, "a test");
  onTestFinished(() => link.close());
  return link;
}

function deposits(account: string, count: number) {
  const items = new Array(count).fill({ kind: "deposit", account, amount: { currency: "USD", minor: 1n } });
  const group = itemFromCommand({ kind: "group", items }, { requestId: randomUUID() });
  return forwardedCommand(0, commandOfBatchItem(group), "");
}

async function refusalOf(promise: Promise<unknown>): Promise<RefusalError["refusal"]> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal;
    throw error;
  }
  throw new Error("it was expected to be refused");
}

/** As long as nothing goes wrong here. */
const LIMIT = () => ({ signal: AbortSignal.timeout(10_000), timeoutMs: undefined });

describe("the commands of a branch", () => {
  it("come back in their order, in however many calls they went", async () => {
    const bank = await startTestBank();
    const submit = vi.spyOn(bank.replica, "submit");
    const account = await accountWith(clientOf(bank.url), 0);
    submit.mockClear();
    const commands = Array.from({ length: 250 }, (_, i) => deposits(account, i % 2 === 0 ? GROUP_ITEMS_MAX : 1));
    const outcomes = await linkTo(bank.url).submit(commands, LIMIT());
    expect(submit.mock.calls.length).toBe(2);
    expect(
      outcomes.map(({ outcome }) => {
        const told = outcome.result?.result;
        return told?.case === "group" ? told.value.results.length : told?.case;
      }),
    ).toEqual(commands.map((_, i) => (i % 2 === 0 ? GROUP_ITEMS_MAX : 1)));
    const positions = outcomes.map(({ position }) => position);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
  });

  it("are told to be unknown where a later call is refused: an earlier one was done", async () => {
    const bank = await startTestBank();
    const account = await accountWith(clientOf(bank.url), 0);
    const { submit } = bank.replica;
    let calls = 0;
    vi.spyOn(bank.replica, "submit").mockImplementation((...args) => {
      if (++calls % 2 === 0) return Promise.reject(new RefusalError("OVERLOADED", { waiting: "9" }));
      return submit.apply(bank.replica, args);
    });
    const commands = Array.from({ length: 101 }, () => deposits(account, GROUP_ITEMS_MAX));
    const link = linkTo(bank.url);
    expect(await refusalOf(link.submit(commands, LIMIT()))).toMatchObject({
      reason: "OVERLOADED",
      outcome: "OUTCOME_UNKNOWN",
    });
    calls = 1;
    expect(await refusalOf(link.submit(commands, LIMIT()))).toMatchObject({
      reason: "OVERLOADED",
      outcome: "NOT_APPLIED",
    });
    expect(await clientOf(bank.url).balance(account)).toBe(10_000n);
  });
});

it("movements go in columns again to a bank that was upgraded meanwhile", async () => {
  const bank = await startTestBank();
  const account = Number(await accountWith(clientOf(bank.url), 0));
  const link = linkTo(bank.url);
  const older = vi.spyOn(BankTeller.prototype, "executeForwardedMovements");
  onTestFinished(() => older.mockRestore());
  older.mockRejectedValueOnce(new ConnectError("no such method", Code.Unimplemented));
  const submit = async () => {
    const movements = encodeMovements(columns([{ debit: 0, credit: account, amount: 1 }]));
    const [answer] = await link.submitMovements([{ branch: 0, session: "", movements }], LIMIT());
    expect(answer?.result).toBeInstanceOf(Uint8Array);
    return older.mock.calls.length;
  };
  expect(await submit()).toBe(1);
  // Row by row.
  expect(await submit()).toBe(1);
  link.meetAnew();
  expect(await submit()).toBe(2);
});

describe("journal time", () => {
  it("passes a moment when a branch asks for it, and never one that is to come", async () => {
    const bank = await startTestBank();
    const branch = await startFollowing(bank.url, [1]);
    const [link, replica] = [linkTo(bank.url), branch.replica()];
    const now = Date.now();
    const limit = LIMIT();
    const { signal } = limit;
    const position = await link.passTime(now, limit);
    expect(position).toBeLessThanOrEqual(bank.replica.committedPosition);
    expect(bank.replica.ledger.timeMs).toBeGreaterThan(now);
    // Once it is past, nothing has to be written for it.
    const end = bank.replica.committedPosition;
    await link.passTime(now, limit);
    await link.passTime(0, limit);
    expect(bank.replica.committedPosition).toBe(end);
    const moment = Date.now();
    expect(await replica.passTime(moment, signal)).toBeLessThanOrEqual(replica.appliedPosition);
    expect(replica.ledger.timeMs).toBeGreaterThan(moment);
    const future = Date.now() + 3_600_000;
    const refused = { reason: "TIME_IN_FUTURE", outcome: "NOT_APPLIED" };
    expect(await refusalOf(link.passTime(future, limit))).toMatchObject(refused);
    expect(await refusalOf(replica.passTime(future, signal))).toMatchObject(refused);
    const { replication } = clientOf(bank.url);
    expect(await reasonOf(replication.passTime({ timeMs: 2n ** 60n }))).toBe("INVALID_REQUEST");
  });
});
