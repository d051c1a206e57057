import { delimiter, dirname, join } from "node:path";

const TOOLS = join(dirname(import.meta.dirname), "node_modules", ".bin");

/**
 * The environment with this repository's tools, Node among them, first on the PATH: as in an npm script, also for an
 * editor or a bare shell. Without npm's own variables: they would make an npm that a script starts work on the package
 * of the npm around it.
 */
export function toolEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_"));
  return { ...Object.fromEntries(inherited), PATH: `${TOOLS}${delimiter}${process.env["PATH"] ?? ""}` };
}
