import { type Hold, HoldState, TransactionKind } from "@bank/proto";
import { consistency, type ServerClient } from "@bank/testkit";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { accountWith, asked, clientAt, failureOf, PLACES, reasonOf, startServers, usd } from "./calls.test-util.ts";

async function place({ holds }: ServerClient, account: string, minor: number): Promise<Hold> {
  const { hold } = await holds.placeHold(asked({ account, amount: usd(minor) }));
  if (hold === undefined) throw new Error("a hold was placed");
  return hold;
}

async function balances({ accounts }: ServerClient, account: string): Promise<(bigint | undefined)[]> {
  const { posted, held, available } = await accounts.getBalance({ account });
  return [posted, held, available].map((money) => money?.amountMinor);
}

describe.each(PLACES)("a hold at $place", ({ branch }) => {
  it("keeps money back, and gives it out in parts, to accounts and as cash", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { holds, transactions } = client;
    const [account, shop] = [await accountWith(client, 1_000), await accountWith(client, 0)];
    const request = asked({ account, amount: usd(600) });
    const { hold, replayed } = await holds.placeHold(request);
    expect(replayed).toBe(false);
    expect(hold).toMatchObject({
      account,
      amount: usd(600),
      captured: usd(0),
      remaining: usd(600),
      state: HoldState.OPEN,
    });
    expect(hold?.expiresAt).toBeUndefined();
    expect(await holds.placeHold(request)).toMatchObject({ hold, replayed: true });
    expect(await balances(client, account)).toEqual([1_000n, 600n, 400n]);
    expect(await reasonOf(transactions.withdraw(asked({ account, amount: usd(401) })))).toBe("INSUFFICIENT_FUNDS");

    const id = hold?.hold ?? 0n;
    const part = asked({ hold: id, amount: usd(250), toAccount: shop });
    const { capture } = await holds.captureHold(part);
    expect(capture).toMatchObject({
      transaction: {
        kind: TransactionKind.CAPTURE,
        debitAccount: account,
        creditAccount: shop,
        amount: usd(250),
        hold: id,
        branch,
        requestId: part.requestId,
      },
      hold: { hold: id, captured: usd(250), remaining: usd(350), state: HoldState.OPEN },
    });
    expect(await holds.captureHold(part), "never twice").toMatchObject({ capture, replayed: true });
    expect(await balances(client, account)).toEqual([750n, 350n, 400n]);
    expect(await failureOf(holds.captureHold(asked({ hold: id, amount: usd(351) })))).toMatchObject({
      code: Code.FailedPrecondition,
      reason: "HOLD_AMOUNT_EXCEEDED",
      metadata: { remaining: "3.50", requested: "3.51" },
    });
    // All that is left.
    const rest = await holds.captureHold(asked({ hold: id }));
    expect(rest.capture).toMatchObject({
      transaction: { creditAccount: `cash/${branch}/USD`, amount: usd(350) },
      hold: { captured: usd(600), remaining: usd(0), state: HoldState.CAPTURED },
    });
    expect(await failureOf(holds.captureHold(asked({ hold: id, amount: usd(1) })))).toMatchObject({
      reason: "HOLD_ENDED",
      metadata: { state: "captured" },
    });
    expect(await balances(client, account)).toEqual([400n, 0n, 400n]);
    expect((await holds.getHold({ hold: id })).hold).toEqual(rest.capture?.hold);
  });

  it("is released, and then over for good", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { holds } = client;
    const account = await accountWith(client, 100);
    const { hold: id } = await place(client, account, 80);
    await holds.captureHold(asked({ hold: id, amount: usd(30) }));
    const request = asked({ hold: id });
    const { hold } = await holds.releaseHold(request);
    expect(hold).toMatchObject({ captured: usd(30), remaining: usd(0), state: HoldState.RELEASED });
    expect(await holds.releaseHold(request)).toMatchObject({ hold, replayed: true });
    expect(await balances(client, account)).toEqual([70n, 0n, 70n]);
    for (const call of [
      holds.releaseHold(asked({ hold: id })),
      holds.captureHold(asked({ hold: id })),
      holds.extendHold(asked({ hold: id, expiresAt: timestampFromMs(4e12) })),
    ])
      expect(await failureOf(call)).toMatchObject({ reason: "HOLD_ENDED", metadata: { state: "released" } });
    expect((await holds.getHold({ hold: id })).hold).toEqual(hold);
  });

  it("lives longer when it is told to", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { holds } = client;
    const account = await accountWith(client, 100);
    const [soon, later] = [4e12, 4e12 + 1].map((ms) => timestampFromMs(ms));
    const { hold } = await holds.placeHold(asked({ account, amount: usd(5), expiresAt: soon! }));
    expect(hold?.expiresAt).toEqual(soon);
    const id = hold?.hold ?? 0n;
    const extended = await holds.extendHold(asked({ hold: id, expiresAt: later! }));
    expect(extended.hold).toMatchObject({ hold: id, expiresAt: later, state: HoldState.OPEN });
    expect(await reasonOf(holds.extendHold(asked({ hold: id, expiresAt: later! })))).toBe("EXPIRY_NOT_LATER");
    expect((await holds.getHold({ hold: id })).hold).toEqual(extended.hold);
    const { hold: endless } = await place(client, account, 5);
    const never = holds.extendHold(asked({ hold: endless, expiresAt: later! }));
    expect(await reasonOf(never)).toBe("HOLD_NEVER_EXPIRES");
    const past = asked({ account, amount: usd(5), expiresAt: timestampFromMs(1) });
    expect(await reasonOf(holds.placeHold(past))).toBe("EXPIRY_NOT_LATER");
  });

  it("ends by itself, without anybody asking", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { holds } = client;
    const account = await accountWith(client, 100);
    const expiresAt = timestampFromMs(Date.now() + 1_000);
    const { hold } = await holds.placeHold(asked({ account, amount: usd(60), expiresAt }));
    const id = hold?.hold ?? 0n;
    const local = consistency("local");
    await vi.waitUntil(
      async () => (await holds.getHold({ hold: id }, local)).hold?.state === HoldState.EXPIRED,
      10_000,
    );
    const read = await holds.getHold({ hold: id });
    expect(read.hold).toMatchObject({ remaining: usd(0), captured: usd(0), expiresAt });
    const balance = await client.accounts.getBalance({ account });
    expect(balance).toMatchObject({ held: usd(0), available: usd(100) });
    // Not before its time, by the journal's own clock.
    if (balance.time === undefined) throw new Error("a balance has its time");
    expect(timestampDate(balance.time).getTime()).toBeGreaterThanOrEqual(timestampDate(expiresAt).getTime());
    expect(await failureOf(holds.captureHold(asked({ hold: id })))).toMatchObject({
      reason: "HOLD_ENDED",
      metadata: { state: "expired" },
    });
  });

  it("is told to be missing where there is none", async () => {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const account = await accountWith(client, 100);
    const { readInfo } = await client.accounts.getBalance({ account });
    const position = String(readInfo?.position);
    // Also at a position that holds something else.
    for (const hold of [2n, 999n])
      expect(await failureOf(client.holds.getHold({ hold }))).toMatchObject({
        code: Code.NotFound,
        reason: "READ_HOLD_NOT_FOUND",
        metadata: { hold: String(hold), position },
      });
    for (const hold of [2n, 999n])
      expect(await reasonOf(client.holds.captureHold(asked({ hold })))).toBe("HOLD_NOT_FOUND");
    expect(await reasonOf(client.holds.listHolds({ account: "999" }))).toBe("READ_ACCOUNT_NOT_FOUND");
  });
});

