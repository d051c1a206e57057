// Which package may import which. The table is the architecture; a new package needs a row before it can be imported or
// import anything.
import { posix } from "node:path";
import { moduleImports } from "./module-imports.ts";

/** What the sources of one package or app may import. */
export interface Rule {
  /**
   * The @bank packages it may import, without the scope. A name with a path, like `store/errors`, allows that entry
   * point alone, and `import type` from the package as a whole, since that loads nothing.
   */
  readonly bank: readonly string[];
  /** The npm packages it may import; undefined for any that its package.json declares. */
  readonly npm?: readonly string[];
  /** True if it runs anywhere: no `node:` modules. */
  readonly pure?: boolean;
  /** True if only tests may import it. */
  readonly testOnly?: boolean;
}

const EVERY_LIBRARY = [
  "checker",
  "client",
  "core",
  "history",
  "journal",
  "node",
  "proto",
  "quick-unary",
  "replica",
  "rpc",
  "store",
];

/** By path, relative to the root. */
export const RULES: Readonly<Record<string, Rule>> = {
  "packages/proto": { bank: [], npm: ["@bufbuild/protobuf", "@bufbuild/protovalidate"], pure: true },
  "packages/core": { bank: [], npm: [], pure: true },
  "packages/checker": { bank: ["core"], npm: [], pure: true },
  "packages/journal": { bank: ["core", "proto"], npm: ["@bufbuild/protobuf"], pure: true },
  "packages/store": { bank: ["journal"] },
  // It drives a store through its port and never picks an engine, so it loads none.
  "packages/replica": { bank: ["journal", "core", "proto", "store/errors"] },
  "packages/history": { bank: ["core", "journal", "replica"], npm: [] },
  // It knows nothing of banks, only of calls.
  "packages/quick-unary": {
    bank: [],
    npm: ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"],
  },
  "packages/rpc": { bank: ["proto", "core", "quick-unary"] },
  "packages/client": { bank: ["rpc", "proto", "core"] },
  "packages/node": { bank: ["client", "core", "history", "journal", "proto", "replica", "rpc", "store"] },
  "packages/testkit": { bank: EVERY_LIBRARY, testOnly: true },
  "packages/faults": { bank: [...EVERY_LIBRARY, "testkit"], testOnly: true },
  "packages/bench": { bank: [...EVERY_LIBRARY, "testkit"], testOnly: true },
  "apps/bank-server": { bank: EVERY_LIBRARY },
  "apps/branch-replica": { bank: EVERY_LIBRARY },
  "apps/customer-client": { bank: EVERY_LIBRARY },
};

/** A package or app as the rules see it. */
export interface CheckedPackage {
  /** Relative to the root, with forward slashes: `packages/core`. */
  readonly path: string;
  /** Names in `dependencies`, `peerDependencies` and `optionalDependencies`. */
  readonly dependencies: readonly string[];
  /** Paths of `references` in tsconfig.json, relative to the root. */
  readonly references: readonly string[];
  /** Source text by path relative to the package: `src/index.ts`. */
  readonly sources: ReadonlyMap<string, string>;
}

/**
 * Every breach, as one line with path and reason.
 *
 * @param rootDependencies the root's devDependencies: tools that every test may import
 */
export function dependencyViolations(
  packages: readonly CheckedPackage[],
  rootDependencies: readonly string[],
  rules: Readonly<Record<string, Rule>> = RULES,
): string[] {
  return packages.flatMap((checked) => {
    const rule = rules[checked.path];
    if (rule === undefined) return [`${checked.path}: has no row in the table of scripts/dependency-rules.ts`];
    return [
      ...manifestViolations(checked, rule),
      ...[...checked.sources].flatMap(([file, source]) =>
        moduleImports(source).flatMap(({ specifier, typeOnly }) => {
          const breach = isTest(file)
            ? testImportBreach({ checked, rule, rules, file, specifier, rootDependencies })
            : importBreach({ checked, rule, rules, file, specifier, typeOnly });
          return breach === undefined ? [] : [`${checked.path}/${file}: imports ${specifier}: ${breach}`];
        }),
      ),
    ];
  });
}

