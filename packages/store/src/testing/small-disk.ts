import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished } from "vitest";

/** A disk in memory, as small as it is told: real to whoever writes to it, and to whoever asks how much room it has. */
export class SmallDisk {
  /** Where it is mounted. */
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Gone after the test; what uses it is to be closed by then. Throws: where this user may not mount. */
  static make(bytes: number): SmallDisk {
    const disk = SmallDisk.mount(bytes);
    onTestFinished(() => disk.remove());
    return disk;
  }

  /** Why this process cannot have one; undefined where it can. */
  static whyNot(): string | undefined {
    try {
      SmallDisk.mount(1024 * 1024).remove();
      return undefined;
    } catch (error) {
      return `no disk can be mounted here: ${String(error).split("\n")[0]}`;
    }
  }

  private static mount(bytes: number): SmallDisk {
    const folder = mkdtempSync(join(tmpdir(), "bank-disk-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder], { stdio: "pipe" });
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
    return new SmallDisk(folder);
  }

  /** As if other programs wrote to it, or files were deleted. */
  resize(bytes: number): void {
    execFileSync("mount", ["-o", `remount,size=${bytes}`, this.folder], { stdio: "pipe" });
  }

  private remove(): void {
    // Lazily: a process that was killed a moment ago may still hold a file.
    execFileSync("umount", ["--lazy", this.folder], { stdio: "pipe" });
    rmSync(this.folder, { recursive: true });
  }
}

/**
 * Tests that need a disk of their own. Where none can be mounted, which takes the rights of root, they are skipped, and their name says why:
 * in CI too, for no package brings that right. What they show is shown besides with a disk that only says that it is full.
 */
export function whereDisksCanBeMade(name: string, define: (makeDisk: (bytes: number) => SmallDisk) => void): void {
  const why = SmallDisk.whyNot();
  const body = () => define((bytes) => SmallDisk.make(bytes));
  if (why === undefined) describe(name, body);
  else describe.skip(`${name} (SKIPPED: ${why})`, body);
}
