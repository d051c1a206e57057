import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

/** What of the client library a process has loaded that does this. */
function loadedBy(act: string): string {
  const program = `
    import { createRequire } from "node:module";
    import { openStore } from "@bank/store";
    ${act}
    const loaded = Object.keys(createRequire(import.meta.url).cache).filter((path) => path.includes("@redis"));
    console.log(loaded.length > 0 ? "loaded" : "not loaded");`;
  const args = ["--conditions=bank-src", "--input-type=module", "--eval", program];
  const env = { ...process.env, NODE_OPTIONS: "" };
  return execFileSync(process.execPath, args, { cwd: import.meta.dirname, encoding: "utf8", env }).trim();
}

it("is loaded by those alone who open a store on Redis", () => {
  expect(loadedBy('await openStore("memory:").open();')).toBe("not loaded");
  expect(loadedBy('openStore("redis://localhost:1/bank");')).toBe("not loaded");
  expect(loadedBy('await openStore("redis://localhost:1/bank").open().catch(() => undefined);')).toBe("loaded");
});
