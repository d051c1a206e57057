import type { RegisterBranch, RenameBranch, SetBranchState, SetDurability } from "../command.ts";
import type { NaiveBooks, NaiveBranch } from "./naive-books.test-util.ts";
import { NaiveNo } from "./naive-checks.test-util.ts";
import { type ToldBranchState, told } from "./told.test-util.ts";

const STATES: readonly ToldBranchState[] = ["active", "draining", "retired"];

/** All commands that say something of branches: first whether these are there, then whether they are still alive. */
export function changeBranches(
  books: NaiveBooks,
  at: number,
  command: RegisterBranch | RenameBranch | SetBranchState | SetDurability,
): void {
  switch (command.kind) {
    case "registerBranch": {
      const { branch, address } = command;
      checkAlive(books, [at, branch]);
      const { name: known = "", state = "active" } = books.branches.get(branch) ?? {};
      const name = [command.name, known, `branch ${branch}`].find((each) => each !== "") as string;
      put(books, branch, { name, address, state });
      break;
    }
    case "renameBranch": {
      const { target, name } = command;
      checkThere(books, [at, target]);
      checkAlive(books, [at, target]);
      put(books, target, { ...(books.branches.get(target) as NaiveBranch), name });
      break;
    }
    case "setBranchState": {
      const { target } = command;
      const state = STATES[command.state - 1] as ToldBranchState;
      checkThere(books, [at, target]);
      if (target === 0) throw new NaiveNo("BRANCH_IS_HEAD_OFFICE");
      checkAlive(books, [at, target]);
      const branch = books.branches.get(target) as NaiveBranch;
      if (branch.state === state) throw new NaiveNo("BRANCH_STATE_UNCHANGED", { branch: `${target}`, state });
      const counts = books.durability.get("it")?.members.some((member) => member.branch === target);
      if (state === "retired" && counts) throw new NaiveNo("BRANCH_COUNTED", { branch: `${target}` });
      books.say(told.branchState(target, state));
      books.putBranch(target, { ...branch, state });
      break;
    }
    case "setDurability": {
      const { copies } = command;
      const members = [...command.members].sort((a, b) => a.branch - b.branch);
      const branches = [at, ...members.map(({ branch }) => branch)];
      checkThere(books, branches);
      checkAlive(books, branches);
      const position = books.say(told.durability(copies, members));
      books.put(books.durability, "it", { copies, members, position });
      break;
    }
  }
}

/** Whether anything may be booked there. */
export function checkBranch(books: NaiveBooks, branch: number): void {
  checkThere(books, [branch]);
  checkAlive(books, [branch]);
}

function put(books: NaiveBooks, number: number, branch: NaiveBranch): void {
  books.say(told.branch(number, branch.name, branch.address));
  books.putBranch(number, branch);
}

function checkThere(books: NaiveBooks, branches: readonly number[]): void {
  for (const branch of branches)
    if (branch !== 0 && !books.branches.has(branch)) throw new NaiveNo("BRANCH_NOT_FOUND", { branch: `${branch}` });
}

function checkAlive(books: NaiveBooks, branches: readonly number[]): void {
  for (const branch of branches)
    if (books.branches.get(branch)?.state === "retired") throw new NaiveNo("BRANCH_RETIRED", { branch: `${branch}` });
}
