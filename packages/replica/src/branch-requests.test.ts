import { ANONYMOUS_PRINCIPAL, RecordKind, type RefusalError } from "@bank/core";
import {
  deposit,
  driven,
  LocalLink,
  numberedId,
  openAccount,
  request,
  rest,
  until,
  watch,
  withdraw,
} from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { openBank } from "./bank-replica.test-util.ts";
import { caughtUp, lost, openBranch, type Pair, startPair } from "./branch-replica.test-util.ts";
import { cancelRequest, freeze, group } from "./commands.test-util.ts";
import { writeOldJournal } from "./old-journal.test-util.ts";
import { answered, short } from "./sequencer.test-util.ts";

const statusOf = ({ branch }: Pick<Pair, "branch">, id: number, mode: "local" | "linearizable" = "linearizable") =>
  branch.outcomeOf({ mode }, ANONYMOUS_PRINCIPAL, numberedId(id));

describe("what became of a request, asked at a branch", () => {
  it("is its answer, as the bank gives it", async () => {
    const pair = await startPair();
    const { bank, branch } = pair;
    const requests = [
      request(1, deposit(1, 5)),
      request(2, withdraw(1, 500)),
      request(3, group(deposit(1, 1), openAccount())),
      request(4, cancelRequest),
    ];
    const originals = await bank.submit(requests);
    for (const [i, original] of originals.entries()) {
      const status = await statusOf(pair, i + 1);
      expect(status.value).toEqual({ ...original, replayed: true });
      expect(status).toMatchObject({ position: bank.committedPosition, stalenessMs: 0 });
      expect(status.session).toEqual(branch.sessionAt(status.position));
    }
  });

  it("is not seen up to the position that was read, of which the bank may know more", async () => {
    const pair = await startPair();
    const { bank } = pair;
    const position = bank.committedPosition;
    expect(await statusOf(pair, 1)).toMatchObject({ value: { kind: "notSeen" }, position });
    await lost(pair);
    await bank.submit([request(1, deposit(1, 5))]);
    expect(await statusOf(pair, 1, "local")).toMatchObject({ value: { kind: "notSeen" }, position });
    await expect(statusOf(pair, 1)).rejects.toMatchObject({ refusal: { reason: "BANK_UNREACHABLE" } });
    expect((await statusOf(pair, 900_002, "local")).value).toMatchObject({ kind: "answered", replayed: true });
  });

  it("waits for the disk where this branch shows more than it has saved", async () => {
    const pair = await startPair();
    const { bank, at, branch } = pair;
    at.store.holds = true;
    const [outcome] = await bank.submit([request(1, deposit(1, 5))]);
    await branch.whenApplied(bank.committedPosition);
    const position = answered(outcome!).position;
    const deadline = new AbortController();
    const late = watch(branch.outcomeOf({ mode: "local" }, ANONYMOUS_PRINCIPAL, numberedId(1), deadline.signal));
    const [status, record] = [watch(statusOf(pair, 1, "local")), watch(branch.recordAt(position))];
    await rest();
    expect([status.state, record.state]).toEqual(["pending", "pending"]);
    deadline.abort();
    await until(() => late.state === "rejected");
    expect(late.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED" } });
    at.store.passNext();
    await until(() => status.state === "fulfilled" && record.state === "fulfilled");
    expect(status.value?.value).toEqual({ ...outcome!, replayed: true });
    expect(record.value).toMatchObject({ record: { kind: RecordKind.DEPOSIT }, position });
  });

  it("ends with the branch, whatever it waits for", async () => {
    const pair = await startPair();
    const { bank, at, branch } = pair;
    at.store.holds = true;
    await bank.submit([request(1, deposit(1, 5))]);
    await branch.whenApplied(bank.committedPosition);
    await until(() => at.store.held.length === 1);
    const waiting = watch(statusOf(pair, 1, "local"));
    at.store.failNext(new Error("the disk is gone"));
    await until(() => waiting.state === "rejected");
    expect((waiting.reason as RefusalError).refusal.reason).toBe("NOT_READY");
    expect(at.fatal).toHaveLength(1);
  });

  it("is not told by a branch that is closed", async () => {
    const pair = await startPair();
    await pair.branch.close();
    for (const asked of [statusOf(pair, 900_002, "local"), pair.branch.recordAt(1)])
      await expect(asked).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
  });
});

describe("a record by its position, at a branch", () => {
  it("is what the bank has there; nothing where nothing is shown", async () => {
    const { bank, branch, at, opened } = await startPair();
    const [outcome] = await bank.submit([request(1, group(deposit(1, 5), openAccount()))]);
    await caughtUp(at, opened);
    const { position } = answered(outcome!);
    for (let one = 1; one <= position; one++) expect(await branch.recordAt(one)).toEqual(await bank.recordAt(one));
    expect((await branch.recordAt(position))?.groupRecords).toHaveLength(2);
    for (const missing of [0, -1, position + 1]) expect(await branch.recordAt(missing)).toBeUndefined();
  });
});

describe("letting time pass a moment, at a branch", () => {
  it("asks the bank, and waits until it shows what is later", async () => {
    const { bank, branch, opened } = await startPair();
    const { timeMs } = branch.ledger;
    opened.platform.advance(10);
    const position = await branch.passTime(timeMs);
    expect(position).toBe(bank.committedPosition);
    expect(branch.appliedPosition).toBeGreaterThanOrEqual(position);
    expect(branch.ledger.timeMs).toBe(timeMs + 10);
  });

  it("waits for the journal also where the bank's answer is the faster", async () => {
    const pair = await startPair();
    const { bank, branch, at, link, opened } = pair;
    const stalled = Promise.withResolvers<void>();
    const messages = bank.feed.messages.bind(bank.feed);
    vi.spyOn(bank.feed, "messages").mockImplementation(async function* (after, signal) {
      for await (const message of messages(after, signal)) {
        if (message.batch !== undefined) await stalled.promise;
        yield message;
      }
    });
    await lost(pair);
    link.join(bank);
    await until(() => branch.state === "following", { platform: at.platform });
    const { timeMs } = branch.ledger;
    opened.platform.advance(10);
    const asked = watch(branch.passTime(timeMs));
    await until(() => bank.ledger.timeMs > timeMs);
    await rest(20);
    expect(asked.state).toBe("pending");
    stalled.resolve();
    await until(() => asked.state === "fulfilled");
    expect(branch.ledger.timeMs).toBeGreaterThan(timeMs);
  });

  it("asks nobody where it shows something later already, also without a bank", async () => {
    const pair = await startPair();
    const { bank, branch } = pair;
    const asks = vi.spyOn(bank, "passTime");
    const { timeMs } = branch.ledger;
    expect(await branch.passTime(timeMs - 1)).toBe(branch.appliedPosition);
    await lost(pair);
    expect(await branch.passTime(timeMs - 1)).toBe(branch.appliedPosition);
    expect(asks).not.toHaveBeenCalled();
    await expect(branch.passTime(timeMs)).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE", outcome: "NOT_APPLIED" },
    });
  });

  it("passes on what the bank says", async () => {
    const { branch } = await startPair();
    await expect(branch.passTime(branch.ledger.timeMs + 1)).rejects.toMatchObject({
      refusal: { reason: "TIME_IN_FUTURE" },
    });
    const old = await openBank({ disk: await writeOldJournal() });
    const at = await openBranch({ link: new LocalLink(old.bank) });
    await caughtUp(at, old);
    old.platform.advance(10);
    await expect(at.branch.passTime(at.branch.ledger.timeMs)).rejects.toMatchObject({
      refusal: { reason: "FORMAT_LEVEL_TOO_LOW" },
    });
  });

  it("fails where the bank does not answer in time, or the caller has no more", async () => {
    const { branch, link, at, opened } = await startPair();
    const { timeMs } = branch.ledger;
    opened.platform.advance(10);
    link.beforeAnswer = () => new Promise(() => undefined);
    const deadline = new AbortController();
    const late = watch(branch.passTime(timeMs, deadline.signal));
    await rest();
    deadline.abort();
    await until(() => late.state === "rejected");
    expect(late.reason).toMatchObject({ refusal: { reason: "DEADLINE_EXCEEDED", outcome: "NOT_APPLIED" } });
    await until(() => branch.ledger.timeMs > timeMs);
    opened.platform.advance(10);
    await expect(driven(at.platform, branch.passTime(timeMs + 10))).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE", outcome: "NOT_APPLIED" },
    });
  });

  it("is refused before the first contact with a bank", async () => {
    const { branch } = await openBranch({ link: new LocalLink() });
    await expect(branch.passTime(0)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    expect(await branch.recordAt(1)).toBeUndefined();
  });
});

it("shows what made a version stale once it has passed the refusal on", async () => {
  const { branch, bank } = await startPair();
  const { version } = branch.ledger.viewAccount(branch.ledger.findCustomerAccount("1")!);
  await bank.submit([request(1, deposit(1, 5))]);
  const [result] = await branch.submit([request(2, freeze(1, version))]);
  expect(short(result!.outcome)).toBe("STALE_VERSION NOT_APPLIED");
  expect(result!.position).toBe(bank.committedPosition);
  const local = await branch.read({ mode: "local" }, (ledger) => ledger.viewAccount(ledger.findCustomerAccount("1")!));
  expect(local.value.version).toBe(version + 1);
});
