// Takes the third-party .proto files out of npm packages, into a folder that git ignores: what a dependency already
// carries is not committed a second time.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printProtoFile } from "./print-proto.mjs";

export const THIRD_PARTY_FOLDER = "packages/proto/third-party";

/** Import path → file inside node_modules. */
const COPIED = {
  "google/rpc/error_details.proto": "google-proto-files/google/rpc/error_details.proto",
  "grpc/health/v1/health.proto": "grpc-health-check/proto/health/v1/health.proto",
};

/** Import path → descriptor, for what is in no npm package as text. */
const PRINTED = {
  "buf/validate/validate.proto": file_buf_validate_validate,
};

/**
 * Writes all of them, replacing what was there.
 *
 * @param {string} root the repository
 */
export function extractThirdPartyProtos(root) {
  const out = join(root, THIRD_PARTY_FOLDER);
  rmSync(out, { recursive: true, force: true });
  for (const [path, source] of Object.entries(COPIED)) {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    cpSync(join(root, "node_modules", source), join(out, path));
  }
  for (const [path, descriptor] of Object.entries(PRINTED)) {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    const origin =
      "// Printed from the descriptor in @bufbuild/protovalidate; its comments are not part of a descriptor.\n";
    writeFileSync(join(out, path), origin + printProtoFile(descriptor));
  }
}
