import type { DurabilityMember } from "../branch.ts";
import type { RegisterBranch, RenameBranch, SetBranchState, SetDurability } from "../command.ts";
import type { Random } from "../random.test-util.ts";
import type { NaiveBooks } from "./naive-books.test-util.ts";

/** Where nearly everything is booked; none of them is ever retired. */
export const BRANCHES = [0, 1, 2, 3, 4] as const;
/** Branches that do not live long. */
export const MORTAL_BRANCHES = [5, 6, 7] as const;
/** A branch that never registers. */
export const NO_BRANCH = 9;
/** Branches from this number on are retired soon, one after the other: there are always more. */
const FIRST_BRIEF = 10;

/** What operators and branches say of branches. */
export class RandomBranches {
  private readonly random: Random;
  private readonly books: NaiveBooks;

  constructor(random: Random, books: NaiveBooks) {
    this.random = random;
    this.books = books;
  }

  register(): RegisterBranch {
    const { random } = this;
    const name = random.pick(["North", "South", ""]);
    const branch = random.chance(93) ? this.registering() : random.pick([0, -1, 65_536]);
    return { kind: "registerBranch", branch, name, address: `http://127.0.0.1:${50_061 + random.below(3)}` };
  }

  rename(): RenameBranch {
    const { random } = this;
    return { kind: "renameBranch", target: this.some(), name: random.pick(["North", "East", "Süd 🏦"]) };
  }

  setState(): SetBranchState {
    const { random } = this;
    const target = random.chance(4) ? 0 : this.some();
    const isMortal = !BRANCHES.some((each) => each === target);
    // Whether it counts or not: where it does, it stays.
    const counts = this.books.durability.get("it")?.members.some(({ branch }) => branch === target) ?? false;
    if ((isMortal && random.chance(25)) || (counts && random.chance(40)))
      return { kind: "setBranchState", target, state: 3 };
    return { kind: "setBranchState", target, state: random.pick([1, 2]) };
  }

  setDurability(): SetDurability {
    const { random } = this;
    const members: DurabilityMember[] = [];
    for (let left = random.below(random.chance(10) ? 19 : 4); left > 0; left--)
      members.push({ branch: this.some(), copyId: this.copyId() });
    const unlike = members.filter(({ branch }, i) => members.findIndex((member) => member.branch === branch) === i);
    const chosen = random.chance(96) ? unlike : members;
    const copies = random.chance(96) ? Math.min(chosen.length, 1 + random.below(3)) : random.below(5);
    return { kind: "setDurability", copies, members: chosen };
  }

  /** Now and then one that another branch has too. */
  copyId(): Uint8Array {
    const { random } = this;
    return random.chance(2) ? new Uint8Array(16).fill(7) : random.requestId();
  }

  private registering(): number {
    const { books, random } = this;
    if (random.chance(60)) return 1 + random.below(4);
    if (random.chance(40)) return random.pick(MORTAL_BRANCHES);
    const briefs = [...books.branches.keys()].filter((number) => number >= FIRST_BRIEF);
    return Math.max(FIRST_BRIEF - 1, ...briefs) + (random.chance(80) ? 1 : 0);
  }

  /** A branch that is there, most of the time, and not retired. */
  private some(): number {
    const { books, random } = this;
    if (random.chance(4)) return NO_BRANCH;
    const alive = [...books.branches].filter(([, { state }]) => state !== "retired");
    const numbers = (random.chance(92) ? alive : [...books.branches]).map(([number]) => number);
    return numbers.length === 0 ? NO_BRANCH : random.pick(numbers);
  }
}
