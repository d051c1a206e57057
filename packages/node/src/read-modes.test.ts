import { BranchState } from "@bank/core";
import { type ReadInfo, BranchState as WireBranchState } from "@bank/proto";
import { abortable } from "@bank/replica";
import { decodeSession } from "@bank/rpc";
import { consistency, type ServerClient } from "@bank/testkit";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type CallOptions, Code } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { openAccount } from "./books.test-util.ts";
import { asked, failureOf, PLACES, startServers, type TestServers, usd } from "./calls.test-util.ts";
import { clientOf, startFollowing, startTestBank } from "./servers.test-util.ts";

/** A bank and a branch, to which the bank's journal comes only while the test lets it. */
async function startStallable() {
  const bank = await startTestBank();
  let free = Promise.resolve();
  const { feed } = bank.replica;
  const messages = feed.messages.bind(feed);
  vi.spyOn(feed, "messages").mockImplementation(async function* (after, signal) {
    for await (const message of messages(after, signal)) {
      await abortable(free, signal, () => signal.reason);
      yield message;
    }
  });
  const stall = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    free = promise;
    return resolve;
  };
  const branch = await startFollowing(bank.url, [1]);
  return { bank, branch, stall, atBank: clientOf(bank.url), atBranch: clientOf(branch.url) };
}

/** A bank and a branch, and an account with deposits of 1, 2, … cents; where each stands. */
async function startWithDeposits<Servers extends Pick<TestServers, "atBank" | "atBranch">>(
  count: number,
  servers: Servers,
) {
  const { atBranch } = servers;
  const account = await openAccount(atBranch);
  const positions: number[] = [];
  const times: number[] = [];
  for (let i = 1; i <= count; i++) {
    const { transaction } = await atBranch.transactions.deposit(asked({ account, amount: usd(i) }));
    positions.push(Number(transaction?.position));
    times.push(transaction?.time === undefined ? 0 : timestampMs(transaction.time));
  }
  return { ...servers, account, positions, times };
}

const atPosition = (position: number) => consistency(`position=${position}`);
const atTime = (timeMs: number) => consistency(`time=${new Date(timeMs).toISOString()}`);
const clientAt = ({ atBank, atBranch }: { atBank: ServerClient; atBranch: ServerClient }, branch: number) =>
  branch === 0 ? atBank : atBranch;

