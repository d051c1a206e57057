import { randomUUID } from "node:crypto";
import type { BatchResult, ExecuteMovementsResponse } from "@bank/proto";
import { failureFromConnectError, PROPAGATION_HEADER, SESSION_HEADER } from "@bank/rpc";
import type { ServerClient } from "@bank/testkit";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { accountWith, clientAt, failureOf, PLACES, reasonOf, startServers, usd } from "./calls.test-util.ts";
import {
  base,
  columns,
  explicit,
  idAt,
  MOVEMENT_WAYS,
  type MovementsInit,
  type Row,
} from "./movement-columns.test-util.ts";

/** The unary call that a row stands for: its result, or its failure. */
async function unary({ transactions }: ServerClient, { debit, credit, amount }: Row, requestId: string) {
  const money = usd(amount);
  const call =
    debit === 0
      ? transactions.deposit({ requestId, account: String(credit), amount: money })
      : credit === 0
        ? transactions.withdraw({ requestId, account: String(debit), amount: money })
        : transactions.transfer({ requestId, fromAccount: String(debit), toAccount: String(credit), amount: money });
  try {
    const { transaction, replayed } = await call;
    return { transaction, replayed };
  } catch (error) {
    const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
    if (failure === undefined) throw error;
    return { reason: failure.reason, metadata: failure.metadata };
  }
}

/** What a reply says about a row, or undefined where it says that it was plainly done. */
function other({ others }: ExecuteMovementsResponse, row: number): BatchResult | undefined {
  return others.find((each) => each.row === row)?.result;
}

function timeAt({ times }: ExecuteMovementsResponse, row: number): number {
  return Number(times.findLast((each) => each.row <= row)?.timeMs);
}

const ASKED = PLACES.flatMap((place) => MOVEMENT_WAYS.map((way) => ({ ...place, ...way })));

