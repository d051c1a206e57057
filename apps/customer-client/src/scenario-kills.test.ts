// A scenario comes out right although a server is killed in the middle of it. By default that is tried with some, and either
// the bank or the branch is killed; with `BANK_SCENARIO_RUNS=10` each is in ten runs of each scenario.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connectBank } from "@bank/client";
import { type BankProcess, type BranchProcess, Random, startBankProcess, startBranchProcess } from "@bank/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ClientScenarioBank } from "./client-scenario-bank.ts";
import {
  type RunningScenarioBank,
  readScenario,
  runScenarioFile,
  type ScenarioSession,
  type ScenarioTeller,
} from "./scenario/index.ts";
import { EXAMPLES, expectedOf, SHARED, scenarioCases } from "./scenario/scenario-cases.test-util.ts";

const ASKED_RUNS = process.env["BANK_SCENARIO_RUNS"];
const RUNS = Number(ASKED_RUNS ?? 1);
const BRANCHES = Array.from({ length: 10 }, (_, i) => i + 1);
/** For a server to come back, and whatever waits for it. */
const CALL_TIMEOUT_MS = 30_000;
const TIMEOUT = { timeout: 20_000 + RUNS * CALL_TIMEOUT_MS };

const cases = (
  await Promise.all(
    [...scenarioCases(EXAMPLES), ...scenarioCases(SHARED)]
      .filter(({ folder }) => folder !== "invalid")
      .map(async (each) => ({ ...each, scenario: readScenario(await readFile(each.inputPath), each.inputPath) })),
  )
).filter(({ scenario }) => scenario.branches.every((branch) => BRANCHES.includes(branch)));

/** The events of a scenario in the order in which they happen. */
const eventsOf = ({ scenario }: (typeof cases)[number]) => scenario.customers.flatMap(({ events }) => events);
/** Which event a server is killed at, from 1. */
const middleOf = (each: (typeof cases)[number]) => Math.max(1, Math.ceil(eventsOf(each).length / 2));
const victimOf = (each: (typeof cases)[number]) => eventsOf(each)[middleOf(each) - 1]?.branch as number;

let folder: string;
let bank: BankProcess;
/** By number. Those that are killed have a process of their own, all others share one. */
const branches = new Map<string, BranchProcess>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-kills-"));
  bank = await startBankProcess({ dataDir: join(folder, "bank") });
  const alone = new Set(cases.map(victimOf));
  const others = BRANCHES.filter((number) => !alone.has(number));
  for (const numbers of [...[...alone].map(String), ...(others.length > 0 ? [others.join(",")] : [])]) {
    const dataDir = join(folder, `branches-${numbers}`);
    branches.set(numbers, await startBranchProcess({ number: numbers, bankUrl: bank.url, dataDir }));
  }
  const client = connectBank({ server: bank.url });
  // Until all of them are registered.
  for (let known = 0; known <= BRANCHES.length; ) known = (await client.branches()).branches.length;
  client.close();
}, 60_000);
afterAll(async () => {
  for (const server of [...branches.values(), bank]) await server?.kill();
  await rm(folder, { recursive: true, force: true });
});

describe("a scenario comes out right", () => {
  const byTurns = (turn: number) => cases.filter((_, i) => ASKED_RUNS !== undefined || i % 4 === turn);

  it.each(byTurns(0))("with the bank killed and started again in the middle: $name", TIMEOUT, async (each) => {
    for (let run = 0; run < RUNS; run++) await runWithKill(each, bank, run);
  });

  it.each(byTurns(1))("with the branch killed and started again in the middle: $name", TIMEOUT, async (each) => {
    const victim = branches.get(String(victimOf(each))) as BranchProcess;
    for (let run = 0; run < RUNS; run++) await runWithKill(each, victim, run);
  });
});

/** Kills a server while the middle event of the scenario is on its way; the other half finds it dead, or starting. */
async function runWithKill(each: (typeof cases)[number], victim: BankProcess, run: number): Promise<void> {
  const seed = Math.floor(Math.random() * 0x7fff_fffe);
  const random = new Random(seed);
  const killing = new Killing(middleOf(each), async () => {
    // Before the call is sent, or while it is at the branch, at the bank, or on its way back.
    await delay(random.below(4));
    await victim.restart();
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
  private readonly kill: () => Promise<void>;

  constructor(at: number, kill: () => Promise<void>) {
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
          deposit: (account, minor) => this.count(() => teller.deposit(account, minor)),
          withdraw: (account, minor) => this.count(() => teller.withdraw(account, minor)),
          transfer: (from, to, minor) => this.count(() => teller.transfer(from, to, minor)),
          balance: (account) => this.count(() => teller.balance(account)),
        };
        return counted;
      },
    };
  }

  private count<T>(call: () => Promise<T>): Promise<T> {
    if (++this.events === this.at) {
      this.isDone = true;
      this.over = this.kill();
      // It is looked at when the run is over.
      this.over.catch(() => undefined);
    }
    return call();
  }
}