describe("by header, at the bank and at a branch alike,", () => {
  it("a balance, a list and a transaction are read exactly as of a position", async () => {
    const world = await startWithDeposits(4, await startServers());
    const { account, positions } = world;
    for (const { accounts, transactions } of [world.atBank, world.atBranch]) {
      let sum = 0n;
      for (const [i, position] of positions.entries()) {
        sum += BigInt(i + 1);
        const balance = await accounts.getBalance({ account }, atPosition(position));
        const byField = await accounts.getBalance({ account, asOf: { case: "position", value: BigInt(position) } });
        expect(balance).toMatchObject({ posted: { amountMinor: sum }, position: BigInt(position) });
        expect({ ...byField, readInfo: undefined }).toEqual({ ...balance, readInfo: undefined });
        const list = await transactions.listTransactions({ account, oldestFirst: true }, atPosition(position));
        expect(list.transactions.map(({ transaction }) => Number(transaction?.position))).toEqual(
          positions.slice(0, i + 1),
        );
        const found = await transactions.getTransaction({ transaction: BigInt(position) }, atPosition(position));
        for (const { readInfo } of [balance, list, found]) expectPast(readInfo, position, balance.readInfo);
        const before = transactions.getTransaction({ transaction: BigInt(position) }, atPosition(position - 1));
        expect((await failureOf(before)).reason).toBe("READ_TRANSACTION_NOT_FOUND");
      }
      const unopened = await failureOf(accounts.getBalance({ account }, atPosition(1)));
      expect(unopened).toMatchObject({ reason: "READ_ACCOUNT_NOT_FOUND", metadata: { position: "1" } });
      const empty = await failureOf(transactions.listTransactions({ account }, atPosition(0)));
      expect(empty.reason).toBe("READ_ACCOUNT_NOT_FOUND");
    }
  });

  it("they are read as of the end of a moment, and stay what they are", async () => {
    const world = await startWithDeposits(3, await startServers());
    const { account, positions, times } = world;
    for (const { accounts, transactions } of [world.atBank, world.atBranch]) {
      for (const timeMs of times) {
        const last = positions[times.lastIndexOf(timeMs)] as number;
        for (let again = 0; again < 2; again++) {
          const balance = await accounts.getBalance({ account }, atTime(timeMs));
          expect(Number(balance.position)).toBeGreaterThanOrEqual(last);
          const list = await transactions.listTransactions({ account }, atTime(timeMs));
          expect(list.transactions).toHaveLength(times.lastIndexOf(timeMs) + 1);
          expect(list.readInfo?.position).toBe(balance.position);
        }
      }
      const future = await failureOf(accounts.getBalance({ account }, atTime(Date.now() + 3_600_000)));
      expect(future).toMatchObject({ reason: "TIME_IN_FUTURE", code: Code.OutOfRange });
    }
  });

  it("the pages of a list stay in the state that the header asked for", async () => {
    const world = await startWithDeposits(5, await startServers());
    const { account, positions } = world;
    for (const { transactions } of [world.atBank, world.atBranch]) {
      const at = positions[3] as number;
      const first = await transactions.listTransactions({ account, pageSize: 2, oldestFirst: true }, atPosition(at));
      const page = { account, pageSize: 2, oldestFirst: true, pageToken: first.nextPageToken };
      for (const options of [atPosition(at), consistency("linearizable"), consistency("local")]) {
        const second = await transactions.listTransactions(page, options);
        const shown = [...first.transactions, ...second.transactions];
        expect(shown.map(({ transaction }) => Number(transaction?.position))).toEqual(positions.slice(0, 4));
        expect(second.nextPageToken).toBe("");
        expect(Number(second.readInfo?.position)).toBe(at);
      }
      const other = await failureOf(transactions.listTransactions(page, atPosition(at - 1)));
      expect(other).toMatchObject({ reason: "INVALID_REQUEST" });
      expect(other.metadata["problem"]).toContain(`position ${at}, and the header asks for position ${at - 1}`);
    }
  });

  it("a position that is to come is out of range, by the bank's own word", async () => {
    const { bank, account, ...world } = await startWithDeposits(1, await startServers());
    for (const { accounts, transactions } of [world.atBank, world.atBranch]) {
      const position = bank.replica.committedPosition;
      const future = { reason: "POSITION_IN_FUTURE", code: Code.OutOfRange };
      const metadata = { asked: String(position + 1), position: String(position) };
      expect(await failureOf(accounts.getBalance({ account }, atPosition(position + 1)))).toMatchObject({
        ...future,
        metadata,
      });
      expect(await failureOf(transactions.listTransactions({ account }, atPosition(10 ** 12)))).toMatchObject(future);
    }
  });

  it("and by the field of the request only one of them may be said, or both the same", async () => {
    const { account, positions, times, ...world } = await startWithDeposits(2, await startServers());
    for (const { accounts } of [world.atBank, world.atBranch]) {
      const [first = 0, second = 0] = positions;
      const field = { case: "position" as const, value: BigInt(first) };
      expect((await accounts.getBalance({ account, asOf: field }, atPosition(first))).posted?.amountMinor).toBe(1n);
      for (const options of [atPosition(second), atTime(times[0] ?? 0)]) {
        const refused = await failureOf(accounts.getBalance({ account, asOf: field }, options));
        expect(refused).toMatchObject({ reason: "INVALID_REQUEST", code: Code.InvalidArgument });
        expect(refused.metadata["problem"]).toContain(`as_of asks for position=${first}, and bank-consistency for`);
      }
    }
  });

  it("what is not kept of the past is refused, and it is said what can be asked instead", async () => {
    const { account, positions, ...world } = await startWithDeposits(1, await startServers());
    for (const { accounts, holds, requests, branches } of [world.atBank, world.atBranch]) {
      const calls: Record<string, (options: CallOptions) => Promise<unknown>> = {
        GetAccount: (options) => accounts.getAccount({ account }, options),
        ListAccounts: (options) => accounts.listAccounts({}, options),
        GetHold: (options) => holds.getHold({ hold: 1n }, options),
        ListHolds: (options) => holds.listHolds({ account }, options),
        GetOutcome: (options) => requests.getOutcome(asked({}), options),
        GetBranch: (options) => branches.getBranch({}, options),
        ListBranches: (options) => branches.listBranches({}, options),
      };
      for (const [name, call] of Object.entries(calls)) {
        const refused = await failureOf(call(atPosition(positions[0] ?? 0)));
        expect(refused).toMatchObject({ reason: "INVALID_REQUEST", code: Code.InvalidArgument });
        expect(refused.metadata["problem"]).toContain(`${name} cannot be read as of a position`);
        expect(refused.metadata["problem"]).toContain("GetBalance, GetTransaction or ListTransactions");
      }
    }
  });

  it("every read says its position, age, session, time and epoch, and whether the server is connected", async () => {
    const { account, bank, branch: replica, ...world } = await startWithDeposits(1, await startServers());
    await expect.poll(() => replica.replica().connected).toBe(true);
    for (const { accounts } of [world.atBank, world.atBranch]) {
      const linear = await accounts.getBalance({ account });
      const session = linear.readInfo?.session ?? "";
      for (const options of [
        consistency("linearizable"),
        consistency("session", session),
        consistency("bounded;max-staleness-ms=30000", session),
        consistency("local"),
      ]) {
        const { readInfo, posted } = await accounts.getBalance({ account }, options);
        expect(posted?.amountMinor).toBe(1n);
        expect(readInfo).toMatchObject({ connected: true, position: BigInt(bank.replica.committedPosition) });
        expect(readInfo?.epoch).toBe(BigInt(bank.replica.ledger.currentEpoch()?.number ?? 0));
        expect(readInfo?.stalenessMs).toBeLessThan(2_000n);
        expect(decodeSession(readInfo?.session ?? "").seen[0]?.position).toBe(bank.replica.committedPosition);
        expect(readInfo?.time).toBeDefined();
      }
    }
  });
});

