import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** One place of a source file, and what stands there instead. */
export interface Patch {
  /** From the root of the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** The root of the repository. */
const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
/** What the servers and the faults run from. */
const SOURCES = ["apps", "packages", "package.json"];
const LEFT_OUT = new Set(["node_modules", "dist"]);

/** A copy of the sources in which something can be broken. Whoever makes one must `remove` it. */
export class ScratchCopy {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<ScratchCopy> {
    const copy = new ScratchCopy(await mkdtemp(join(tmpdir(), "bank-teeth-")));
    try {
      const filter = (path: string) => !LEFT_OUT.has(basename(path));
      for (const each of SOURCES) await cp(join(ROOT, each), join(copy.root, each), { recursive: true, filter });
      await copy.linkPackages();
      return copy;
    } catch (error) {
      await copy.remove();
      throw error;
    }
  }

  /**
   * Runs something with patches applied, which are taken back at its end.
   * Rejects, with nothing changed, where a text to be replaced does not stand in its file exactly once.
   */
  async patched<T>(patches: readonly Patch[], run: () => Promise<T>): Promise<T> {
    const originals = new Map<string, string>();
    const changed = new Map<string, string>();
    for (const { file, find, replace } of patches) {
      const path = join(this.root, file);
      const before = changed.get(path) ?? (await readFile(path, "utf8"));
      if (!originals.has(path)) originals.set(path, before);
      const pieces = before.split(find);
      if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times, not once: ${find}`);
      changed.set(path, pieces.join(replace));
    }
    try {
      for (const [path, text] of changed) await writeFile(path, text);
      return await run();
    } finally {
      for (const [path, text] of originals) await writeFile(path, text);
    }
  }

  /** Idempotent. */
  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  /** Packages of others are those of the repository; its own are those of the copy. */
  private async linkPackages(): Promise<void> {
    const from = join(ROOT, "node_modules");
    const to = join(this.root, "node_modules");
    await mkdir(join(to, "@bank"), { recursive: true });
    for (const name of await readdir(from))
      if (name !== "@bank" && !name.startsWith(".")) await symlink(join(from, name), join(to, name));
    for (const name of await readdir(join(from, "@bank"))) {
      const target = relative(await realpath(ROOT), await realpath(join(from, "@bank", name)));
      await symlink(join(this.root, target), join(to, "@bank", name));
    }
  }
}
