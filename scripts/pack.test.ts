// A service outside this repository can use the published packages: as tarballs, in a folder of its own, compiled and
// run without any of this repository's settings.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { toolEnvironment } from "./tools.ts";

const root = dirname(import.meta.dirname);
const folder = mkdtempSync(join(tmpdir(), "bank-pack-"));
const consumer = join(folder, "consumer");

const PROGRAM = `
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { currencyDecimals, formatAmount, Ledger, type Money as CoreMoney, parseAmount } from "@bank/core";
import { AccountService, MoneySchema, type Money } from "@bank/proto";

declare const console: { log(line: string): void };

const decimals = currencyDecimals("USD");
const minor = decimals === undefined ? undefined : parseAmount("12.34", decimals);
if (decimals === undefined || typeof minor !== "bigint") throw new Error("12.34 USD is an amount");
const sent: Money = create(MoneySchema, { currencyCode: "USD", amountMinor: minor });
const received = fromBinary(MoneySchema, toBinary(MoneySchema, sent));
console.log(formatAmount(received.amountMinor, decimals) + " " + received.currencyCode);
console.log(AccountService.typeName + " " + new Ledger({ hashSeed: 1 }).position);
export type Both = [CoreMoney, Money];
`;

beforeAll(() => {
  mkdirSync(consumer);
  run(root, "npm", ["pack", "--silent", "-w", "@bank/core", "-w", "@bank/proto", "--pack-destination", folder]);
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(consumer, "main.ts"), PROGRAM);
  // What the packages depend on comes from this repository's node_modules instead of the network.
  const tarballs = globSync("*.tgz", { cwd: folder }).map((file) => join(folder, file));
  const dependencies = closure(["@bufbuild/protobuf", "@bufbuild/protovalidate"]).map((name) => pathOf(name));
  const flags = ["--offline", "--install-links", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  run(consumer, "npm", ["install", ...flags, ...tarballs, ...dependencies]);
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true }));

it("installs nothing but what runs", () => {
  for (const name of ["core", "proto"]) {
    const files = globSync("**/*", { cwd: join(consumer, "node_modules/@bank", name) });
    expect(files).toContain("dist/index.js");
    expect(files.filter((file) => file.includes(".test.") || /(?<!\.d)\.ts$/.test(file))).toEqual([]);
  }
});

it("type-checks and runs a program that uses @bank/core and @bank/proto", () => {
  const strict = ["--strict", "--module", "nodenext", "--target", "es2024", "--lib", "es2024,dom", "--types", ""];
  run(consumer, "tsc", [...strict, "main.ts"]);
  expect(run(consumer, "node", ["main.js"])).toBe("12.34 USD\nbank.v1.AccountService 0\n");
});

it("notices a wrong use of the packages", () => {
  writeFileSync(join(consumer, "wrong.ts"), 'import { formatAmount } from "@bank/core";\nformatAmount("12", 2);\n');
  expect(() => run(consumer, "tsc", ["--noEmit", "--strict", "--module", "nodenext", "wrong.ts"])).toThrow(/TS2345/);
});

/** Runs a tool of this repository and returns its stdout. Throws: if it ends with another code than 0. */
function run(cwd: string, tool: string, args: string[]): string {
  const result = spawnSync(tool, args, {
    cwd,
    env: toolEnvironment(),
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${tool} ${args.join(" ")}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** The packages and everything that they depend on, by name. */
function closure(names: readonly string[], found: Set<string> = new Set()): string[] {
  for (const name of names) {
    if (found.has(name)) continue;
    found.add(name);
    const manifest = JSON.parse(readFileSync(join(pathOf(name), "package.json"), "utf8"));
    closure(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }), found);
  }
  return [...found];
}

function pathOf(name: string): string {
  const path = join(root, "node_modules", name);
  if (!existsSync(path)) throw new Error(`${name} is not in node_modules`);
  return path;
}
