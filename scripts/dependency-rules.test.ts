import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import type { CheckedPackage, Rule } from "./dependency-rules.ts";
import { dependencyViolations } from "./dependency-rules.ts";
import { moduleImports } from "./module-imports.ts";
import { readPackages, readRootDependencies } from "./read-packages.ts";

const RULES: Record<string, Rule> = {
  "packages/core": { bank: [], npm: [], pure: true },
  "packages/store": { bank: ["core"] },
  "packages/replica": { bank: ["core", "store/errors"] },
  "packages/testkit": { bank: ["core"], testOnly: true },
  "apps/bank-server": { bank: ["core", "store"] },
};

/** The violations of one made-up source in one made-up package. */
function violationsOf(
  path: string,
  source: string,
  options: Partial<CheckedPackage> & { file?: string } = {},
): string[] {
  const checked: CheckedPackage = {
    path,
    dependencies: options.dependencies ?? [],
    references: options.references ?? [],
    sources: new Map([[options.file ?? "src/a.ts", source]]),
  };
  return dependencyViolations([checked], ["vitest"], RULES);
}

const declared = (name: string) => ({ dependencies: [`@bank/${name}`], references: [`packages/${name}`] });

describe("moduleImports", () => {
  it("finds every way to name a module", () => {
    const source = [
      'import { a } from "./a.ts";',
      'import type { B } from "b";',
      'import { type C } from "c";',
      'import "d";',
      'export * from "e";',
      'export { f } from "f";',
      'export type { G } from "g";',
      'const h = await import("h");',
      'let i: import("i").I;',
      'const text = "import x from \'not-an-import\'"; // import y from "neither"',
    ].join("\n");
    expect(moduleImports(source).map(({ specifier, typeOnly }) => `${specifier}${typeOnly ? " (type)" : ""}`)).toEqual([
      "./a.ts",
      "b (type)",
      "c",
      "d",
      "e",
      "f",
      "g (type)",
      "h",
      "i (type)",
    ]);
  });
});

describe("dependencyViolations", () => {
  it("holds in this repository", () => {
    const root = dirname(import.meta.dirname);
    expect(dependencyViolations(readPackages(root), readRootDependencies(root))).toEqual([]);
  });

  it("accepts an import along the direction", () => {
    expect(violationsOf("packages/store", 'import "@bank/core"; import "node:fs";', declared("core"))).toEqual([]);
  });

  it("rejects an import against the direction, also of a type", () => {
    const source = 'import type { S } from "@bank/store";';
    expect(violationsOf("packages/core", source)).toEqual([
      "packages/core/src/a.ts: imports @bank/store: against the direction",
    ]);
  });

  it("rejects a dependency against the direction in package.json", () => {
    expect(violationsOf("packages/core", "", declared("store"))).toEqual([
      "packages/core/package.json: depends on @bank/store, against the direction",
    ]);
  });

  it("rejects references that differ from the dependencies", () => {
    expect(violationsOf("packages/store", "", { dependencies: ["@bank/core"] })).toHaveLength(1);
    expect(violationsOf("packages/store", "", { references: ["packages/core"] })).toHaveLength(1);
  });

  it("rejects a package that is missing from the table", () => {
    expect(violationsOf("packages/new", "")).toHaveLength(1);
  });

  it("rejects Node and npm packages in a pure package", () => {
    expect(violationsOf("packages/core", 'import "node:fs";')).toEqual([
      "packages/core/src/a.ts: imports node:fs: this package is pure",
    ]);
    expect(violationsOf("packages/core", 'import "lodash/fp";', { dependencies: ["lodash"] })).toEqual([
      "packages/core/src/a.ts: imports lodash/fp: this package may not use it",
    ]);
  });

  it("rejects an npm package that package.json does not declare", () => {
    expect(violationsOf("packages/store", 'import "pg";')).toEqual([
      "packages/store/src/a.ts: imports pg: not declared in package.json",
    ]);
    expect(violationsOf("packages/store", 'import "@bank/core";')).toHaveLength(1);
    expect(violationsOf("packages/store", 'import "vitest";')).toHaveLength(1);
  });

  it("rejects an import of an app, from a package or another app", () => {
    expect(violationsOf("packages/store", 'export * from "@bank/bank-server";')).toEqual([
      "packages/store/src/a.ts: imports @bank/bank-server: nothing imports an app",
    ]);
  });

  it("rejects test packages in production code, and allows them in tests", () => {
    const source = 'import "@bank/testkit"; import "vitest"; import "node:fs";';
    expect(violationsOf("packages/core", source)).toHaveLength(3);
    expect(violationsOf("packages/core", source, { file: "src/a.test.ts" })).toEqual([]);
    expect(violationsOf("packages/core", 'import "@bank/store";', { file: "src/a.test.ts" })).toHaveLength(1);
  });

  it("rejects the rest of a package where only an entry point of it is allowed", () => {
    const options = declared("store");
    expect(violationsOf("packages/replica", 'import "@bank/store/errors";', options)).toEqual([]);
    expect(violationsOf("packages/replica", 'import type { S } from "@bank/store";', options)).toEqual([]);
    expect(violationsOf("packages/replica", 'import { type S } from "@bank/store";', options)).toEqual([
      "packages/replica/src/a.ts: imports @bank/store: only types, or @bank/store/errors",
    ]);
    const inTest = { ...options, file: "src/a.test.ts" };
    expect(violationsOf("packages/replica", 'import "@bank/store";', inTest)).toEqual([]);
  });

  it("rejects a package's entry points for tests in production code", () => {
    const source = 'import "@bank/store/testing";';
    expect(violationsOf("apps/bank-server", source, declared("store"))).toEqual([
      "apps/bank-server/src/a.ts: imports @bank/store/testing: only tests may import it",
    ]);
    expect(violationsOf("apps/bank-server", source, { ...declared("store"), file: "src/a.test.ts" })).toEqual([]);
    expect(violationsOf("packages/store", 'import "vitest";', { file: "src/testing/a.ts" })).toEqual([]);
  });

  it("rejects a relative import that leaves the package", () => {
    expect(violationsOf("packages/store", 'import "../../core/src/index.ts";')).toEqual([
      "packages/store/src/a.ts: imports ../../core/src/index.ts: leaves the package",
    ]);
    expect(violationsOf("packages/store", 'import "../b.ts";', { file: "src/deep/a.ts" })).toEqual([]);
  });
});
