import { randomUUID } from "node:crypto";
import { AccountType, BadRequestSchema, TransactionKind } from "@bank/proto";
import { consistency, type ServerClient } from "@bank/testkit";
import { timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { describe, expect, it, vi } from "vitest";
import { openAccount } from "./books.test-util.ts";
import { failureOf } from "./calls.test-util.ts";
import { dollars, listAll, plainBalance, reasonOf } from "./history-calls.test-util.ts";
import { clientOf, startFollowing, startTestBank } from "./servers.test-util.ts";

function pay({ transactions }: ServerClient, account: string, minor: bigint, requestId: string = randomUUID()) {
  return transactions.deposit({ requestId, account, amount: dollars(minor) });
}

/** A bank with two accounts, of which the first has so many deposits of 1, 2, 3, … cents. */
async function bankWithDeposits(count: number) {
  const bank = await startTestBank();
  const client = clientOf(bank.url);
  const accounts = [await openAccount(client), await openAccount(client)] as const;
  const items = Array.from({ length: count }, (_, i) => ({
    command: {
      case: "deposit" as const,
      value: { requestId: randomUUID(), account: accounts[0], amount: dollars(BigInt(i + 1)) },
    },
  }));
  await client.transactions.executeBatch({ items });
  return { bank, client, accounts };
}

const END = 9_007_199_254_740_991n;

describe("a transaction", () => {
  it("is shown as the reply to its request showed it, whatever kind it is", async () => {
    const bank = await startTestBank();
    const client = clientOf(bank.url);
    const { transactions, holds } = client;
    const [account, other] = [await openAccount(client), await openAccount(client)];
    const requestId = () => ({ requestId: randomUUID() });
    const amount = dollars(1_000n);
    const deposit = await transactions.deposit({ ...requestId(), account, amount });
    const withdrawal = await transactions.withdraw({ ...requestId(), account, amount: dollars(3n) });
    const transfer = await transactions.transfer({
      ...requestId(),
      fromAccount: account,
      toAccount: other,
      amount: dollars(5n),
    });
    const interest = await transactions.applyInterest({ ...requestId(), account, ratePercent: "12.5" });
    const placed = await holds.placeHold({ ...requestId(), account, amount: dollars(50n) });
    const hold = placed.hold?.hold ?? 0n;
    const captured = await holds.captureHold({ ...requestId(), hold, amount: dollars(20n), toAccount: other });
    const group = await transactions.executeGroup({
      ...requestId(),
      items: [{ command: { case: "deposit", value: { account, amount } } }],
    });
    const [inGroup] = group.group?.results ?? [];
    const reversed = transfer.transaction?.position ?? 0n;
    const reversal = await transactions.reverseTransaction({ ...requestId(), transaction: reversed });
    const told = [
      deposit.transaction,
      withdrawal.transaction,
      transfer.transaction,
      interest.interest?.transaction,
      captured.capture?.transaction,
      inGroup?.result.case === "transaction" ? inGroup.result.value : undefined,
      reversal.transaction,
    ];
    expect(told.map((transaction) => transaction?.kind)).toEqual([
      TransactionKind.DEPOSIT,
      TransactionKind.WITHDRAWAL,
      TransactionKind.TRANSFER,
      TransactionKind.INTEREST,
      TransactionKind.CAPTURE,
      TransactionKind.DEPOSIT,
      TransactionKind.REVERSAL,
    ]);
    for (const transaction of told) {
      if (transaction === undefined) throw new Error("each of these moved money");
      const found = await transactions.getTransaction({ transaction: transaction.position });
      const reversedBy = transaction.position === reversed ? (reversal.transaction?.position ?? 0n) : 0n;
      expect(found.transaction).toEqual({ ...transaction, reversedBy });
    }
    expect(told.at(-1)?.reverses).toBe(reversed);
    expect(told[4]?.hold).toBe(hold);
  });

  it("is not found where nothing moved, nor behind the end", async () => {
    const { bank, client, accounts } = await bankWithDeposits(1);
    const { transaction } = await pay(client, accounts[0], 5n);
    const position = transaction?.position ?? 0n;
    const rejected = client.transactions.withdraw({
      requestId: randomUUID(),
      account: accounts[0],
      amount: dollars(1_000n),
    });
    expect(await reasonOf(rejected)).toBe("INSUFFICIENT_FUNDS");
    expect(bank.replica.committedPosition).toBe(Number(position) + 1);
    for (const wrong of [1n, position + 1n, position + 2n, END])
      expect(await reasonOf(client.transactions.getTransaction({ transaction: wrong }))).toBe(
        "READ_TRANSACTION_NOT_FOUND",
      );
    expect(await reasonOf(client.transactions.getTransaction({ transaction: 0n }))).toBe("INVALID_REQUEST");
  });

  it("is shown to whoever was told of it, on every branch", async () => {
    const { bank, accounts } = await bankWithDeposits(1);
    const branch = await startFollowing(bank.url, [1]);
    const other = await startFollowing(bank.url, [2]);
    const [here, there] = [clientOf(branch.url), clientOf(other.url)];
    for (let i = 0; i < 20; i++) {
      const { transaction, readInfo } = await pay(here, accounts[0], 1n);
      const position = transaction?.position ?? 0n;
      const session = readInfo?.session ?? "";
      for (const options of [consistency("session", session), consistency("linearizable")]) {
        const found = await there.transactions.getTransaction({ transaction: position }, options);
        expect(found.transaction?.position).toBe(position);
        expect(Number(found.readInfo?.position)).toBeGreaterThanOrEqual(Number(position));
      }
    }
  });
});

describe("a list of transactions", () => {
  it("has pages of 100 where nothing is said, of 1,000 at the most, and none of less than nothing", async () => {
    const { client, accounts } = await bankWithDeposits(1_005);
    const [account] = accounts;
    const sizeOf = async (pageSize: number) =>
      (await client.transactions.listTransactions({ account, pageSize })).transactions.length;
    expect(await sizeOf(0)).toBe(100);
    expect(await sizeOf(7)).toBe(7);
    expect(await sizeOf(1_001)).toBe(1_000);
    expect(await sizeOf(2_147_483_647)).toBe(1_000);
    expect(await reasonOf(client.transactions.listTransactions({ account, pageSize: -1 }))).toBe("INVALID_REQUEST");
    const all = await listAll(client, { account, oldestFirst: true });
    expect(all.map(({ change }) => change?.amountMinor)).toEqual(
      Array.from({ length: 1_005 }, (_, i) => BigInt(i + 1)),
    );
  });

  it("loses and repeats nothing while new transactions arrive, also from one server to another", async () => {
    const { bank, client, accounts } = await bankWithDeposits(30);
    const [account] = accounts;
    const branch = await startFollowing(bank.url, [1]);
    const clients = [client, clientOf(branch.url)];
    for (const oldestFirst of [false, true]) {
      const wanted = (await listAll(client, { account, oldestFirst })).map(({ transaction }) => transaction?.position);
      const got: (bigint | undefined)[] = [];
      const positions = new Set<bigint | undefined>();
      let pageToken = "";
      let pages = 0;
      do {
        const server = clients[pages++ % 2] as ServerClient;
        const request = { account, oldestFirst, pageSize: 1 + (pages % 5), pageToken };
        const page = await server.transactions.listTransactions(request);
        got.push(...page.transactions.map(({ transaction }) => transaction?.position));
        positions.add(page.readInfo?.position);
        if (pages > 1) expect(Number(page.readInfo?.time?.seconds)).toBeGreaterThan(0);
        pageToken = page.nextPageToken;
        await pay(client, account, 9n);
      } while (pageToken !== "");
      expect(got).toEqual(wanted);
      expect(positions.size).toBe(1);
    }
  });

  it("is continued by its own tokens only", async () => {
    const { client, accounts } = await bankWithDeposits(20);
    const [account, other] = accounts;
    const list = client.transactions.listTransactions;
    const request = { account, pageSize: 5, filter: { amountMin: 3n } };
    const { nextPageToken: pageToken } = await list(request);
    const wrong = [
      { ...request, account: other },
      { ...request, oldestFirst: true },
      { ...request, filter: { amountMin: 4n } },
      { ...request, filter: { amountMin: 3n, amountMax: 9n } },
      { ...request, filter: { amountMin: 3n, kinds: [TransactionKind.DEPOSIT] } },
      { ...request, filter: { amountMin: 3n, fromTime: timestampFromMs(1) } },
      { ...request, filter: { amountMin: 3n, counterparty: other } },
      { account, pageSize: 5 },
    ];
    for (const one of wrong) expect(await reasonOf(list({ ...one, pageToken }))).toBe("INVALID_PAGE_TOKEN");
    for (const token of ["x", "A.1", `${pageToken}0000000000000000`, pageToken.slice(1), pageToken.slice(4)])
      expect(await reasonOf(list({ ...request, pageToken: token }))).toBe("INVALID_PAGE_TOKEN");
    const accountsPage = await client.accounts.listAccounts({ pageSize: 1 });
    expect(await reasonOf(list({ ...request, pageToken: accountsPage.nextPageToken }))).toBe("INVALID_PAGE_TOKEN");
    // Another size of page is no other list.
    expect((await list({ ...request, pageSize: 50, pageToken })).transactions).toHaveLength(13);
    const stranger = await bankWithDeposits(20);
    const strange = await stranger.client.transactions.listTransactions(request);
    expect(await reasonOf(list({ ...request, pageToken: strange.nextPageToken }))).toBe("INVALID_PAGE_TOKEN");
  });

  it("is of one account, by number, alias or name, and of none that is not there", async () => {
    const { client } = await bankWithDeposits(1);
    const opened = await client.accounts.openAccount({
      requestId: randomUUID(),
      type: AccountType.CHECKING,
      currencyCode: "USD",
      alias: "rent",
    });
    const number = opened.account?.number ?? "";
    await pay(client, "rent", 4n);
    const amounts = async (account: string) =>
      (await listAll(client, { account })).map(({ change }) => change?.amountMinor);
    expect(await amounts("rent")).toEqual([4n]);
    expect(await amounts(number)).toEqual([4n]);
    expect(await amounts("cash/0/USD")).toEqual([-4n, -1n]);
    for (const account of ["99", "nobody", "cash/7/USD"])
      expect(await reasonOf(client.transactions.listTransactions({ account }))).toBe("READ_ACCOUNT_NOT_FOUND");
    const counterparty = client.transactions.listTransactions({ account: number, filter: { counterparty: "99" } });
    expect(await reasonOf(counterparty)).toBe("READ_ACCOUNT_NOT_FOUND");
  });

  it("passes by what the filter leaves out", async () => {
    const bank = await startTestBank();
    const client = clientOf(bank.url);
    const [a, b] = [await openAccount(client), await openAccount(client)];
    const first = await pay(client, a, 100n);
    const moveTo = (toAccount: string, minor: bigint) =>
      client.transactions.transfer({ requestId: randomUUID(), fromAccount: a, toAccount, amount: dollars(minor) });
    await moveTo(b, 10n);
    await moveTo("fees/0/USD", 20n);
    await client.transactions.transfer({ requestId: randomUUID(), fromAccount: b, toAccount: a, amount: dollars(3n) });
    const time = first.transaction?.time;
    // A later millisecond, so that the filter can part what came before from what comes now.
    await vi.waitUntil(() => isLater(time));
    const last = await pay(client, a, 7n);
    const changes = async (filter: Parameters<typeof client.transactions.listTransactions>[0]["filter"]) =>
      (await listAll(client, { account: a, oldestFirst: true, ...(filter === undefined ? {} : { filter }) })).map(
        ({ change }) => change?.amountMinor,
      );
    expect(await changes({})).toEqual([100n, -10n, -20n, 3n, 7n]);
    expect(await changes({ kinds: [TransactionKind.DEPOSIT] })).toEqual([100n, 7n]);
    expect(await changes({ kinds: [TransactionKind.REVERSAL] })).toEqual([]);
    expect(await changes({ counterparty: b })).toEqual([-10n, 3n]);
    expect(await changes({ counterparty: "fees/0/USD" })).toEqual([-20n]);
    expect(await changes({ counterparty: a })).toEqual([]);
    expect(await changes({ amountMin: 10n, amountMax: 20n })).toEqual([-10n, -20n]);
    expect(await changes({ amountMin: 21n, amountMax: 20n })).toEqual([]);
    const from = last.transaction?.time;
    if (from === undefined || time === undefined) throw new Error("transactions have times");
    expect(await changes({ fromTime: from })).toEqual([7n]);
    expect(await changes({ beforeTime: from })).toEqual([100n, -10n, -20n, 3n]);
    // A nanosecond later is a later moment, in which nothing was booked.
    expect(await changes({ fromTime: { ...from, nanos: from.nanos + 1 } })).toEqual([]);
    expect(await changes({ beforeTime: { ...from, nanos: from.nanos + 1 } })).toEqual([100n, -10n, -20n, 3n, 7n]);
    expect(await changes({ fromTime: time, beforeTime: time })).toEqual([]);
  });
});

function isLater(time: { readonly seconds: bigint; readonly nanos: number } | undefined): boolean {
  if (time === undefined) return true;
  return Date.now() > Number(time.seconds) * 1_000 + time.nanos / 1_000_000 + 5;
}

describe("a balance of the past", () => {
  it("is of a position of the past, and says which", async () => {
    const { client, accounts } = await bankWithDeposits(3);
    const [account] = accounts;
    const { transaction } = await pay(client, account, 10n);
    const position = transaction?.position ?? 0n;
    const at = (value: bigint) => client.accounts.getBalance({ account, asOf: { case: "position", value } });
    const before = await at(position - 1n);
    expect(plainBalance(before)).toMatchObject({ posted: 6n, held: 0n, available: 6n, position: Number(position) - 1 });
    expect(before.version).toBeUndefined();
    expect(Number(before.readInfo?.position)).toBeGreaterThanOrEqual(Number(position));
    expect(plainBalance(await at(position))).toMatchObject({ posted: 16n, position: Number(position) });
    expect(await reasonOf(at(position + 1n))).toBe("POSITION_IN_FUTURE");
    expect(await reasonOf(at(END))).toBe("POSITION_IN_FUTURE");
    const opened = (await client.accounts.getAccount({ account })).account?.openedPosition ?? 0n;
    expect(plainBalance(await at(opened))).toMatchObject({ posted: 0n });
    expect(await reasonOf(at(opened - 1n))).toBe("READ_ACCOUNT_NOT_FOUND");
    expect(await reasonOf(at(0n))).toBe("INVALID_REQUEST");
    const nobody = client.accounts.getBalance({ account: "99", asOf: { case: "position", value: 1n } });
    expect(await reasonOf(nobody)).toBe("READ_ACCOUNT_NOT_FOUND");
  });

  it("counts what was held", async () => {
    const { client, accounts } = await bankWithDeposits(4);
    const [account] = accounts;
    const { hold } = await client.holds.placeHold({ requestId: randomUUID(), account, amount: dollars(7n) });
    const released = await client.holds.releaseHold({ requestId: randomUUID(), hold: hold?.hold ?? 0n });
    const end = Number(released.readInfo?.position);
    const at = async (value: number) =>
      plainBalance(await client.accounts.getBalance({ account, asOf: { case: "position", value: BigInt(value) } }));
    expect(await at(end - 2)).toMatchObject({ posted: 10n, held: 0n, available: 10n });
    expect(await at(end - 1)).toMatchObject({ posted: 10n, held: 7n, available: 3n });
    expect(await at(end)).toMatchObject({ posted: 10n, held: 0n, available: 10n });
  });

  it("is of the end of a moment that is past, and stays what it is", async () => {
    const { bank, client, accounts } = await bankWithDeposits(3);
    const [account] = accounts;
    const branch = await startFollowing(bank.url, [1]);
    const here = clientOf(branch.url);
    const { transaction } = await pay(client, account, 10n);
    const time = transaction?.time;
    if (time === undefined) throw new Error("a transaction has a time");
    const asOf = { case: "time" as const, value: time };
    await vi.waitUntil(() => isLater(time));
    // Nothing is written any more but what this asks for: the passing of that moment.
    const told = plainBalance(await here.accounts.getBalance({ account, asOf }));
    expect(told).toMatchObject({ posted: 16n, position: Number(transaction?.position) });
    await Promise.all(Array.from({ length: 20 }, () => pay(client, account, 1n)));
    for (const server of [client, here])
      expect(plainBalance(await server.accounts.getBalance({ account, asOf }))).toEqual(told);
    // The end of the millisecond that a moment is in.
    const within = { ...time, nanos: time.nanos + 999_999 };
    const asOfWithin = { case: "time" as const, value: within };
    expect(plainBalance(await client.accounts.getBalance({ account, asOf: asOfWithin }))).toEqual(told);
  });

  it("is refused for a moment of the future, before the account, and beyond all time", async () => {
    const { bank, client, accounts } = await bankWithDeposits(1);
    const [account] = accounts;
    const branch = clientOf((await startFollowing(bank.url, [1])).url);
    for (const server of [client, branch]) {
      const at = (value: { seconds: bigint; nanos: number }) =>
        reasonOf(server.accounts.getBalance({ account, asOf: { case: "time", value } }));
      const seconds = BigInt(Math.floor(Date.now() / 1_000));
      expect(await at({ seconds: seconds + 3_600n, nanos: 0 })).toBe("TIME_IN_FUTURE");
      expect(await at({ seconds: 253_402_300_799n, nanos: 0 })).toBe("TIME_IN_FUTURE");
      expect(await at({ seconds: seconds - 3_600n, nanos: 0 })).toBe("READ_ACCOUNT_NOT_FOUND");
      for (const value of [
        { seconds: -1n, nanos: 0 },
        { seconds: 253_402_300_800n, nanos: 0 },
        { seconds, nanos: 2_000_000_000 },
        { seconds, nanos: -5 },
        { seconds, nanos: -1_000_000 },
        { seconds: 9_223_372_036_854_775_807n, nanos: 0 },
      ])
        expect(await at(value)).toBe("INVALID_REQUEST");
    }
  });
});

describe.each([
  ["fromTime", "filter.from_time"],
  ["beforeTime", "filter.before_time"],
] as const)("the bound %s of a list", (bound, field) => {
  it("is refused with its path where it is no time that there can be", async () => {
    const { client, accounts } = await bankWithDeposits(1);
    for (const value of [
      { seconds: 1n, nanos: -5 },
      { seconds: 1n, nanos: 1_000_000_000 },
      { seconds: -1n, nanos: 0 },
      { seconds: 253_402_300_800n, nanos: 0 },
    ]) {
      const failure = failureOf(
        client.transactions.listTransactions({ account: accounts[0], filter: { [bound]: value } }),
      );
      const { reason, error } = await failure;
      expect(reason).toBe("INVALID_REQUEST");
      expect(error.findDetails(BadRequestSchema)).toMatchObject([{ fieldViolations: [{ field }] }]);
    }
  });
});

describe("a branch without its bank", () => {
  it("reads its own history locally, and under what it has seen, and nothing else", async () => {
    const { bank, client, accounts } = await bankWithDeposits(10);
    const [account] = accounts;
    const branch = await startFollowing(bank.url, [1]);
    const here = clientOf(branch.url);
    const { readInfo } = await client.accounts.getBalance({ account });
    const session = readInfo?.session ?? "";
    await branch.replica().whenApplied(Number(readInfo?.position));
    await bank.close();
    await vi.waitUntil(() => branch.replica().state !== "following");
    for (const options of [consistency("local"), consistency("session", session)]) {
      expect(await listAll(here, { account, pageSize: 4 }, options)).toHaveLength(10);
      const asOf = { case: "position" as const, value: BigInt(readInfo?.position ?? 0n) };
      const balance = await here.accounts.getBalance({ account, asOf }, options);
      expect(plainBalance(balance)).toMatchObject({ posted: 55n });
      const hourAgo = { case: "time" as const, value: timestampFromMs(Date.now() - 3_600_000) };
      const early = here.accounts.getBalance({ account, asOf: hourAgo }, options);
      expect(await reasonOf(early)).toBe("READ_ACCOUNT_NOT_FOUND");
      const late = here.accounts.getBalance({ account, asOf: { case: "time", value: timestampNow() } }, options);
      expect(await reasonOf(late)).toBe("BANK_UNREACHABLE");
    }
    expect(await reasonOf(here.transactions.listTransactions({ account }))).toBe("BANK_UNREACHABLE");
  });
});

describe("how far the history is", () => {
  it("is told once there is one", async () => {
    const { bank, client, accounts } = await bankWithDeposits(2);
    expect((await client.status()).historyPosition).toBeUndefined();
    await listAll(client, { account: accounts[0] });
    expect((await client.status()).historyPosition).toBe(BigInt(bank.replica.committedPosition));
  });
});
