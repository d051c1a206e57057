// The root's postinstall: refuses a Node that cannot run this repository, then extracts the third-party .proto files.
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isSupportedNode, unsupportedNodeMessage } from "./node-version.mjs";
import { writeStamp } from "./setup-stamp.mjs";

if (!isSupportedNode(process.versions.node)) {
  console.error(unsupportedNodeMessage(process.versions.node));
  process.exit(1);
}
const root = dirname(dirname(fileURLToPath(import.meta.url)));
// Imported only now: it needs the packages, and the newer Node.
const { extractThirdPartyProtos } = await import("./third-party-protos.mjs");
extractThirdPartyProtos(root);
writeStamp(root);