describe("the open holds of an account", () => {
  it("are listed in pages, the oldest first, as many as there were at the first page", async () => {
    const servers = await startServers();
    const { atBank, atBranch } = servers;
    const [account, other] = [await accountWith(atBank, 1_000), await accountWith(atBank, 1_000)];
    const placed: Hold[] = [];
    for (let i = 1; i <= 7; i++) {
      placed.push(await place(atBank, account, i));
      await place(atBank, other, 1);
    }
    expect((await atBranch.holds.listHolds({ account })).holds).toEqual(placed);
    const seen: Hold[] = [];
    let pageToken = "";
    for (let page = 0; page === 0 || pageToken !== ""; page++) {
      // From one server to the other and back.
      const { holds } = page % 2 === 0 ? atBranch : atBank;
      const read = await holds.listHolds({ account, pageSize: 3, pageToken }, consistency("local"));
      seen.push(...read.holds);
      pageToken = read.nextPageToken;
      if (page === 0) {
        // One that was shown, one that was not, and a new one.
        for (const hold of [placed[0], placed[5]]) await atBank.holds.releaseHold(asked({ hold: hold?.hold ?? 0n }));
        await place(atBank, account, 9);
      }
    }
    expect(seen.map(({ hold }) => hold)).toEqual([0, 1, 2, 3, 4, 6].map((i) => placed[i]?.hold));
    expect((await atBank.holds.listHolds({ account })).holds).toHaveLength(6);
    expect((await atBank.holds.listHolds({ account: "cash/0/USD" })).holds).toEqual([]);
  });

  it("are not all looked at for a page of a few", async () => {
    const { bank, atBank } = await startServers();
    const account = await accountWith(atBank, 1_000);
    const placed: bigint[] = [];
    for (let i = 1; i <= 5; i++) placed.push((await place(atBank, account, i)).hold);
    const { ledger } = bank.replica;
    const [all, some] = [vi.spyOn(ledger, "openHoldsOf"), vi.spyOn(ledger, "openHoldsFrom")];
    const first = await atBank.holds.listHolds({ account, pageSize: 2 });
    const second = await atBank.holds.listHolds({ account, pageSize: 2, pageToken: first.nextPageToken });
    expect([first, second].map(({ holds }) => holds.map(({ hold }) => hold))).toEqual([
      placed.slice(0, 2),
      placed.slice(2, 4),
    ]);
    // One more than is shown, for whether there is a next page.
    expect(some.mock.results.map(({ value }) => value)).toEqual([
      placed.slice(0, 3).map(Number),
      placed.slice(2, 5).map(Number),
    ]);
    expect(all).not.toHaveBeenCalled();
  });

  it("are asked for by the tokens of this list alone", async () => {
    const { atBank: client } = await startServers();
    const account = await accountWith(client, 100);
    const other = await accountWith(client, 100);
    for (const of of [account, account, other]) await place(client, of, 1);
    const { nextPageToken: ofAccounts } = await client.accounts.listAccounts({ pageSize: 1 });
    const { nextPageToken: ofHolds } = await client.holds.listHolds({ account, pageSize: 1 });
    expect([ofAccounts, ofHolds]).not.toContain("");
    for (const call of [
      client.holds.listHolds({ account, pageToken: ofAccounts }),
      client.holds.listHolds({ account: other, pageToken: ofHolds }),
      client.accounts.listAccounts({ pageToken: ofHolds }),
      client.holds.listHolds({ account, pageToken: "garbage" }),
      client.holds.listHolds({ account, pageToken: `${ofHolds}x` }),
    ])
      expect(await reasonOf(call)).toBe("INVALID_PAGE_TOKEN");
    expect((await client.holds.listHolds({ account, pageToken: ofHolds })).holds).toHaveLength(1);
  });

  it("are captured in one order, and never for more than is held, whoever asks", async () => {
    const { atBank, atBranch } = await startServers();
    const account = await accountWith(atBank, 1_000);
    const { hold } = await place(atBank, account, 100);
    const captures = Array.from({ length: 30 }, (_, i) => {
      const { holds } = i % 2 === 0 ? atBank : atBranch;
      const call = holds.captureHold(asked({ hold, amount: usd(7) }));
      return call.then(
        ({ capture }) => capture?.hold?.captured?.amountMinor,
        async (error: unknown) => (await failureOf(Promise.reject(error))).reason,
      );
    });
    const told = await Promise.all(captures);
    const done = told.filter((one): one is bigint => typeof one === "bigint").sort((a, b) => Number(a - b));
    // Fourteen times seven; each was told another sum.
    expect(done).toEqual(Array.from({ length: 14 }, (_, i) => BigInt(7 * (i + 1))));
    expect(told.filter((one) => one === "HOLD_AMOUNT_EXCEEDED")).toHaveLength(16);
    expect(await balances(atBranch, account)).toEqual([902n, 2n, 900n]);
  });
});