describe("a session that comes along", () => {
  it("is a floor for bounded reads and reads of the past too, at a branch that is behind", async () => {
    const { account, stall, atBank, atBranch, positions } = await startWithDeposits(1, await startStallable());
    const goOn = stall();
    const { readInfo } = await atBank.transactions.deposit(asked({ account, amount: usd(10) }));
    const session = readInfo?.session ?? "";
    const bounded = atBranch.accounts.getBalance({ account }, consistency("bounded;max-staleness-ms=60000", session));
    const past = atBranch.accounts.getBalance({ account }, consistency(`position=${positions[0]}`, session));
    let isWaiting = true;
    void Promise.race([bounded, past]).finally(() => {
      isWaiting = false;
    });
    // Without the session it is shown at once, and so is the past.
    const plain = await atBranch.accounts.getBalance({ account }, consistency("bounded;max-staleness-ms=60000"));
    expect(plain.posted?.amountMinor).toBe(1n);
    await atBranch.accounts.getBalance({ account }, atPosition(positions[0] ?? 0));
    expect(isWaiting).toBe(true);
    goOn();
    expect((await bounded).posted?.amountMinor).toBe(11n);
    expect((await past).posted?.amountMinor).toBe(1n);
  });

  it("is checked in every mode but local", async () => {
    const { account, ...world } = await startWithDeposits(1, await startServers());
    const other = await startTestBank();
    const foreign = (await clientOf(other.url).accounts.listAccounts({})).readInfo?.session ?? "";
    for (const { branch } of PLACES) {
      const { accounts } = clientAt(world, branch);
      for (const mode of ["bounded;max-staleness-ms=60000", "position=3", "linearizable", "session"])
        expect((await failureOf(accounts.getBalance({ account }, consistency(mode, foreign)))).reason).toBe(
          "SESSION_INVALID",
        );
      expect((await accounts.getBalance({ account }, consistency("local", foreign))).posted?.amountMinor).toBe(1n);
    }
  });
});

