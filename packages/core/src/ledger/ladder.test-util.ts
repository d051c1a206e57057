import { BranchState, type DurabilityMember } from "../branch.ts";
import type { Administration, RegisterBranch } from "../command.ts";
import { FORMAT_LEVEL_MAX } from "../record.ts";
import { branch } from "./ledger.test-util.ts";
import type { World } from "./world.test-util.ts";

/** One command that breaks every rule, and how each rule is kept in the end. */
export interface Ladder {
  readonly command: Record<string, unknown>;
  /** In the order of precedence: the reason that is told now, and what mends it. */
  readonly steps: readonly (readonly [reason: string, mend: () => void])[];
}

/** A branch that was there. */
export const RETIRED = 8;
const UNKNOWN = 9;

export function ladder(world: World, command: Record<string, unknown>, steps: Ladder["steps"]): Ladder {
  world.must(branch(1));
  world.must(branch(RETIRED));
  world.must({ kind: "setBranchState", target: RETIRED, state: BranchState.RETIRED });
  // Whoever registers is not there yet.
  world.branch = command["kind"] === "registerBranch" ? 0 : UNKNOWN;
  const needs = steps.some(([reason]) => reason === "FORMAT_LEVEL_TOO_LOW");
  world.ledger.formatLevel = needs ? levelBefore(command) : FORMAT_LEVEL_MAX;
  return { command, steps };
}

function levelBefore({ kind }: Record<string, unknown>): number {
  return kind === "setBranchState" || kind === "setDurability" ? 2 : 1;
}

/** Of the commands that are about branches. */
export const BRANCH_LADDERS: Readonly<Record<(Administration | RegisterBranch)["kind"], (world: World) => Ladder>> = {
  registerBranch: (world) => {
    const command = { ...branch(1), branch: 0 };
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { branch: RETIRED })],
      // It need not be there yet.
      ["BRANCH_RETIRED", () => set(command, { branch: 7 })],
    ]);
  },

  renameBranch: (world) => {
    const command = { kind: "renameBranch", target: 0, name: "North" };
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { target: 7 })],
      ...ofTarget(world, command),
    ]);
  },

  setBranchState: (world) => {
    const command = { kind: "setBranchState", target: 7, state: 0 };
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { state: BranchState.ACTIVE })],
      ["FORMAT_LEVEL_TOO_LOW", () => (world.ledger.formatLevel = 3)],
      [
        "BRANCH_NOT_FOUND",
        () => {
          world.branch = RETIRED;
          set(command, { target: 0 });
        },
      ],
      ["BRANCH_IS_HEAD_OFFICE", () => set(command, { target: RETIRED })],
      [
        "BRANCH_RETIRED",
        () => {
          world.branch = 1;
          world.must(branch(5));
          world.must({ kind: "setDurability", copies: 1, members: [member(5)] });
          set(command, { target: 5 });
        },
      ],
      ["BRANCH_STATE_UNCHANGED", () => set(command, { state: BranchState.RETIRED })],
      ["BRANCH_COUNTED", () => world.must({ kind: "setDurability", copies: 0, members: [] })],
    ]);
  },

  setDurability: (world) => {
    const command = { kind: "setDurability", copies: 3, members: [member(7), member(RETIRED)] };
    return ladder(world, command, [
      ["INVALID_REQUEST", () => set(command, { copies: 1 })],
      ["FORMAT_LEVEL_TOO_LOW", () => (world.ledger.formatLevel = 3)],
      [
        "BRANCH_NOT_FOUND",
        () => {
          world.branch = 1;
          set(command, { members: [member(1), member(RETIRED)] });
        },
      ],
      ["BRANCH_RETIRED", () => set(command, { members: [member(1)] })],
    ]);
  },
};

/** The branch that a command is about comes behind the one at which it is booked. */
function ofTarget(world: World, command: Record<string, unknown>): Ladder["steps"] {
  return [
    [
      "BRANCH_NOT_FOUND",
      () => {
        world.branch = 1;
        set(command, { target: RETIRED });
      },
    ],
    ["BRANCH_RETIRED", () => set(command, { target: 1 })],
  ];
}

function member(branch: number): DurabilityMember {
  return { branch, copyId: new Uint8Array(16).fill(branch) };
}

export function set(command: Record<string, unknown>, changes: Record<string, unknown>): void {
  Object.assign(command, changes);
}
