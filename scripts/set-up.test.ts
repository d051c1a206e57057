import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isSupportedNode, unsupportedNodeMessage } from "./node-version.mjs";
import { setupStaleReason, writeStamp } from "./setup-stamp.mjs";

describe("the Node version", () => {
  it.each(["22.18.0", "22.20.1", "24.0.0", "26.10.0"])("accepts %s", (version) => {
    expect(isSupportedNode(version)).toBe(true);
  });

  it.each(["18.20.4", "20.20.2", "22.17.9", "21.99.0"])("refuses %s", (version) => {
    expect(isSupportedNode(version)).toBe(false);
    expect(unsupportedNodeMessage(version)).toContain(`this is Node ${version}`);
  });
});

describe("the set-up", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "bank-set-up-"));
    writeFileSync(join(root, "package-lock.json"), '{"lockfileVersion": 3}');
  });

  afterEach(() => rmSync(root, { recursive: true }));

  function install(): void {
    mkdirSync(join(root, "node_modules"));
    mkdirSync(join(root, "packages/proto/third-party"), { recursive: true });
    writeStamp(root);
  }

  it("runs when node_modules is missing", () => {
    expect(setupStaleReason(root)).toBe("node_modules is missing");
  });

  it("runs when an installation did not finish", () => {
    mkdirSync(join(root, "node_modules"));
    expect(setupStaleReason(root)).toBe("node_modules was not installed completely");
  });

  it("does not run when everything is current", () => {
    install();
    expect(setupStaleReason(root)).toBeUndefined();
  });

  it("runs when package-lock.json changed", () => {
    install();
    writeFileSync(join(root, "package-lock.json"), '{"lockfileVersion": 3, "packages": {}}');
    expect(setupStaleReason(root)).toBe("node_modules is from another package-lock.json");
  });

  it("does not run when only the line endings of package-lock.json differ", () => {
    writeFileSync(join(root, "package-lock.json"), "{\n}\n");
    install();
    writeFileSync(join(root, "package-lock.json"), "{\r\n}\r\n");
    expect(setupStaleReason(root)).toBeUndefined();
  });

  it("runs when the third-party protos were removed", () => {
    install();
    rmSync(join(root, "packages/proto/third-party"), { recursive: true });
    expect(setupStaleReason(root)).toBe("packages/proto/third-party is missing");
  });
});
