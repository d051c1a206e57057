// `npm run check`: everything a change must pass, with a summary at the end. `--no-tests` leaves out the tests.
// It changes no file; `npm run generate` and `npm run format` repair what it finds.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { staleGeneratedFiles } from "./generated-code.ts";
import { toolEnvironment } from "./tools.ts";

const root = dirname(import.meta.dirname);
const RELEASED_IMAGE = "packages/proto/released.binpb";

interface Step {
  readonly title: string;
  /** True if the step passed. */
  readonly run: () => boolean;
}

const steps: Step[] = [
  { title: "generated code is current", run: generatedCodeIsCurrent },
  command("protos: format", "buf", ["format", "--diff", "--exit-code", "packages/proto/proto"]),
  command("protos: lint", "buf", ["lint"]),
  { title: "protos: no breaking change since the last release", run: nothingBreaks },
  command("format and lint", "biome", ["check", "--error-on-warnings"]),
  command("types", "tsc", ["-b"]),
  command("dependency rules", "node", ["scripts/check-dependencies.ts"]),
];
if (!process.argv.includes("--no-tests")) steps.push(command("tests", "vitest", ["run"]));

const failed = steps.filter((step) => {
  console.log(`\n== ${step.title}`);
  const passed = step.run();
  if (!passed) console.log(`== ${step.title}: FAILED`);
  return !passed;
});
if (failed.length > 0) {
  console.log(`\n${failed.length} of ${steps.length} checks failed: ${failed.map((step) => step.title).join("; ")}`);
  process.exitCode = 1;
} else {
  console.log(`\nAll ${steps.length} checks passed.`);
}

function command(title: string, tool: string, args: string[]): Step {
  return { title, run: () => runTool(tool, args) };
}

function runTool(tool: string, args: string[]): boolean {
  console.log(`$ ${tool} ${args.join(" ")}`);
  const shell = process.platform === "win32";
  const result = spawnSync(tool, args, { cwd: root, env: toolEnvironment(), stdio: "inherit", shell });
  if (result.error !== undefined) console.error(String(result.error));
  return result.status === 0;
}

function generatedCodeIsCurrent(): boolean {
  const stale = staleGeneratedFiles(root);
  for (const line of stale) console.error(line);
  if (stale.length > 0) console.error("Run `npm run generate` and commit the result.");
  return stale.length === 0;
}

function nothingBreaks(): boolean {
  if (!existsSync(join(root, RELEASED_IMAGE))) {
    console.log(`There is no ${RELEASED_IMAGE} yet; \`npm run release:image\` writes it.`);
    return true;
  }
  // Without imports: an upgrade of a third-party .proto is not a change of this API.
  const against = ["--against", RELEASED_IMAGE, "--exclude-imports"];
  return runTool("buf", ["breaking", "packages/proto/proto", ...against]);
}
