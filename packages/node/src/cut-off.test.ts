import { setTimeout as delay } from "node:timers/promises";
import {
  type CutKind,
  consistency,
  type Direction,
  FaultProxy,
  RecordingLog,
  startBankProcess,
  startBranchProcess,
} from "@bank/testkit";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openAccount } from "./books.test-util.ts";
import { asked, failureOf, usd } from "./calls.test-util.ts";
import { nodePlatform } from "./platform.ts";
import { clientOf, startFollowing, startTestBank, type TestBranches, temporaryFolder } from "./servers.test-util.ts";

/** What waits for the bank ends within a second; so much more may the test's own machine take. */
const WITHIN_MS = 1_000 + 400;

async function startProxy(target: string): Promise<FaultProxy> {
  const proxy = await FaultProxy.start({ target });
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A branch of the bank at this address, with the waits of real life. */
function startBranch(bankUrl: string): Promise<TestBranches> {
  return startFollowing(bankUrl, [1], { platform: nodePlatform(new RecordingLog()) });
}

/** How it failed, and how long that took. */
async function timedFailure(call: Promise<unknown>) {
  const began = performance.now();
  const { reason, metadata } = await failureOf(call);
  return { reason, outcome: metadata["outcome"], metadata, tookMs: performance.now() - began };
}

/** Cuts a branch off from its bank and back; what both serve meanwhile, and how everything ends that waits. */
async function endureCut(options: {
  readonly branch: TestBranches;
  readonly account: string;
  readonly cut: () => void;
  readonly heal: () => void;
  /** What is written at the bank meanwhile; undefined where nothing can be. */
  readonly writeAtBank?: () => Promise<unknown>;
  /** In cents, at the end. */
  readonly expected: (bigint | undefined)[];
}): Promise<void> {
  const { branch, account } = options;
  const client = clientOf(branch.url);
  const patience = { timeoutMs: 20_000 };
  const deposit = () => client.transactions.deposit(asked({ account, amount: usd(1) }), patience);
  const balance = (mode: string) => client.accounts.getBalance({ account }, { ...consistency(mode), ...patience });
  await vi.waitUntil(() => branch.replica().connected);
  expect((await balance("linearizable")).readInfo).toMatchObject({ connected: true });

  options.cut();
  const [read, write] = await Promise.all([timedFailure(balance("linearizable")), timedFailure(deposit())]);
  expect(read).toMatchObject({ reason: "BANK_UNREACHABLE", outcome: "NOT_APPLIED" });
  expect(write).toMatchObject({ reason: "BANK_UNREACHABLE", outcome: "OUTCOME_UNKNOWN" });
  expect(Math.max(read.tookMs, write.tookMs)).toBeLessThan(WITHIN_MS);

  // The loss is known: nothing waits any more.
  const [again, late] = await Promise.all([timedFailure(balance("linearizable")), timedFailure(deposit())]);
  expect([again.reason, late.reason]).toEqual(["BANK_UNREACHABLE", "BANK_UNREACHABLE"]);
  expect(Math.max(again.tookMs, late.tookMs)).toBeLessThan(300);
  const local = await balance("local");
  expect(local.posted?.amountMinor).toBe(100n);
  expect(local.readInfo).toMatchObject({ connected: false });
  expect(local.readInfo?.stalenessMs).toBeGreaterThan(0n);
  expect((await balance("bounded;max-staleness-ms=60000")).posted?.amountMinor).toBe(100n);
  expect(await timedFailure(balance("bounded;max-staleness-ms=100"))).toMatchObject({
    reason: "STALENESS_BOUND_EXCEEDED",
    outcome: "NOT_APPLIED",
    metadata: { branch: "1", max_staleness_ms: "100", staleness_ms: expect.stringMatching(/^[0-9]{3,4}$/) },
  });

  await options.writeAtBank?.();
  options.heal();
  await vi.waitUntil(() => branch.replica().connected, { timeout: 10_000 });
  const { posted } = await balance("linearizable");
  expect(options.expected).toContain(posted?.amountMinor);
  await deposit();
}

describe("a branch that is cut off from its bank", () => {
  it.each<[string, Direction, CutKind]>([
    ["both ways", "both", "hold"],
    ["both ways for longer than TCP lives", "both", "lose"],
    ["on the way to the bank", "toServer", "hold"],
    ["on the way from the bank", "toClient", "hold"],
  ])("%s fails what waits within a second, goes on with what it can, and comes back by itself", async (...args) => {
    const [, direction, kind] = args;
    const bank = await startTestBank();
    const proxy = await startProxy(bank.url);
    const branch = await startBranch(proxy.url);
    const atBank = clientOf(bank.url);
    const account = await openAccount(atBank);
    await clientOf(branch.url).transactions.deposit(asked({ account, amount: usd(100) }));
    await endureCut({
      branch,
      account,
      cut: () => proxy.cut(direction, kind),
      heal: () => proxy.heal(),
      writeAtBank: () => atBank.transactions.deposit(asked({ account, amount: usd(1_000) })),
      // The write that got no answer may have been done, or is done once the way is free.
      expected: [1_100n, 1_101n],
    });
  });

  it("whose bank stands still knows it within a second, and that it goes on", async () => {
    const bank = await startBankProcess({ dataDir: await temporaryFolder() });
    onTestFinished(() => bank.kill());
    const branch = await startBranch(bank.url);
    const client = clientOf(branch.url);
    const account = await openAccount(client);
    await client.transactions.deposit(asked({ account, amount: usd(100) }));
    await endureCut({
      branch,
      account,
      cut: () => bank.pause(),
      heal: () => bank.resume(),
      expected: [100n, 101n],
    });
  });
});

it("a branch that stood still itself does not take that for its bank's silence", async () => {
  const bank = await startTestBank();
  const branch = await startBranchProcess({ number: 1, bankUrl: bank.url, dataDir: await temporaryFolder() });
  onTestFinished(() => branch.kill());
  const client = clientOf(branch.url);
  const account = await vi.waitFor(() => openAccount(client), { timeout: 10_000 });
  for (let i = 0; i < 2; i++) {
    branch.pause();
    // As long as it takes for a probe of a branch that runs to be given up, and longer.
    await delay(1_200);
    branch.resume();
    expect(await client.balance(account, { timeoutMs: 5_000 })).toBe(0n);
  }
  await branch.stop();
  const { stderr, stdout } = await branch.process.ended;
  expect(stderr + stdout).not.toContain("the bank does not answer");
});

it("a thousand linearizable reads at once cost a handful of questions", async () => {
  const bank = await startTestBank();
  const branch = await startFollowing(bank.url, [1]);
  const client = clientOf(branch.url);
  const account = await openAccount(client);
  const { gate } = branch.replica();
  const before = gate.questions;
  const began = performance.now();
  const balances = await Promise.all(Array.from({ length: 1_000 }, () => client.balance(account)));
  const tookMs = performance.now() - began;
  expect(new Set(balances)).toEqual(new Set([0n]));
  // Reads come in as fast as they are read from the wire; the questions of that time, and a heartbeat or two.
  expect(gate.questions - before).toBeLessThanOrEqual(50 + tookMs / 200);
  expect(gate.questions - before).toBeGreaterThan(0);
});
