/** The seed of this file's random tests: `BANK_TEST_SEED`, else a new one. It goes into the tests' names. */
export const seed = Number(process.env["BANK_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** How to see a random test's run again; belongs to the name of every such test. */
export const seedNote = `(seed ${seed}; repeat with BANK_TEST_SEED=${seed} npx vitest run)`;
