import { AccountState, AccountType, MoneySchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { accountWith, asked, clientAt, failureOf, PLACES, reasonOf, startServers, usd } from "./calls.test-util.ts";

function money(minor: number, currencyCode = "USD") {
  return create(MoneySchema, { currencyCode, amountMinor: BigInt(minor) });
}

describe.each(PLACES)("an account at $place", ({ branch }) => {
  it("is opened with everything that its opener says, and read by its number, its alias and in the list", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { accounts } = client;
    const request = asked({
      type: AccountType.CHECKING,
      owner: "Ada",
      displayName: "daily",
      currencyCode: "KWD",
      alias: "ada.daily",
      metadata: { b: "2", a: "1" },
      floorMinor: -500n,
      ceilingMinor: 9_000n,
    });
    const { account, replayed } = await accounts.openAccount(request);
    expect(replayed).toBe(false);
    expect(account).toMatchObject({
      number: "1",
      type: AccountType.CHECKING,
      owner: "Ada",
      displayName: "daily",
      alias: "ada.daily",
      state: AccountState.OPEN,
      metadata: { a: "1", b: "2" },
      currencyCode: "KWD",
      homeBranch: branch,
      posted: money(0, "KWD"),
      held: money(0, "KWD"),
      available: money(0, "KWD"),
      floor: money(-500, "KWD"),
      ceiling: money(9_000, "KWD"),
      version: 1n,
    });
    expect(await accounts.openAccount(request)).toMatchObject({ account, replayed: true });
    for (const name of ["1", "ada.daily"])
      expect((await accounts.getAccount({ account: name })).account).toEqual(account);
    expect((await accounts.listAccounts({})).accounts).toEqual([account]);
    const taken = asked({ owner: "Eve", currencyCode: "USD", alias: "ada.daily" });
    expect(await failureOf(accounts.openAccount(taken))).toMatchObject({
      code: Code.AlreadyExists,
      reason: "ALIAS_TAKEN",
    });
  });

  it("is changed in what is named, and keeps the rest", async () => {
    const servers = await startServers();
    const { accounts, transactions } = clientAt(servers, branch);
    const open = {
      type: AccountType.CHECKING,
      owner: "Ada",
      displayName: "old",
      currencyCode: "USD",
      metadata: { a: "1" },
    };
    await accounts.openAccount(asked(open));
    await transactions.deposit(asked({ account: "1", amount: usd(700) }));
    const change = asked({ account: "1", floorMinor: -100n, ceilingMinor: 800n });
    const { update } = await accounts.updateAccount(change);
    const changed = { displayName: "old", metadata: { a: "1" }, floor: money(-100), ceiling: money(800) };
    expect(update).toMatchObject({ account: "1", ...changed });
    expect(await accounts.updateAccount(change)).toMatchObject({ update, replayed: true });
    expect((await accounts.getAccount({ account: "1" })).account).toMatchObject({ ...changed, version: 3n });
    expect(await reasonOf(transactions.deposit(asked({ account: "1", amount: usd(101) })))).toBe("CEILING_EXCEEDED");
    await transactions.withdraw(asked({ account: "1", amount: usd(800) }));
    expect(await reasonOf(transactions.withdraw(asked({ account: "1", amount: usd(1) })))).toBe("INSUFFICIENT_FUNDS");

    const emptied = await accounts.updateAccount(
      asked({ account: "1", displayName: "", metadata: {}, ceilingMinor: 0n }),
    );
    expect(emptied.update).toMatchObject({ displayName: "", metadata: {}, floor: money(-100) });
    expect(emptied.update).not.toHaveProperty("ceiling");
    await transactions.deposit(asked({ account: "1", amount: usd(10_000) }));
    const nothing = failureOf(accounts.updateAccount(asked({ account: "1" })));
    expect(await nothing).toMatchObject({ reason: "INVALID_REQUEST", metadata: { outcome: "NOT_APPLIED" } });
  });

  it("is frozen, unfrozen and closed", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { accounts, transactions } = client;
    const account = await accountWith(client, 5);
    const pay = () => transactions.deposit(asked({ account, amount: usd(1) }));
    const freeze = asked({ account });
    const frozen = await accounts.freezeAccount(freeze);
    expect(frozen).toMatchObject({ change: { account, state: AccountState.FROZEN }, replayed: false });
    expect(await reasonOf(pay())).toBe("ACCOUNT_FROZEN");
    expect(await reasonOf(accounts.closeAccount(asked({ account })))).toBe("ACCOUNT_FROZEN");
    expect((await accounts.unfreezeAccount(asked({ account }))).change).toMatchObject({ state: AccountState.OPEN });
    expect(await accounts.freezeAccount(freeze), "long thawed").toMatchObject({
      change: frozen.change,
      replayed: true,
    });
    expect((await accounts.getAccount({ account })).account?.state).toBe(AccountState.OPEN);
    expect(await reasonOf(accounts.closeAccount(asked({ account })))).toBe("BALANCE_NOT_ZERO");
    await transactions.withdraw(asked({ account, amount: usd(5) }));
    expect((await accounts.closeAccount(asked({ account }))).change).toMatchObject({ state: AccountState.CLOSED });
    expect(await reasonOf(pay())).toBe("ACCOUNT_CLOSED");
  });

  it("is changed only at the version that its changer has seen, and a stale one uses up no id", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { accounts, transactions } = client;
    const account = await accountWith(client, 500);
    const { version } = await accounts.getBalance({ account });
    expect(version).toBe(2n);
    const withdraw = asked({ account, amount: usd(100) });
    const stale = await failureOf(transactions.withdraw({ ...withdraw, expectedVersion: 1n }));
    expect(stale).toMatchObject({
      code: Code.Aborted,
      reason: "STALE_VERSION",
      metadata: { account, expected_version: "1", version: "2", outcome: "NOT_APPLIED" },
    });
    expect(await client.balance(account)).toBe(500n);
    // The same id and what is asked stay the same; the condition is no part of that.
    const done = await transactions.withdraw({ ...withdraw, expectedVersion: 2n });
    expect(done.replayed).toBe(false);
    expect(await transactions.withdraw({ ...withdraw, expectedVersion: 1n })).toMatchObject({ replayed: true });
    for (const call of [
      accounts.updateAccount(asked({ account, displayName: "x", expectedVersion: 2n })),
      accounts.freezeAccount(asked({ account, expectedVersion: 2n })),
      accounts.unfreezeAccount(asked({ account, expectedVersion: 2n })),
      accounts.closeAccount(asked({ account, expectedVersion: 2n })),
      transactions.deposit(asked({ account, amount: usd(1), expectedVersion: 2n })),
      transactions.applyInterest(asked({ account, ratePercent: "1", expectedVersion: 2n })),
      transactions.reverseTransaction(asked({ transaction: done.transaction?.position ?? 0n, expectedVersion: 2n })),
    ])
      expect(await reasonOf(call)).toBe("STALE_VERSION");
    expect((await accounts.getBalance({ account })).version).toBe(3n);
  });

  it("has three balances, of one position and its time", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const account = await accountWith(client, 900);
    const { hold } = await client.holds.placeHold(asked({ account, amount: usd(250) }));
    const { accounts } = client;
    const read = await accounts.getBalance({ account });
    const three = { posted: money(900), held: money(250), available: money(650) };
    expect(read).toMatchObject({ ...three, version: 3n, position: hold?.hold });
    expect(read.readInfo?.position).toBe(read.position);
    expect((await accounts.getAccount({ account })).account).toMatchObject(three);
    // The time is that of the position, however late it is read.
    const { transaction } = await client.transactions.deposit(asked({ account, amount: usd(1) }));
    expect(await accounts.getBalance({ account })).toMatchObject({
      posted: money(901),
      position: transaction?.position,
      time: transaction?.time,
    });
  });
});

