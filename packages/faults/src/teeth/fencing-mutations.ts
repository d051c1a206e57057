import type { Mutation } from "./mutations.ts";
import type { Patch } from "./scratch-copy.ts";

/** A leader that stood still believes that no time has passed, and its beats do not ask whose the lease is. */
const BLIND: readonly Patch[] = [
  {
    file: "packages/store/src/postgres/held-lease.ts",
    find: "return this.#renewedAtMs + this.#times.ttlMs * (1 - MARGIN) - performance.now();",
    replace: "return this.#times.ttlMs;",
  },
  {
    file: "packages/store/src/postgres/lease-row.ts",
    find: "SET beat = beat + 1, address = $2 WHERE id = 1 AND token = $1 RETURNING beat",
    replace: "SET beat = beat + 1, address = $2 WHERE id = 1 AND $1::bytea IS NOT NULL RETURNING beat",
  },
];

const APPEND_ROW = "packages/store/src/postgres/append-row.ts";

/** The statement that appends does not look whose the lease is, nor how the journal ends. */
const UNFENCED: readonly Patch[] = [
  {
    file: APPEND_ROW,
    find: "lease WHERE id = 1 AND token = $1 FOR SHARE",
    replace: "lease WHERE id = 1 AND $1::bytea IS NOT NULL FOR SHARE",
  },
  { file: APPEND_ROW, find: "WHERE held.epoch <= $2::int8", replace: "WHERE $2::int8 IS NOT NULL" },
  {
    file: APPEND_ROW,
    find: "AND coalesce((SELECT position FROM head), 0) = $3::int8",
    replace: "AND $3::int8 IS NOT NULL",
  },
  {
    file: APPEND_ROW,
    find: "AND coalesce((SELECT chain_hash FROM head), ''::bytea) = $4::bytea",
    replace: "AND $4::bytea IS NOT NULL",
  },
];

/** Several bank servers on one PostgreSQL, of which the leader stands still until another has taken over, and goes on then. */
const PAUSED = { scenario: "shared-pause", seconds: 14 } as const;

/** What keeps a bank server from doing harm that was replaced and does not know it. They need a PostgreSQL. */
export const FENCING_MUTATIONS: readonly Mutation[] = [
  {
    ...PAUSED,
    name: "fencing: a leader that was replaced goes on writing",
    guarantees: [],
    trouble: /^TROUBLE: the journal in the database cannot be read/m,
    patches: [...BLIND, ...UNFENCED],
  },
  {
    name: "in doubt: an append of which nobody heard is said to have stored nothing",
    guarantees: ["not-applied"],
    scenario: "shared-2",
    faults: "break leader from the database",
    seconds: 12,
    patches: [
      {
        file: "packages/replica/src/appender.ts",
        find: "        if (error instanceof AppendUnknownError) {",
        replace: `        if (error instanceof AppendUnknownError) throw new AppendRefusedError("nothing was stored");
        if (error instanceof AppendUnknownError) {`,
      },
    ],
  },
];
