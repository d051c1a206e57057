import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { BranchNumber } from "@bank/core";
import { LINK_TICK_MS, type Platform } from "@bank/replica";
import { RecordingLog, rest, ServerClient, ServerProcess, type ServerProcessOptions } from "@bank/testkit";
import { onTestFinished, vi } from "vitest";
import { nodePlatform } from "./platform.ts";
import { type BankServerOptions, type RunningBank, startBank } from "./start-bank.ts";
import { type BranchServerOptions, type RunningBranches, startBranch } from "./start-branch.ts";

/** A folder of the test's own, removed at its end. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bank-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestBank extends RunningBank {
  readonly dataDir: string;
  readonly log: RecordingLog;
  /** What its process would have stopped for. */
  readonly fatal: unknown[];
}

/** A bank in this process, on a free port and in a temporary folder unless it is told otherwise. */
export async function startTestBank(
  options: Partial<Omit<BankServerOptions, "log">> & { readonly log?: RecordingLog } = {},
): Promise<TestBank> {
  const dataDir = options.dataDir ?? join(await temporaryFolder(), "bank");
  const { log = new RecordingLog() } = options;
  const fatal: unknown[] = [];
  const onFatal = (error: unknown) => fatal.push(error);
  const bank = await startBank({ witnessTimeoutMs: 0, history: "lazy", ...options, dataDir, log, onFatal });
  onTestFinished(() => bank.close());
  return Object.assign(bank, { dataDir, log, fatal });
}

export interface TestBranches extends RunningBranches {
  readonly dataDir: string;
  readonly log: RecordingLog;
  readonly fatal: unknown[];
  /** Where the first of them listens. */
  readonly url: string;
}

/** Branches in this process, which share a copy of the journal, on free ports unless they are told otherwise. */
export async function startTestBranches(
  bankUrl: string,
  numbers: readonly BranchNumber[],
  options: Partial<BranchServerOptions> & { readonly firstPort?: number } = {},
): Promise<TestBranches> {
  const { firstPort = 0, ...rest } = options;
  const dataDir = options.dataDir ?? join(await temporaryFolder(), "branch");
  const log = new RecordingLog();
  const fatal: unknown[] = [];
  const server = await startBranch({
    platform: hurried(nodePlatform(log)),
    history: "lazy",
    ...rest,
    branches: numbers.map((number, i) => ({ number, port: firstPort === 0 ? 0 : firstPort + i })),
    bankUrl,
    dataDir,
    log,
    onFatal: (error) => fatal.push(error),
  });
  onTestFinished(() => server.close());
  const [first] = server.branches;
  if (first === undefined) throw new Error("a server hosts a branch");
  return Object.assign(server, { dataDir, log, fatal, url: first.url });
}

/** Waits a hundredth of the time between two tries, so that a test waits little more than for what it waits for. */
export function hurried(platform: Platform): Platform {
  const isBackoff = (ms: number) => ms <= RETRY_WAIT_MAX_MS && ms !== LINK_TICK_MS;
  return { ...platform, delay: (ms, signal) => platform.delay(isBackoff(ms) ? ms / 100 : ms, signal) };
}

/** No backoff waits longer; what waits longer, or exactly as long as the watch of a link, is no backoff. */
const RETRY_WAIT_MAX_MS = 2_000;

/** Likewise, and waits until the bank knows them. */
export async function startFollowing(...args: Parameters<typeof startTestBranches>): Promise<TestBranches> {
  const branches = await startTestBranches(...args);
  await branches.whenFollowing(AbortSignal.timeout(10_000));
  return branches;
}

export function clientOf(url: string): ServerClient {
  const client = new ServerClient(url);
  onTestFinished(() => client.close());
  return client;
}

/**
 * Makes the streams of a bank's journal slow, each by itself, so that its branches are behind it and apart.
 *
 * @param turns of the event loop that the next batch of a stream waits.
 */
export function slowStreams({ replica: { feed } }: RunningBank, turns: () => number): void {
  const messages = feed.messages.bind(feed);
  vi.spyOn(feed, "messages").mockImplementation(async function* (after, signal) {
    for await (const message of messages(after, signal)) {
      await rest(turns());
      yield message;
    }
  });
}

/** A server in a process of its own, dead at the end of the test. */
export function startProcess(options: ServerProcessOptions): ServerProcess {
  const server = new ServerProcess(options);
  onTestFinished(async () => {
    await server.kill();
  });
  return server;
}

/**
 * A copy of a data folder as a killed process would leave it. Nothing may be writing to it. Made by another process:
 * one that uses a SQLite file must not open it by other means.
 */
export async function crashImage(dataDir: string): Promise<string> {
  const image = join(await temporaryFolder(), "image");
  await promisify(execFile)("cp", ["-r", dataDir, image]);
  return image;
}
