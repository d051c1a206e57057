// @bank/bench: Benchmarks.
export {};