describe.each(ASKED)("ExecuteMovements at $place, $way", ({ branch, movesOf }) => {
  /** Two servers, a client of the one that is asked, and how movements are asked for there. */
  async function start() {
    const servers = await startServers();
    const client = clientAt(servers, branch);
    const { url } = branch === 0 ? servers.bank : servers.branch;
    return { servers, client, move: movesOf({ client, url }) };
  }

  it("does what the calls that its rows stand for would do, and each can be tried again as the other", async () => {
    const { client, move } = await start();
    const { transactions } = client;
    const [a = 0, b = 0] = [Number(await accountWith(client, 500)), Number(await accountWith(client, 0))];
    const known = randomUUID();
    await transactions.transfer({ requestId: known, fromAccount: `${a}`, toAccount: `${b}`, amount: usd(7) });
    const rows: Row[] = [
      { debit: 0, credit: a, amount: 100 },
      { debit: a, credit: b, amount: 50 },
      { debit: b, credit: 0, amount: 5 },
      { debit: b, credit: a, amount: 1_000_000 },
      { debit: a, credit: 999, amount: 1 },
      { debit: a, credit: b, amount: 7, id: known },
      { debit: a, credit: b, amount: 8, id: known },
      { debit: a, credit: a, amount: 1 },
      { debit: a, credit: b, amount: 2, id: "00000000-0000-4000-8000-000000000001" },
      { debit: a, credit: b, amount: 2, id: "00000000-0000-4000-8000-000000000001" },
    ];
    const ids = rows.map(({ id }) => id ?? randomUUID());
    const reply = await move(columns(rows, explicit(ids)));
    expect(reply.branch).toBe(branch);
    expect(reply.positions).toHaveLength(rows.length);
    expect(reply.others.map(({ row }) => row)).toEqual([3, 4, 5, 6, 7, 9]);
    expect(reply.times.map(({ row }) => row)).toEqual([0]);
    const { session, ...info } = reply.readInfo ?? {};
    expect(info).toMatchObject({ position: reply.positions[8], epoch: 1n });
    // Every row is now answered by the unary call with its id, as a replay of the same.
    for (const [row, asked] of rows.entries()) {
      const told = other(reply, row);
      const again = await unary(client, asked, ids[row] as string);
      const place = `row ${row}`;
      if (told?.result.case === "failure") {
        const { reason, metadata, position } = told.result.value;
        expect({ reason, metadata }, place).toEqual(again);
        expect(reply.positions[row], place).toBe(position);
        continue;
      }
      expect(again.replayed, place).toBe(true);
      expect(again.transaction?.position, place).toBe(reply.positions[row]);
      if (told === undefined)
        expect(again.transaction?.time && timestampMs(again.transaction.time)).toBe(timeAt(reply, row));
      else expect(told.result, place).toEqual({ case: "transaction", value: again.transaction });
      expect(told?.replayed, place).toBe(told === undefined ? undefined : true);
    }
    expect(other(reply, 6)?.result.value).toMatchObject({ reason: "REQUEST_ID_REUSED", position: 0n });
    expect(await client.balance(`${a}`, { headers: { [SESSION_HEADER]: session ?? "" } })).toBe(541n);
  });

  it("counts up from a base, and answers a call that is tried again from the journal", async () => {
    const { client, move } = await start();
    const account = Number(await accountWith(client, 10));
    const first = base();
    const rows: Row[] = [
      { debit: 0, credit: account, amount: 3 },
      { debit: account, credit: 0, amount: 1_000 },
      { debit: 0, credit: account, amount: 4 },
    ];
    const request = columns(rows, { baseRequestId: first });
    const done = await move(request);
    const again = await move(request);
    expect(again.positions).toEqual(done.positions);
    expect(again.times).toEqual([]);
    expect(again.others.map(({ row, result }) => [row, result?.replayed, result?.result.case])).toEqual([
      [0, true, "transaction"],
      [1, true, "failure"],
      [2, true, "transaction"],
    ]);
    const last = again.others[2]?.result?.result;
    expect(last?.case === "transaction" && last.value.requestId).toBe(idAt(first, 2));
    expect(again.readInfo?.time && timestampMs(again.readInfo.time)).toBe(timeAt(done, 2));
    const outcome = await client.requests.getOutcome({ requestId: idAt(first, 2) });
    expect(outcome.position).toBe(done.positions[2]);
    expect(await client.balance(`${account}`)).toBe(17n);
  });

  it("refuses a malformed call as a whole, and names the rows", async () => {
    const { servers, client, move } = await start();
    const account = Number(await accountWith(client, 0));
    const before = servers.bank.replica.committedPosition;
    const fine: Row = { debit: 0, credit: account, amount: 1 };
    const fields = async (request: MovementsInit) => {
      const call = move(request);
      const { reason, violations } = await failureOf(call);
      expect(reason).toBe("INVALID_REQUEST");
      return violations.map(({ field }) => field);
    };
    const big = columns([fine, fine, fine]);
    big.debitAccounts[1] = 2n ** 53n;
    big.amountsMinor[2] = 2n ** 63n;
    big.amountsMinor[0] = 0n;
    expect(await fields(big)).toEqual(["amounts_minor[0]", "debit_accounts[1]", "amounts_minor[2]"]);
    expect(await fields(columns([fine, { ...fine, credit: 0 }]))).toEqual(["credit_accounts[1]"]);
    const uneven = columns([fine, fine]);
    uneven.creditAccounts.pop();
    uneven.amountsMinor.push(1n);
    expect(await fields(uneven)).toEqual(["credit_accounts", "amounts_minor"]);
    expect(await fields(columns([fine], {}))).toEqual(["request_ids_high", "request_ids_low"]);
    expect(await fields({ ...columns([fine]), ...explicit([randomUUID()]) })).toEqual([
      "request_ids_high",
      "request_ids_low",
    ]);
    expect(await fields(columns([fine], { baseRequestId: new Uint8Array(15) }))).toEqual(["base_request_id"]);
    expect(await fields(columns([fine, fine], { baseRequestId: new Uint8Array(16).fill(255) }))).toEqual([
      "base_request_id",
    ]);
    expect(await fields(columns([fine], { baseRequestId: new Uint8Array(17) }))).toEqual(["base_request_id"]);
    expect(await fields({ ...columns([fine]), currencyCode: "usd" })).toEqual(["currency_code"]);
    expect(await reasonOf(move({ ...columns([fine]), currencyCode: "XXY" }))).toBe("UNKNOWN_CURRENCY");
    expect(await fields(columns([]))).toEqual(["debit_accounts", "credit_accounts", "amounts_minor"]);
    expect(await fields(columns(new Array<Row>(10_001).fill(fine)))).toEqual([
      "debit_accounts",
      "credit_accounts",
      "amounts_minor",
    ]);
    expect(servers.bank.replica.committedPosition).toBe(before);
  });

  it("honours the headers of a write", async () => {
    const { client, move } = await start();
    const account = Number(await accountWith(client, 0));
    const rows = [{ debit: 0, credit: account, amount: 1 }];
    const spread = await move(columns(rows), {
      headers: { [PROPAGATION_HEADER]: "all-branches" },
    });
    expect(spread.readInfo?.propagation).toMatchObject({ satisfied: true, appliedHere: true });
    // What was not done spreads nowhere, though the journal has it.
    const rejected = await move(columns([{ debit: account, credit: 0, amount: 9 }]), {
      headers: { [PROPAGATION_HEADER]: "all-branches" },
    });
    expect(rejected.positions[0]).toBeGreaterThan(spread.positions[0] as bigint);
    expect(rejected.readInfo?.propagation).toBeUndefined();
    const call = move(columns(rows), { headers: { [SESSION_HEADER]: "AAAA" } });
    expect(await reasonOf(call)).toBe("SESSION_INVALID");
    const wrong = move(columns(rows), { headers: { [PROPAGATION_HEADER]: "some" } });
    expect(await reasonOf(wrong)).toBe("INVALID_REQUEST");
    const { session = "" } = spread.readInfo ?? {};
    const own = await move(columns(rows), { headers: { [SESSION_HEADER]: session } });
    expect(own.others).toEqual([]);
    expect(await client.balance(`${account}`)).toBe(2n);
  });
});
