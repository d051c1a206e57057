import { appendFileSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { GENERATED_FOLDER, generateCode, readTree, staleGeneratedFiles } from "./generated-code.ts";

const root = dirname(import.meta.dirname);
let copy: string;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), "bank-protos-"));
  for (const path of ["buf.yaml", "buf.gen.yaml", "packages/proto/proto", "packages/proto/third-party"]) {
    cpSync(join(root, path), join(copy, path), { recursive: true });
  }
});

afterEach(() => rmSync(copy, { recursive: true }));

it("turns a changed .proto into changed TypeScript, and into nothing else", () => {
  generateCode(copy);
  const before = readTree(join(copy, GENERATED_FOLDER));
  const probe = "\n// Made up by a test.\nmessage ScratchProbe {\n  // A note.\n  string free_note = 1;\n}\n";
  appendFileSync(join(copy, "packages/proto/proto/bank/v1/money.proto"), probe);
  generateCode(copy);
  const after = readTree(join(copy, GENERATED_FOLDER));

  const changed = [...after].filter(([file, text]) => before.get(file) !== text).map(([file]) => file);
  expect(changed).toEqual(["bank/v1/money_pb.ts"]);
  expect(after.get("bank/v1/money_pb.ts")).toMatch(/type ScratchProbe = .*freeNote: string;/s);
});

it("refuses a .proto that does not compile, with buf's own message", () => {
  appendFileSync(join(copy, "packages/proto/proto/bank/v1/money.proto"), "\nmessage Broken {\n");
  expect(() => generateCode(copy)).toThrow(/money\.proto:\d+:\d+/);
});

it("finds the committed code current", () => {
  expect(staleGeneratedFiles(root)).toEqual([]);
});
