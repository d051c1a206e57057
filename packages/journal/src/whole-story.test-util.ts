import type { BranchState, DurabilityMember } from "@bank/core";
import { BranchState as State } from "@bank/core";
import { group, tellFullStory, workAtEverything } from "./full-story.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import { takeSnapshot } from "./snapshot.ts";
import { deposit, pay, randomNumbers, register, withdraw } from "./story.test-util.ts";
import type { Order, TestBank } from "./test-bank.test-util.ts";

export function rename(target: number, name: string): Order {
  return { kind: "renameBranch", target, name };
}

export function setState(target: number, state: BranchState): Order {
  return { kind: "setBranchState", target, state };
}

export function durable(copies: number, ...members: DurabilityMember[]): Order {
  return { kind: "setDurability", copies, members };
}

/** The copy of a branch: the same byte sixteen times. */
export function copyOf(branch: number, fill = branch): DurabilityMember {
  return { branch, copyId: new Uint8Array(16).fill(fill) };
}

/**
 * The full story, and then what level 3 adds: each kind of record, each rejection, each state of branches, an epoch that
 * began with a promotion; then a random working day among branches that come and go.
 */
export function tellWholeStory(bank: TestBank, options: { readonly seed: number; readonly batches: number }): void {
  tellFullStory(bank, options);
  bank.beginEpoch(false, 3);
  branchesChange(bank);
  copiesCount(bank);
  const { position, root } = takeSnapshot(bank.replay, sha256);
  bank.recordRoot(position, root);
  bank.beginEpoch(true, undefined, copyOf(1).copyId);
  workAmongBranches(bank, options);
  bank.beginEpoch();
}

/** Branches 3 and 4 end retired, branch 2 is draining, branch 5 came back. */
function branchesChange(bank: TestBank): void {
  bank.execute(
    register(3, "", ""),
    register(4, "Fourth \u{1f3e6}", "http://127.0.0.1:50064"),
    register(5, "Fifth", "http://127.0.0.1:50065"),
    { ...rename(1, "Überlingen am See"), by: "ops" },
    { ...rename(3, "Žofie"), at: 2 },
    register(3, "", "http://127.0.0.1:50063"),
    deposit("1", 3_000n, "EUR", 3),
    deposit("1", 4_000n, "EUR", 4),
  );
  bank.execute(
    setState(3, State.DRAINING),
    setState(2, State.DRAINING),
    { ...setState(5, State.DRAINING), by: "ops", at: 1 },
    deposit("1", 1n, "EUR", 3),
    register(2, "", "http://127.0.0.1:50072"),
  );
  bank.execute(setState(3, State.RETIRED), setState(4, State.RETIRED), setState(5, State.ACTIVE));
  bank.execute(
    deposit("1", 1n, "EUR", 3),
    withdraw("1", 1n, "EUR", 4),
    { ...group(deposit("1", 1n)), at: 3 },
    register(3, "again", "http://127.0.0.1:50073"),
    rename(4, "again"),
    rename(77, "nobody"),
    setState(3, State.ACTIVE),
    setState(0, State.DRAINING),
    setState(1, State.ACTIVE),
    setState(2, State.DRAINING),
    setState(77, State.RETIRED),
    { kind: "cancelRequest", at: 3 },
    // Its money is not lost with it.
    pay("1", "fees/3/EUR", 1n),
  );
}

function copiesCount(bank: TestBank): void {
  const many = Array.from({ length: 13 }, (_, i) => 100 + i);
  bank.execute(...many.map((branch) => register(branch, `b${branch}`, "")));
  bank.execute(
    durable(1, copyOf(2)),
    durable(2, copyOf(5), copyOf(1, 0xff), copyOf(2)),
    setState(5, State.RETIRED),
    { ...durable(16, ...[1, 2, 5, ...many].map((branch) => copyOf(branch, branch + 50))), by: "ops" },
    durable(1, copyOf(1), copyOf(3)),
    durable(1, copyOf(78), copyOf(77)),
    durable(0),
  );
  bank.execute(...many.map((branch) => setState(branch, State.RETIRED)));
  bank.execute(durable(2, copyOf(1), copyOf(2, 22), copyOf(5)));
}

/** Days of work, and between them what happens to branches; some of it is rejected. */
export function workAmongBranches(bank: TestBank, options: { readonly seed: number; readonly batches: number }): void {
  const { ledger } = bank.replay;
  const random = randomNumbers(options.seed + 3);
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const some = () => pick([0, 77, ...ledger.branchNumbers().slice(-6), ...ledger.branchNumbers()]);
  const members = () => {
    const branches = new Set(Array.from({ length: random(4) }, () => 1 + random(8)));
    return [...branches].map((branch) => copyOf(branch, 10 * branch + random(10)));
  };
  const order = (): Order => {
    switch (random(6)) {
      case 0:
        return register(pick([1, 2, 6, 7, 8, 200 + random(50)]), pick(["", "North", "Süd"]), `http://b:${random(9)}`);
      case 1:
        return rename(1 + random(9), pick(["North", "East"]));
      case 2: {
        const counted = members();
        return durable(Math.min(counted.length, 1 + random(2)), ...counted);
      }
      case 3: {
        const target = some();
        return setState(target, target > 8 ? State.RETIRED : pick([State.ACTIVE, State.DRAINING]));
      }
      case 4:
        return setState(some(), pick([State.ACTIVE, State.DRAINING]));
      default:
        return deposit("1", BigInt(1 + random(100)), "EUR", some());
    }
  };
  for (let batch = 0; batch < options.batches; batch += 2) {
    workAtEverything(bank, { seed: options.seed + batch, batches: 1 });
    bank.execute(...Array.from({ length: 1 + random(5) }, () => ({ ...order(), by: pick(["dev", "ops"]) })));
  }
}