describe.each(PLACES)("money at $place", ({ branch }) => {
  it("moves back once", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const [from, to] = [await accountWith(client, 100), await accountWith(client, 0)];
    const transfer = asked({ fromAccount: from, toAccount: to, amount: usd(30) });
    const { transaction: original } = await transactions.transfer(transfer);
    const reverses = original?.position ?? 0n;
    const request = asked({ transaction: reverses });
    const { transaction, replayed } = await transactions.reverseTransaction(request);
    expect(replayed).toBe(false);
    expect(transaction).toMatchObject({ reverses, debitAccount: to, creditAccount: from, amount: usd(30), branch });
    expect(await transactions.reverseTransaction(request)).toMatchObject({ transaction, replayed: true });
    expect(await failureOf(transactions.reverseTransaction(asked({ transaction: reverses })))).toMatchObject({
      code: Code.FailedPrecondition,
      reason: "ALREADY_REVERSED",
      metadata: { reversal: String(transaction?.position), transaction: String(reverses) },
    });
    const again = transactions.reverseTransaction(asked({ transaction: transaction?.position ?? 0n }));
    expect(await reasonOf(again)).toBe("NOT_REVERSIBLE");
    expect(await reasonOf(transactions.reverseTransaction(asked({ transaction: 999n })))).toBe("TRANSACTION_NOT_FOUND");
    expect([await client.balance(from), await client.balance(to)]).toEqual([100n, 0n]);
  });

  it("bears interest as it is rounded, from the branch's account", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { transactions } = client;
    const account = await accountWith(client, 9_530);
    const request = asked({ account, ratePercent: "12.50" });
    const { interest } = await transactions.applyInterest(request);
    expect(interest).toMatchObject({
      account,
      ratePercent: "12.5",
      balance: money(9_530),
      amount: money(1_191),
      transaction: { debitAccount: `interest/${branch}/USD`, creditAccount: account, amount: money(1_191) },
    });
    // Another way to write the same rate is the same request.
    expect(await transactions.applyInterest({ ...request, ratePercent: "012.5" })).toMatchObject({
      interest,
      replayed: true,
    });
    const little = await transactions.applyInterest(asked({ account, ratePercent: "0.000001" }));
    expect(little.interest).toMatchObject({ amount: money(0), ratePercent: "0.000001" });
    expect(little.interest).not.toHaveProperty("transaction");
    expect(await failureOf(transactions.applyInterest(asked({ account, ratePercent: "-1" })))).toMatchObject({
      code: Code.InvalidArgument,
      reason: "INVALID_RATE",
      metadata: { rate: "-1", outcome: "NOT_APPLIED" },
      violations: [{ field: "rate_percent" }],
    });
    expect(await client.balance(account)).toBe(10_721n);
  });
});
