import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { silentLog } from "./log.ts";
import { resume } from "./resume.ts";
import { startTestBank, temporaryFolder } from "./servers.test-util.ts";

it("says that there is no bank where there is none, and makes none; and that a bank was never stopped", async () => {
  const dataDir = join(await temporaryFolder(), "nowhere");
  await expect(resume({ dataDir, log: silentLog })).rejects.toThrow(`no bank lives in ${dataDir}`);
  expect(existsSync(dataDir)).toBe(false);
  await mkdir(dataDir);
  await expect(resume({ dataDir, log: silentLog })).rejects.toThrow("no bank lives in");
  await expect(resume({ dataDir, store: `sqlite:${dataDir}/other`, log: silentLog })).rejects.toThrow(
    "no bank lives in",
  );
  const bank = await startTestBank();
  await bank.close();
  await expect(resume({ dataDir: bank.dataDir, log: silentLog })).rejects.toThrow(/heard of no newer one/);
});
