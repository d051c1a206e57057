#!/usr/bin/env node
// A committed launcher: npm links a bin only if its file exists at install time. It runs the TypeScript sources of this
// checkout, so that it can never run a stale build, by adding the export condition that every @bank package has for them.
import { enableCompileCache, registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

// What was compiled is kept beside the packages: it halves the time to start. Where it cannot be written, nothing is kept.
enableCompileCache(fileURLToPath(new URL("../../../node_modules/.cache/bank", import.meta.url)));
registerHooks({
  resolve: (specifier, context, nextResolve) =>
    nextResolve(specifier, { ...context, conditions: [...context.conditions, "bank-src"] }),
});
await import("../src/main.ts");
