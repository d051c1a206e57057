// @bank/testkit: Clocks, seeded random numbers and cluster fixtures for tests.
export {};