describe("a wait that would pass the deadline", () => {
  it("is answered before it, with what is missing and by how much", async () => {
    const { account, stall, bank, branch, atBank, atBranch } = await startWithDeposits(1, await startStallable());
    stall();
    for (let i = 0; i < 3; i++) await atBank.transactions.deposit(asked({ account, amount: usd(1) }));
    const shown = branch.replica().appliedPosition;
    const committed = bank.replica.committedPosition;
    for (const mode of ["linearizable", `position=${committed}`]) {
      const began = performance.now();
      const late = await failureOf(atBranch.accounts.getBalance({ account }, { ...consistency(mode), timeoutMs: 900 }));
      expect(performance.now() - began).toBeLessThan(900);
      expect(late).toMatchObject({ reason: "DEADLINE_EXCEEDED", code: Code.DeadlineExceeded });
      expect(late.metadata).toMatchObject({
        outcome: "NOT_APPLIED",
        waiting_for: `position ${committed} (this branch shows ${shown}: ${committed - shown} are missing)`,
      });
    }
  });
});

describe("a branch that is draining", () => {
  it("takes no new calls of customers, and still answers those who ask about branches; until it is active again", async () => {
    const { account, bank, atBank, atBranch } = await startWithDeposits(1, await startServers());
    const change = (state: WireBranchState) =>
      atBank.branches.updateBranch(asked({ number: 1, change: { case: "state" as const, value: state } }));
    await change(WireBranchState.DRAINING);
    await expect.poll(async () => (await atBranch.branches.getBranch({})).branch?.state).toBe(WireBranchState.DRAINING);
    for (const call of [
      atBranch.accounts.getBalance({ account }, consistency("local")),
      atBranch.accounts.getAccount({ account }),
      atBranch.transactions.listTransactions({ account }),
    ])
      expect(await failureOf(call)).toMatchObject({
        reason: "DRAINING",
        code: Code.Unavailable,
        metadata: { branch: "1", state: "draining", outcome: "NOT_APPLIED" },
      });
    const write = atBranch.transactions.deposit(asked({ account, amount: usd(1) }));
    expect(await failureOf(write)).toMatchObject({ reason: "DRAINING", metadata: { outcome: "OUTCOME_UNKNOWN" } });
    expect(bank.replica.ledger.branches.get(1)?.state).toBe(BranchState.DRAINING);
    expect(await atBank.balance(account)).toBe(1n);
    await change(WireBranchState.ACTIVE);
    await expect.poll(async () => (await atBranch.branches.getBranch({})).branch?.state).toBe(WireBranchState.ACTIVE);
    expect(await atBranch.balance(account)).toBe(1n);
  });
});

/** A state of the past has no age; all else is known of it. */
function expectPast(readInfo: ReadInfo | undefined, position: number, sample: ReadInfo | undefined): void {
  expect(Number(readInfo?.position)).toBe(position);
  expect(readInfo?.stalenessMs).toBeUndefined();
  expect(readInfo?.time).toEqual(sample?.time);
  expect(readInfo?.epoch).toBe(sample?.epoch);
  expect(decodeSession(readInfo?.session ?? "").seen[0]?.position).toBe(position);
}
