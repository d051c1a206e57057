/** What kind of run it is: which servers there are, and what goes wrong with them. */
export interface Scenario {
  readonly name: string;
  /** For people. */
  readonly about: string;
  /** Faults come whose name it matches. */
  readonly faults: RegExp;
  /** At a time. */
  readonly atOnceMax: number;
  /** From the first to the second. */
  readonly faultMs: readonly [leastMs: number, mostMs: number];
  /** Between two faults in one place. */
  readonly calmMs: readonly [leastMs: number, mostMs: number];
  readonly branches: number;
  /** Whether the last branch follows the first one and not the bank. */
  readonly isTree: boolean;
  /** On how many of the first two branches' disks a write must be before it is committed. */
  readonly copies: 0 | 1;
  /** Bank servers that share a PostgreSQL; undefined for one with a store of its own. */
  readonly servers?: number;
}

const USUAL = {
  atOnceMax: 3,
  faultMs: [50, 2_000],
  calmMs: [100, 900],
  branches: 3,
  isTree: true,
  copies: 0,
} satisfies Partial<Scenario>;

/** The next fault comes when writes go on behind the one before, and not by the plan alone. */
const SHARED = {
  ...USUAL,
  faultMs: [500, 6_000],
  calmMs: [50, 100],
  isTree: false,
} satisfies Partial<Scenario>;

/** The first is the usual one. */
export const SCENARIOS: readonly Scenario[] = [
  { ...USUAL, name: "everything", about: "every fault at every server, several at once", faults: /./ },
  {
    ...USUAL,
    name: "kill",
    about: "servers are killed and started again",
    faults: /^kill/,
    atOnceMax: 2,
    faultMs: [20, 700],
    calmMs: [500, 1_500],
  },
  { ...USUAL, name: "pause", about: "servers stand still and go on", faults: /^pause/ },
  {
    ...USUAL,
    name: "cut",
    about: "links of branches are cut, one way and both",
    faults: /(cut|reset|break) link of/,
    atOnceMax: 2,
  },
  { ...USUAL, name: "slow", about: "links of branches are slow, and cut now and then", faults: /(slow|cut) link of/ },
  {
    ...USUAL,
    name: "long-cut",
    about: "links are cut for longer than a branch may call itself connected",
    faults: /^cut link of/,
    atOnceMax: 2,
    faultMs: [2_500, 4_000],
  },
  {
    ...USUAL,
    name: "door",
    about: "the ways of customers to servers are cut, connections are reset",
    faults: /door of/,
  },
  {
    ...USUAL,
    name: "bank",
    about: "the bank is killed, paused and cut off",
    faults: / bank/,
    atOnceMax: 1,
    faultMs: [50, 900],
    calmMs: [600, 1_500],
  },
  {
    ...USUAL,
    name: "counted",
    about: "writes count once they are on a branch's disk; every fault",
    faults: /./,
    copies: 1,
  },
  {
    ...USUAL,
    name: "direct",
    about: "four branches that follow the bank; every fault",
    faults: /./,
    branches: 4,
    isTree: false,
  },
  {
    ...SHARED,
    name: "shared-2",
    about: "two bank servers on one PostgreSQL: whoever leads is killed, paused and cut off",
    faults: /leader/,
    servers: 2,
  },
  {
    ...SHARED,
    name: "shared-3",
    about: "three bank servers on one PostgreSQL: whoever leads is killed, paused and cut off",
    faults: /leader/,
    servers: 3,
  },
  {
    ...SHARED,
    name: "shared-pause",
    about: "two bank servers on one PostgreSQL: whoever leads stands still until the other has taken over, and goes on",
    faults: /pause leader/,
    servers: 2,
    faultMs: [3_500, 4_500],
  },
  {
    ...SHARED,
    name: "shared-database",
    about: "two bank servers on one PostgreSQL, which is killed, shut down and paused; so is whoever leads",
    faults: /./,
    servers: 2,
    faultMs: [500, 4_000],
  },
  { ...USUAL, name: "calm", about: "nothing goes wrong", faults: /^$/ },
];
