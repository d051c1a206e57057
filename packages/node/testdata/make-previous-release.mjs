// Makes previous-release.json.br: the servers of an earlier release, each bundled into one file, for the tests of mixed
// versions. Run from the root of the repository, with the commit of that release:
//
//   node packages/node/testdata/make-previous-release.mjs 4ba744c
//
// The release is taken from git and bundled with the node_modules of today, by the bundler that comes with vite; what is
// built into Node stays outside. The file is a JSON object of file names and contents, compressed with brotli.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { rolldown } from "rolldown";

const [commit] = process.argv.slice(2);
if (commit === undefined) throw new Error("say which commit");
const root = process.cwd();
const folder = mkdtempSync(join(tmpdir(), "previous-release-"));
try {
  const archive = execFileSync("git", ["archive", commit], { maxBuffer: 1 << 30 });
  execFileSync("tar", ["x", "-C", folder], { input: archive });
  linkModules();
  const files = {
    // The history's thread is started from a file of this name beside the program.
    "package.json": '{ "type": "module" }\n',
    "bank-server.js": await bundle("apps/bank-server/src/main.ts"),
    "branch-replica.js": await bundle("apps/branch-replica/src/main.ts"),
    "worker.js": await bundle("packages/history/src/worker.ts"),
  };
  const text = Buffer.from(JSON.stringify({ commit, files }));
  const compressed = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: text.length } });
  const path = resolve(root, "packages/node/testdata/previous-release.json.br");
  writeFileSync(path, compressed);
  process.stdout.write(`${path}: ${text.length} bytes, ${compressed.length} compressed\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The packages of the release itself, and those of others as they are installed today. */
function linkModules() {
  const from = join(root, "node_modules");
  mkdirSync(join(folder, "node_modules", "@bank"), { recursive: true });
  for (const name of readdirSync(from))
    if (name !== "@bank") symlinkSync(join(from, name), join(folder, "node_modules", name));
  for (const name of readdirSync(join(from, "@bank")))
    symlinkSync(readlinkSync(join(from, "@bank", name)), join(folder, "node_modules", "@bank", name));
}

async function bundle(entry) {
  const built = await rolldown({
    input: join(folder, entry),
    platform: "node",
    resolve: { conditionNames: ["bank-src", "node", "import", "default"] },
  });
  const { output } = await built.generate({ format: "esm", minify: true, codeSplitting: false });
  if (output.length !== 1) throw new Error(`${entry} became ${output.length} files`);
  return output[0].code;
}