/** Entry points of a package that are for tests: `@bank/store/conformance`. They are folders of the same name. */
const TEST_ENTRIES = ["conformance", "testing"];

/** True for tests, and for what only tests use. */
export function isTest(file: string): boolean {
  return /\.(test|test-util)\.ts$/.test(file) || TEST_ENTRIES.some((entry) => file.startsWith(`src/${entry}/`));
}

/** package.json and tsconfig.json keep the same direction as the imports, and agree with each other. */
function manifestViolations(checked: CheckedPackage, rule: Rule): string[] {
  const declared = checked.dependencies.filter((name) => name.startsWith("@bank/"));
  const allowed = rule.bank.map((entry) => packageNameOf(`@bank/${entry}`));
  const expectedReferences = declared.map((name) => `packages/${name.slice("@bank/".length)}`).sort();
  const references = [...checked.references].sort();
  return [
    ...declared
      .filter((name) => !allowed.includes(name))
      .map((name) => `${checked.path}/package.json: depends on ${name}, against the direction`),
    ...(references.join() === expectedReferences.join()
      ? []
      : [`${checked.path}/tsconfig.json: references [${references}], but package.json says [${expectedReferences}]`]),
  ];
}

interface ImportSite {
  readonly checked: CheckedPackage;
  readonly rule: Rule;
  readonly rules: Readonly<Record<string, Rule>>;
  readonly file: string;
  readonly specifier: string;
}

function importBreach(site: ImportSite & { readonly typeOnly: boolean }): string | undefined {
  const { checked, rule, rules, file, specifier, typeOnly } = site;
  if (specifier.startsWith(".")) return relativeBreach(file, specifier);
  if (specifier.startsWith("node:")) return rule.pure ? "this package is pure" : undefined;
  const name = packageNameOf(specifier);
  if (name.startsWith("@bank/")) {
    const short = name.slice("@bank/".length);
    if (rules[`apps/${short}`] !== undefined) return "nothing imports an app";
    if (rules[`packages/${short}`] === undefined) return "there is no such package";
    if (rules[`packages/${short}`]?.testOnly && !rule.testOnly) return "only tests may import it";
    const path = specifier.slice("@bank/".length);
    if (!rule.bank.includes(short) && !rule.bank.includes(path)) {
      const part = rule.bank.find((entry) => entry.startsWith(`${short}/`));
      if (part === undefined) return "against the direction";
      if (!typeOnly) return `only types, or @bank/${part}`;
    }
    if (!rule.testOnly && TEST_ENTRIES.includes(path.slice(short.length + 1))) return "only tests may import it";
  } else if (rule.npm !== undefined && !rule.npm.includes(name)) {
    return "this package may not use it";
  }
  return checked.dependencies.includes(name) ? undefined : "not declared in package.json";
}

/** Tests may use Node, the root's tools and the test packages, and otherwise what their package may use. */
function testImportBreach(site: ImportSite & { readonly rootDependencies: readonly string[] }): string | undefined {
  const { rule, rules, specifier, rootDependencies } = site;
  if (specifier.startsWith("node:")) return undefined;
  const name = packageNameOf(specifier);
  if (rootDependencies.includes(name)) return undefined;
  if (rules[`packages/${name.replace("@bank/", "")}`]?.testOnly) return undefined;
  // A test may use the whole of a package of which its own package sees a part: a replica's test picks an engine.
  return importBreach({ ...site, rule: { ...rule, bank: rule.bank.map(wholeOf), testOnly: true }, typeOnly: false });
}

/** `store` of `store/errors`. */
function wholeOf(entry: string): string {
  return entry.split("/")[0] ?? entry;
}

function relativeBreach(file: string, specifier: string): string | undefined {
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  return target.startsWith("..") ? "leaves the package" : undefined;
}

/** `@scope/name` or `name`, without the path inside the package. */
function packageNameOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}
