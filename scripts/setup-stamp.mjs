// The stamp that says for which lockfile node_modules was installed. The postinstall writes it as its last act, so a
// stamp also means that the whole set-up finished; `npm ci` removes it first, together with node_modules.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const STAMP = join("node_modules", ".bank-setup");

/** What the set-up depends on: when one of these changes, it runs again. */
const INPUTS = ["package-lock.json", "scripts/third-party-protos.mjs", "scripts/print-proto.mjs"];

/** What the set-up leaves behind outside node_modules. */
const OUTPUTS = ["packages/proto/third-party"];

/**
 * The stamp for the inputs as they are now.
 *
 * @param {string} root the repository
 */
export function expectedStamp(root) {
  const hash = createHash("sha256");
  for (const input of INPUTS) {
    const content = existsSync(join(root, input)) ? readFileSync(join(root, input), "utf8") : "";
    hash.update(`${input}\n${content.replaceAll("\r\n", "\n")}\n`);
  }
  // A node_modules carried over from another kind of machine has the wrong binaries in it.
  return `${process.platform}-${process.arch} ${hash.digest("hex")}\n`;
}

/**
 * Why the set-up has to run, or undefined if it is current.
 *
 * @param {string} root
 */
export function setupStaleReason(root) {
  if (!existsSync(join(root, "node_modules"))) return "node_modules is missing";
  const stamp = join(root, STAMP);
  if (!existsSync(stamp)) return "node_modules was not installed completely";
  if (readFileSync(stamp, "utf8") !== expectedStamp(root)) return "node_modules is from another package-lock.json";
  const missing = OUTPUTS.find((output) => !existsSync(join(root, output)));
  if (missing !== undefined) return `${missing} is missing`;
  return undefined;
}

/** @param {string} root */
export function writeStamp(root) {
  writeFileSync(join(root, STAMP), expectedStamp(root));
}
