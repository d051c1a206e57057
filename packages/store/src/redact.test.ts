import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { withoutPassword } from "./redact.ts";

it.each([
  ["postgres://bank:secret@db:5432/money", "postgres://…@db:5432/money"],
  ["postgres://bank@db/money?schema=two", "postgres://…@db/money?schema=two"],
  ["redis://:sec/r@et@db/0", "redis://…@db/0"],
  ["postgres://db/money?user=bank&password=secret&schema=a", "postgres://db/money?user=…&password=…&schema=a"],
  ["sqlite:data/mail@home", "sqlite:data/mail@home"],
  ["127.0.0.1:0", "127.0.0.1:0"],
])("shows %s as %s", (url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
});

it("is of a package that loads no client library before a database is opened", () => {
  const script = `
    import { createRequire } from "node:module";
    const { openStore } = await import("@bank/store");
    openStore("sqlite:data");
    openStore("postgres://bank@localhost/bank");
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    console.log(loaded.filter((path) => /node_modules.(pg|@redis)/.test(path)).length);`;
  const node = ["--conditions=bank-src", "--input-type=module", "--eval", script];
  expect(execFileSync(process.execPath, node, { encoding: "utf8", cwd: import.meta.dirname }).trim()).toBe("0");
});
