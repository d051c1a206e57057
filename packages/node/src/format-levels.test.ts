import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FORMAT_LEVEL_MAX, RecordKind } from "@bank/core";
import { decodeFrame, genesisHash } from "@bank/journal";
import { openStore } from "@bank/store";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { accountWith, asked, digestAt, failureOf, usd } from "./calls.test-util.ts";
import { sha256 } from "./platform.ts";
import { clientOf, startFollowing, startTestBank, temporaryFolder } from "./servers.test-util.ts";

const RECORDED = new URL("../../journal/testdata/format-1/", import.meta.url);

/** A bank's data folder as the first version of the program left it. */
async function recordedFolder(): Promise<string> {
  const dataDir = join(await temporaryFolder(), "bank");
  const { bankId: id } = JSON.parse(readFileSync(new URL("expected.json", RECORDED), "utf8")) as { bankId: string };
  const bankId = new Uint8Array(Buffer.from(id, "hex"));
  const blocks = readBlocks(readFileSync(new URL("journal.bin", RECORDED)));
  const store = openStore(`sqlite:${dataDir}`);
  await store.open();
  await store.initialize(bankId);
  let previousHash = genesisHash(sha256, bankId);
  let epoch = 0;
  for (let i = 0; i < blocks.length; i += 2) {
    const [frame, chainHash] = blocks.slice(i, i + 2) as [Uint8Array, Uint8Array];
    const { header, records } = decodeFrame(frame);
    for (const record of records) if (record.kind === RecordKind.EPOCH_BEGUN) epoch = record.number;
    await store.fence(epoch);
    const { firstPosition } = header;
    const lastPosition = firstPosition + header.count - 1;
    await store.append([{ firstPosition, lastPosition, frame, previousHash, chainHash }], { epoch });
    previousHash = chainHash;
  }
  await store.close();
  return dataDir;
}

function readBlocks(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < file.length; ) {
    const length = view.getUint32(at, true);
    blocks.push(new Uint8Array(file.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return blocks;
}

describe("a journal of an older program", () => {
  it("is gone on with as it is, until an operator raises its level, once and for all", async () => {
    const dataDir = await recordedFolder();
    const old = await startTestBank({ dataDir });
    expect(old.replica.ledger.formatLevel).toBe(1);
    const branch = await startFollowing(old.url, [1]);
    const [atBank, atBranch] = [clientOf(old.url), clientOf(branch.url)];
    const account = await accountWith(atBank, 100);
    for (const client of [atBank, atBranch]) {
      await client.transactions.withdraw(asked({ account, amount: usd(1) }));
      const hold = asked({ account, amount: usd(10) });
      const tooLow = { reason: "FORMAT_LEVEL_TOO_LOW", metadata: { level: "1", needed: "2", outcome: "NOT_APPLIED" } };
      expect(await failureOf(client.holds.placeHold(hold))).toMatchObject({ ...tooLow, code: Code.FailedPrecondition });
      expect(await failureOf(client.holds.placeHold({ ...hold, validateOnly: true }))).toMatchObject(tooLow);
      expect(await failureOf(client.requests.cancelRequest({ requestId: hold.requestId }))).toMatchObject(tooLow);
      const alias = asked({ owner: "Ada", currencyCode: "USD", alias: "ada" });
      expect(await failureOf(client.accounts.openAccount(alias))).toMatchObject(tooLow);
      expect(await client.requests.getOutcome({ requestId: hold.requestId })).toMatchObject({ position: 0n });
    }
    await old.close();

    const raised = await startTestBank({ dataDir, port: old.port, raiseFormatLevel: true });
    await branch.whenFollowing(AbortSignal.timeout(10_000));
    expect(raised.replica.ledger.formatLevel).toBe(FORMAT_LEVEL_MAX);
    await atBranch.holds.placeHold(asked({ account, amount: usd(10) }));
    expect(await digestAt(atBranch)).toBe(await digestAt(atBank));
    await raised.close();

    const later = await startTestBank({ dataDir, port: old.port });
    await branch.whenFollowing(AbortSignal.timeout(10_000));
    const { held } = await atBranch.accounts.getBalance({ account });
    expect([later.replica.ledger.formatLevel, held?.amountMinor]).toEqual([FORMAT_LEVEL_MAX, 10n]);
  });

  it("is at the newest level where it is new", async () => {
    expect((await startTestBank()).replica.ledger.formatLevel).toBe(FORMAT_LEVEL_MAX);
  });
});
