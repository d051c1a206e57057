// branch-replica: a branch: follower, local reads, forwarded writes, journal service for others.
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// What was compiled is kept beside the packages: that is a good part of a start. Where it cannot be written, nothing is kept.
const { directory } = enableCompileCache(fileURLToPath(new URL("../../../node_modules/.cache/bank", import.meta.url)));
// For the threads that this process starts.
if (directory !== undefined) process.env["NODE_COMPILE_CACHE"] = directory;
// Loaded only now: what is imported above is compiled before anything here runs.
const { program } = await import("./program.ts");

await program().parseAsync();
