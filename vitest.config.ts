import { defineConfig } from "vitest/config";

// Workspace packages run from their sources: each one's exports have the condition "bank-src".
const conditions = ["bank-src", "module", "node"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ["bank-src"] } },
  test: {
    include: ["packages/*/src/**/*.test.ts", "apps/*/src/**/*.test.ts", "scripts/**/*.test.ts"],
    setupFiles: ["scripts/vitest-set-up.ts"],
    pool: "forks",
    // By default one processor is left idle, and of two that is half.
    maxWorkers: "100%",
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
