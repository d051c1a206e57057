// The benchmarks' entry: `npm run bench`.
export {};
