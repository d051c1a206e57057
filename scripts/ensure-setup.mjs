// Runs before `npm start` and `npm test`: installs what package-lock.json says if node_modules does not have it yet.
// It runs on whatever Node the machine has, before anything is installed, hence plain JavaScript without dependencies.
// The binaries it installs are found by the script that npm runs next, because npm put node_modules/.bin on the PATH
// when it did not exist yet.
import { spawnSync } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { setupStaleReason } from "./setup-stamp.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reason = setupStaleReason(root);
if (reason !== undefined) {
  console.error(`Set-up: ${reason}; running npm ci …`);
  const code = installFromLockfile() || finishWithoutInstallScripts();
  const still = setupStaleReason(root);
  if (code !== 0 || still !== undefined) {
    console.error(`Set-up failed: ${code === 0 ? still : `code ${code}`}.`);
    console.error("The packages come from the npm registry: is it reachable? Then run `npm ci` by hand to see more.");
    process.exit(code || 1);
  }
}

/** Runs the npm that runs this script, or the one on the PATH. stdout stays free for the caller's own output. */
function installFromLockfile() {
  // NODE_ENV=production or an `omit` in a user's configuration must not leave the tools out.
  const args = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env["npm_execpath"];
  /** @type {import("node:child_process").SpawnSyncOptions} */
  const options = { cwd: root, stdio: ["ignore", 2, 2] };
  const result = npm?.endsWith(".js")
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (result.error !== undefined) console.error(String(result.error));
  return result.status ?? 1;
}

/** Where a user's configuration turns install scripts off, npm left out the root's postinstall. */
function finishWithoutInstallScripts() {
  if (setupStaleReason(root) === undefined) return 0;
  const path = `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"] ?? ""}`;
  const env = { ...process.env, PATH: path };
  const shell = process.platform === "win32";
  return spawnSync("node", ["scripts/postinstall.mjs"], { cwd: root, stdio: ["ignore", 2, 2], env, shell }).status ?? 1;
}
