import { type BankClient, BankError, type ReadOptions } from "@bank/client";
import { describe, expect, it } from "vitest";
import { currencyOf } from "./currency.ts";

const context = { call: () => ({ timeoutMs: 1_000 }) };

function bankError(reason: string): BankError {
  const message = "It is not told.";
  return new BankError({ code: "UNAVAILABLE", reason, message, metadata: {}, outcome: "NOT_APPLIED", attempts: 1 });
}

/** A client of a server whose own state has no such account, or says what it is told to. */
function clientOf(session: string | undefined, localReason: string | undefined) {
  const asked: ReadOptions["consistency"][] = [];
  const getAccount: BankClient["getAccount"] = async (_, { consistency } = {}) => {
    asked.push(consistency);
    if (localReason !== undefined && consistency !== "linearizable") throw bankError(localReason);
    return { account: { currency: "EUR" } } as Awaited<ReturnType<BankClient["getAccount"]>>;
  };
  return { client: { session, getAccount }, asked };
}

describe("an account's currency, which never changes,", () => {
  it.each([
    [undefined, "local"],
    ["a session", "session"],
  ])("is read from whatever state is there (session: %s)", async (session, consistency) => {
    const { client, asked } = clientOf(session, undefined);
    expect(await currencyOf(context, client, { account: "1" })).toBe("EUR");
    expect(asked).toEqual([consistency]);
  });

  it("is read from the newest where that state has no such account yet", async () => {
    const { client, asked } = clientOf(undefined, "READ_ACCOUNT_NOT_FOUND");
    expect(await currencyOf(context, client, { account: "1" })).toBe("EUR");
    expect(asked).toEqual(["local", "linearizable"]);
  });

  it("is asked for once where the server refuses, and not at all where it was said", async () => {
    const { client, asked } = clientOf("a session", "SESSION_LOST");
    await expect(currencyOf(context, client, { account: "1" })).rejects.toMatchObject({ reason: "SESSION_LOST" });
    expect(await currencyOf(context, client, { account: "1", currency: "usd" })).toBe("USD");
    expect(asked).toEqual(["session"]);
  });
});
