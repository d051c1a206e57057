import { beforeEach, describe, expect, it } from "vitest";
import { BranchState, type DurabilityMember } from "../branch.ts";
import type { Command } from "../command.ts";
import type { LedgerRecord, Rejection } from "../record.ts";
import { RecordKind } from "../record.ts";
import { deposit, transfer } from "./ledger.test-util.ts";
import { World } from "./world.test-util.ts";

const { ACTIVE, DRAINING, RETIRED } = BranchState;

let world: World;

beforeEach(() => {
  world = new World();
  world.account("USD");
  for (const number of [1, 2, 3]) register(number, `Branch ${number}`);
});

function register(number: number, name: string, address = `http://127.0.0.1:${50_060 + number}`): void {
  world.must({ kind: "registerBranch", branch: number, name, address });
}

function to(target: number, state: BranchState): Command {
  return { kind: "setBranchState", target, state };
}

function member(branch: number, fill = branch): DurabilityMember {
  return { branch, copyId: new Uint8Array(16).fill(fill) };
}

function durable(copies: number, ...members: DurabilityMember[]): Command {
  return { kind: "setDurability", copies, members };
}

/** What a command is answered with, at a branch. */
function answer(command: Command, at = 0): LedgerRecord {
  world.branch = at;
  return world.decide(command).at(-1) as LedgerRecord;
}

function rejection(command: Command, at = 0): Rejection | undefined {
  const record = answer(command, at);
  return record.kind === RecordKind.REJECTED ? record.rejection : undefined;
}

const branchAt = (number: number) => world.ledger.branches.get(number);

describe("a branch that registers", () => {
  it("is active, with the name that it gives or one of its number", () => {
    register(4, "");
    expect(branchAt(1)).toEqual({ name: "Branch 1", address: "http://127.0.0.1:50061", state: ACTIVE });
    expect(branchAt(4)?.name).toBe("branch 4");
  });

  it("keeps name and state when it comes again without a name, whatever it was called since", () => {
    world.must({ kind: "renameBranch", target: 1, name: "Überlingen" });
    world.must(to(1, DRAINING));
    register(1, "", "http://127.0.0.1:1");
    expect(branchAt(1)).toEqual({ name: "Überlingen", address: "http://127.0.0.1:1", state: DRAINING });
    register(1, "North");
    expect(branchAt(1)).toMatchObject({ name: "North", state: DRAINING });
  });

  it("gets a name where an older bank gave it none", () => {
    const record = { kind: RecordKind.BRANCH_REGISTERED, principal: "bank", branch: 0, request: undefined } as const;
    world.apply({ ...record, number: 5, name: "", address: "" });
    register(5, "");
    expect(branchAt(5)?.name).toBe("branch 5");
  });

  it("is told when it is retired, and stays as it is", () => {
    world.must(to(1, RETIRED));
    const again: Command = { kind: "registerBranch", branch: 1, name: "North", address: "" };
    expect(rejection(again)).toEqual({ reason: "BRANCH_RETIRED", metadata: { branch: "1" } });
    // Nor does a retired branch speak of another.
    expect(rejection({ ...again, branch: 2 }, 1)).toEqual({ reason: "BRANCH_RETIRED", metadata: { branch: "1" } });
  });
});

describe("a branch that is renamed", () => {
  it("keeps its address, and its record is that of a registration", () => {
    const record = answer({ kind: "renameBranch", target: 1, name: "North" }, 2);
    expect(record).toMatchObject({
      kind: RecordKind.BRANCH_REGISTERED,
      branch: 2,
      number: 1,
      name: "North",
      address: "http://127.0.0.1:50061",
    });
  });

  it("can be renamed in a journal of level 1", () => {
    world.ledger.formatLevel = 1;
    world.must({ kind: "renameBranch", target: 1, name: "North" });
    expect(branchAt(1)?.name).toBe("North");
  });

  it("is there, and not retired", () => {
    world.must(to(1, RETIRED));
    const name = "North";
    expect(rejection({ kind: "renameBranch", target: 9, name })?.metadata).toEqual({ branch: "9" });
    expect(rejection({ kind: "renameBranch", target: 1, name })?.reason).toBe("BRANCH_RETIRED");
  });
});

