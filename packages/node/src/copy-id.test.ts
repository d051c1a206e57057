import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { toHex } from "@bank/core";
import { expect, it } from "vitest";
import { copyIdOf } from "./copy-id.ts";
import { silentLog } from "./log.ts";
import { nodePlatform } from "./platform.ts";
import { temporaryFolder } from "./servers.test-util.ts";

const platform = nodePlatform(silentLog);

it("is made once for a folder, goes where the folder goes, and is another one in another folder", async () => {
  const folder = join(await temporaryFolder(), "a", "journal");
  const id = copyIdOf(folder, platform);
  expect(id).toHaveLength(16);
  expect(copyIdOf(folder, platform)).toEqual(id);
  expect(await readFile(join(folder, "copy-id"), "utf8")).toBe(`${toHex(id)}\n`);
  expect(await readdir(folder)).toEqual(["copy-id"]);
  await rename(folder, `${folder}.aside`);
  expect(copyIdOf(folder, platform)).not.toEqual(id);
  expect(copyIdOf(`${folder}.aside`, platform)).toEqual(id);
});

it("takes no notice of what a crash left half written, and refuses a damaged file", async () => {
  const folder = await temporaryFolder();
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "copy-id.new"), "half");
  const id = copyIdOf(folder, platform);
  for (const damaged of ["", toHex(id).slice(1), `${toHex(id)}00`, toHex(id).replace(/^./, "g")]) {
    await writeFile(join(folder, "copy-id"), damaged);
    expect(() => copyIdOf(folder, platform), damaged).toThrow(/copy-id is damaged/);
  }
});
