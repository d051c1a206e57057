import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AtomicFiles } from "./write-file-atomically.ts";
import { writeFileAtomically } from "./write-file-atomically.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-atomic-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const REAL: AtomicFiles = { open, rename };

/** Files whose handle fails in one method. */
function failingIn(method: "writeFile" | "chmod" | "sync" | "close"): AtomicFiles {
  return {
    ...REAL,
    async open(path, flags, mode) {
      const file = await open(path, flags, mode);
      return new Proxy(file, {
        get(target, name) {
          if (name === method) {
            return async () => {
              if (method === "close") await target.close();
              // Half of the text is written when the disk is full.
              if (method === "writeFile") await target.writeFile("ne");
              throw new Error(`${method} failed`);
            };
          }
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
}

describe("writeFileAtomically", () => {
  it("creates a file, and leaves nothing else", async () => {
    await writeFileAtomically(join(folder, "out.json"), "new 🏦\n");
    expect(await readFile(join(folder, "out.json"), "utf8")).toBe("new 🏦\n");
    expect(await readdir(folder)).toEqual(["out.json"]);
  });

  it("replaces a longer file as a whole and keeps its mode", async () => {
    const path = join(folder, "out.json");
    await writeFile(path, "a much longer old text");
    await chmod(path, 0o640);
    await writeFileAtomically(path, "new");
    expect(await readFile(path, "utf8")).toBe("new");
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(folder)).toEqual(["out.json"]);
  });

  it("writes a file whose name is as long as a name can be", async () => {
    const path = join(folder, "x".repeat(255));
    await writeFileAtomically(path, "new");
    expect(await readFile(path, "utf8")).toBe("new");
  });

  it("replaces what a symbolic link points to, and keeps the link", async () => {
    await mkdir(join(folder, "elsewhere"));
    await writeFile(join(folder, "elsewhere", "real.json"), "old");
    await symlink(join("elsewhere", "real.json"), join(folder, "link.json"));
    await writeFileAtomically(join(folder, "link.json"), "new");
    expect(await readlink(join(folder, "link.json"))).toBe(join("elsewhere", "real.json"));
    expect(await readFile(join(folder, "elsewhere", "real.json"), "utf8")).toBe("new");
    expect(await readdir(folder)).toEqual(["elsewhere", "link.json"]);
  });

  it("writes to a device directly instead of replacing it by a file", async () => {
    await writeFileAtomically("/dev/null", "new");
    expect((await stat("/dev/null")).isCharacterDevice()).toBe(true);
  });

  it("shows every reader the whole old text or a whole new one", async () => {
    const path = join(folder, "out.json");
    const texts = Array.from({ length: 20 }, (_, version) => `${version} `.repeat(100_000));
    await writeFile(path, texts[0]!);
    let writing = true;
    const readers = Array.from({ length: 2 }, async () => {
      const seen = new Set<string>();
      while (writing) seen.add(await readFile(path, "utf8"));
      return seen;
    });
    for (const text of texts) await writeFileAtomically(path, text);
    writing = false;
    for (const seen of await Promise.all(readers)) {
      expect(seen.size).toBeGreaterThan(0);
      expect([...seen].every((text) => texts.includes(text))).toBe(true);
    }
  });

  it.each(["writeFile", "chmod", "sync", "close"] as const)(
    "leaves the old file alone when %s fails",
    async (method) => {
      const path = join(folder, "out.json");
      await writeFile(path, "old");
      await expect(writeFileAtomically(path, "new", failingIn(method))).rejects.toThrow(`${method} failed`);
      expect(await readFile(path, "utf8")).toBe("old");
      expect(await readdir(folder)).toEqual(["out.json"]);
    },
  );

  it("leaves the old file alone when the rename or the creation fails", async () => {
    const path = join(folder, "out.json");
    await writeFile(path, "old");
    const fail = (): Promise<never> => Promise.reject(new Error("refused"));
    await expect(writeFileAtomically(path, "new", { ...REAL, rename: fail })).rejects.toThrow("refused");
    await expect(writeFileAtomically(path, "new", { ...REAL, open: fail })).rejects.toThrow("refused");
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["out.json"]);
  });

  it("has the text on disk before it gets its name", async () => {
    const steps: string[] = [];
    const files: AtomicFiles = {
      async open(path, flags, mode) {
        const file = await open(path, flags, mode);
        return new Proxy(file, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name, target);
            if (typeof value !== "function") return value;
            steps.push(String(name));
            return value.bind(target);
          },
        });
      },
      async rename(from, to) {
        steps.push("rename");
        await rename(from, to);
      },
    };
    await writeFileAtomically(join(folder, "out.json"), "new", files);
    expect(steps).toEqual(["writeFile", "sync", "close", "rename"]);
  });

  it("fails for a missing folder and for a folder, and leaves nothing", async () => {
    await expect(writeFileAtomically(join(folder, "none", "out.json"), "new")).rejects.toThrow("ENOENT");
    await mkdir(join(folder, "sub"));
    await expect(writeFileAtomically(join(folder, "sub"), "new")).rejects.toThrow();
    expect(await readdir(folder)).toEqual(["sub"]);
  });
});