describe("the state of a branch", () => {
  it("goes from active to draining and back, and from either to retired, for ever", () => {
    for (const state of [DRAINING, ACTIVE, DRAINING, RETIRED]) {
      world.must(to(1, state));
      expect(branchAt(1)?.state).toBe(state);
    }
    world.must(to(2, RETIRED));
    for (const state of [ACTIVE, DRAINING, RETIRED])
      expect(rejection(to(1, state))).toEqual({ reason: "BRANCH_RETIRED", metadata: { branch: "1" } });
  });

  it("is not set to what it is", () => {
    const unchanged = (state: string) => ({ reason: "BRANCH_STATE_UNCHANGED", metadata: { branch: "1", state } });
    expect(rejection(to(1, ACTIVE))).toEqual(unchanged("active"));
    world.must(to(1, DRAINING));
    expect(rejection(to(1, DRAINING))).toEqual(unchanged("draining"));
  });

  it("is none of the head office", () => {
    for (const state of [ACTIVE, DRAINING, RETIRED])
      expect(rejection(to(0, state))).toEqual({ reason: "BRANCH_IS_HEAD_OFFICE", metadata: {} });
  });

  it("lets everything be booked at a draining branch, and nothing at a retired one", () => {
    const commands: Command[] = [
      deposit("1", 1n),
      { kind: "group", items: [deposit("1", 1n) as never] },
      { kind: "renameBranch", target: 2, name: "x" },
      to(2, DRAINING),
      durable(1, member(2)),
    ];
    world.must(to(1, DRAINING));
    for (const command of commands) expect(rejection(command, 1)).toBeUndefined();
    world.must(to(1, RETIRED));
    for (const command of commands)
      expect(rejection(command, 1)).toEqual({ reason: "BRANCH_RETIRED", metadata: { branch: "1" } });
    // A request that never ran can still be ruled out.
    expect(rejection({ kind: "cancelRequest" }, 1)?.reason).toBe("REQUEST_CANCELLED");
  });

  it("does not lock up the money of a retired branch", () => {
    const paid = world.must(deposit("1", 100n), 1);
    world.must(transfer("1", "fees/1/USD", 10n));
    world.must(to(1, RETIRED));
    world.must(transfer("1", "fees/1/USD", 10n));
    world.must(deposit("1", 20n));
    world.must({ kind: "reverse", transaction: paid });
    expect(world.ledger.viewAccount(world.ledger.findAccount("cash/1/USD") as never).posted).toBe(0n);
  });
});

describe("copies that count", () => {
  it("are none at first, and then those of the newest record", () => {
    const { ledger } = world;
    expect(ledger.durability).toEqual({ copies: 0, members: [], position: 0 });
    const first = world.must(durable(2, member(3), member(1)));
    expect(ledger.durability).toEqual({ copies: 2, members: [member(1), member(3)], position: first });
    expect([1, 2, 3].map((number) => ledger.isCounted(number))).toEqual([true, false, true]);
    const second = world.must(durable(0));
    expect(ledger.durability).toEqual({ copies: 0, members: [], position: second });
  });

  it("are not those that the caller changes later", () => {
    const copyId = new Uint8Array(16);
    world.must(durable(1, { branch: 1, copyId }));
    copyId.fill(9);
    expect(world.ledger.durability.members).toEqual([member(1, 0)]);
  });

  it("are of branches that are there and not retired; the first that breaks a rule is told", () => {
    world.must(to(2, RETIRED));
    expect(rejection(durable(1, member(9), member(8), member(2)))).toEqual({
      reason: "BRANCH_NOT_FOUND",
      metadata: { branch: "8" },
    });
    expect(rejection(durable(1, member(2), member(1)))).toEqual({
      reason: "BRANCH_RETIRED",
      metadata: { branch: "2" },
    });
    expect(rejection(durable(1, member(1)), 9)).toEqual({ reason: "BRANCH_NOT_FOUND", metadata: { branch: "9" } });
  });

  it("keep their branches from being retired, until others count", () => {
    world.must(durable(1, member(1), member(2)));
    world.must(to(1, DRAINING));
    expect(rejection(to(1, RETIRED))).toEqual({ reason: "BRANCH_COUNTED", metadata: { branch: "1" } });
    world.must(to(3, RETIRED));
    world.must(durable(1, member(2)));
    world.must(to(1, RETIRED));
    expect(branchAt(1)?.state).toBe(RETIRED);
  });
});
