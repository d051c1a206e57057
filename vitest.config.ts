import { defineConfig } from "vitest/config";

// Workspace packages run from their sources: each one's exports have the condition "bank-src".
const conditions = ["bank-src", "module", "node"];

const APART = [
  // Each replaces a module, or begins threads and processes whose memory and time it looks at.
  "packages/{bench,faults,history,store,testkit}/src/**/*.test.ts",
  "packages/node/src/superseded-file.test.ts",
  "apps/{bank-server,branch-replica}/src/**/*.test.ts",
  "scripts/**/*.test.ts",
];

export default defineConfig({
  test: {
    // By default one processor is left idle, and of two that is half.
    maxWorkers: "100%",
    // Run in the order of their names.
    projects: [
      project("apart", { include: APART, isolate: true }),
      // Most of the time of a small file is that it loads the bank once more: these share what their worker has loaded.
      // None replaces a module; whatever a test changes besides (timers, listeners, variables) it puts back, or its file fails.
      project("together", {
        include: ["packages/*/src/**/*.test.ts", "apps/*/src/**/*.test.ts"],
        exclude: APART,
        isolate: false,
      }),
    ],
  },
});

interface Files {
  readonly include: string[];
  readonly exclude?: string[];
  readonly isolate: boolean;
}

function project(name: string, files: Files) {
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: ["bank-src"] } },
    test: {
      name,
      ...files,
      setupFiles: ["scripts/vitest-set-up.ts", ...(files.isolate ? [] : ["scripts/vitest-leave-nothing.ts"])],
      pool: "forks" as const,
      testTimeout: 60_000,
      // As patient as the waits in scripts/vitest-set-up.ts.
      expect: { poll: { timeout: 15_000 } },
      hookTimeout: 60_000,
    },
  };
}
