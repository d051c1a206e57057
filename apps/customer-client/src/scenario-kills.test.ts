// A scenario comes out right although a server is killed in the middle of it. `BANK_SCENARIO_RUNS=10` for ten of each.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connectBank } from "@bank/client";
import { type BankProcess, Random, startBankProcess, startBranchProcess } from "@bank/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ClientScenarioBank } from "./client-scenario-bank.ts";
import {
  type RunningScenarioBank,
  readScenario,
  runScenarioFile,
  type ScenarioSession,
  type ScenarioTeller,
} from "./scenario/index.ts";
import { EXAMPLES, expectedOf, type ScenarioCase, SHARED, scenarioCases } from "./scenario/scenario-cases.test-util.ts";

const RUNS = Number(process.env["BANK_SCENARIO_RUNS"] ?? 1);
const BRANCHES = Array.from({ length: 10 }, (_, i) => i + 1);
/** Those in a process of their own, which is killed where an event happens at one of them. */
const ALONE = [1, 2];
/** For a server to come back, and whatever waits for it. */
const CALL_TIMEOUT_MS = 30_000;

const cases = (
  await Promise.all(
    [...scenarioCases(EXAMPLES), ...scenarioCases(SHARED)]
      .filter(({ folder }) => folder !== "invalid")
      .map(async (each) => ({ ...each, scenario: readScenario(await readFile(each.inputPath), each.inputPath) })),
  )
).filter(({ scenario }) => scenario.branches.every((branch) => BRANCHES.includes(branch)));

let folder: string;
let bank: BankProcess;
const branches: BankProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-kills-"));
  bank = await startBankProcess({ dataDir: join(folder, "bank") });
  const groups = [...ALONE.map(String), BRANCHES.filter((number) => !ALONE.includes(number)).join(",")];
  for (const group of groups)
    branches.push(
      await startBranchProcess({ number: group, bankUrl: bank.url, dataDir: join(folder, `branches-${group}`) }),
    );
  const client = connectBank({ server: bank.url });
  // Until all of them are registered.
  for (let known = 0; known <= BRANCHES.length; ) known = (await client.branches()).branches.length;
  client.close();
});
afterAll(async () => {
  for (const server of [...branches, bank]) await server?.kill();
  await rm(folder, { recursive: true, force: true });
});

describe("a scenario comes out right", () => {
  it.each(cases)("with the bank killed and started again in the middle: $name", async (each) => {
    for (let run = 0; run < RUNS; run++) await runWithKill(each, () => bank, run);
  });

  it.each(cases)("with the branch killed and started again in the middle: $name", async (each) => {
    const victim = (branch: number) => branches[Math.min(branch, branches.length) - 1] as BankProcess;
    for (let run = 0; run < RUNS; run++) await runWithKill(each, victim, run);
  });
});

/** Kills a server while the middle event of the scenario is on its way; the other half finds it dead, or starting. */
async function runWithKill(
  each: ScenarioCase & { readonly scenario: ReturnType<typeof readScenario> },
  victimAt: (branch: number) => BankProcess,
  run: number,
): Promise<void> {
  const seed = Math.floor(Math.random() * 0x7fff_fffe);
  const random = new Random(seed);
  const events = each.scenario.customers.flatMap((customer) => customer.events).length;
  const killing = new Killing(Math.max(1, Math.ceil(events / 2)), async (branch) => {
    // Before the call is sent, or while it is at the branch, at the bank, or on its way back.
    await delay(random.below(4));
    await victimAt(branch).restart();
  });
  const client = connectBank({ server: bank.url, timeoutMs: CALL_TIMEOUT_MS });
  const own = new ClientScenarioBank({ client, call: {}, stop: async () => client.close() });
  const output = new Text();
  const problems = new Text();
  const exitCode = await runScenarioFile({
    inputPath: each.inputPath,
    outPath: undefined,
    concurrent: false,
    balances: false,
    startBank: async () => killing.watch(own),
    stdout: output,
    stderr: problems,
    onRefused: undefined,
  });
  await killing.over;
  const context = `run ${run + 1} of ${RUNS}, seed ${seed}: ${problems.all}`;
  expect(exitCode, context).toBe(0);
  expect(killing.isDone, context).toBe(true);
  expect(JSON.parse(output.all), context).toEqual(expectedOf(each));
}

class Text {
  all = "";

  write(text: string, done: () => void): void {
    this.all += text;
    done();
  }
}

/** Counts the events of a run, and does something with one of them. */
class Killing {
  /** Resolves when what was done is over. */
  over: Promise<void> = Promise.resolve();
  isDone = false;
  private events = 0;
  private readonly at: number;
  private readonly kill: (branch: number) => Promise<void>;

  constructor(at: number, kill: (branch: number) => Promise<void>) {
    this.at = at;
    this.kill = kill;
  }

  watch(bank: RunningScenarioBank): RunningScenarioBank {
    return {
      openAccount: (minor, home) => bank.openAccount(minor, home),
      customer: (index) => this.watchSession(bank.customer(index)),
      close: () => bank.close(),
    };
  }

  private watchSession(session: ScenarioSession): ScenarioSession {
    return {
      at: (branch) => {
        const teller = session.at(branch);
        const counted: ScenarioTeller = {
          deposit: (account, minor) => this.count(branch, () => teller.deposit(account, minor)),
          withdraw: (account, minor) => this.count(branch, () => teller.withdraw(account, minor)),
          transfer: (from, to, minor) => this.count(branch, () => teller.transfer(from, to, minor)),
          balance: (account) => this.count(branch, () => teller.balance(account)),
        };
        return counted;
      },
    };
  }

  private count<T>(branch: number, call: () => Promise<T>): Promise<T> {
    if (++this.events === this.at) {
      this.isDone = true;
      this.over = this.kill(branch);
      // It is looked at when the run is over.
      this.over.catch(() => undefined);
    }
    return call();
  }
}
