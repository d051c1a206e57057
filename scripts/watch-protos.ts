// Development: generates the TypeScript again whenever a .proto file changes. A .proto that does not compile prints buf's
// message, and the generated code stays as it was.
import { watch } from "node:fs";
import { dirname, join } from "node:path";
import { generateCode } from "./generated-code.ts";

/** An editor saves in several steps; this much quiet means that it is done. */
const QUIET_MS = 100;

const root = dirname(import.meta.dirname);
let timer: NodeJS.Timeout | undefined;

generate();
watch(join(root, "packages/proto/proto"), { recursive: true }, (_event, file) => {
  if (file === null || !file.endsWith(".proto")) return;
  clearTimeout(timer);
  timer = setTimeout(generate, QUIET_MS);
});

function generate(): void {
  const startedMs = performance.now();
  try {
    generateCode(root);
    console.log(`protos: generated in ${Math.round(performance.now() - startedMs)} ms, watching`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
}
