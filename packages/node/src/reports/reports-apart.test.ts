import { globSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const ROOT = new URL("../../../../", import.meta.url);

it("no server loads the reports: only the command that writes them, when it is given", () => {
  const files = globSync(["packages/*/src/**/*.ts", "apps/*/src/**/*.ts"], { cwd: ROOT }).filter(
    (file) => !/\.(test|test-util)\.ts$/.test(file) && !file.includes("/reports/"),
  );
  expect(files.length).toBeGreaterThan(300);
  const loading = files.flatMap((file) =>
    readFileSync(new URL(file, ROOT), "utf8")
      .split("\n")
      .filter((line) => /["'](@bank\/node\/reports|\.[./]*\/reports\/[\w-]+\.ts)["']/.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
  const late = /^apps\/bank-server\/src\/[\w-]+\.ts: (import type .* from |.* = await import\()/;
  expect(loading.length).toBeGreaterThan(2);
  expect(loading.filter((line) => !late.test(line))).toEqual([]);
});
