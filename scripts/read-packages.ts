import { globSync, readFileSync } from "node:fs";
import { join, posix, sep } from "node:path";
import type { CheckedPackage } from "./dependency-rules.ts";

/** Every workspace package as the dependency rules see it. */
export function readPackages(root: string): CheckedPackage[] {
  return globSync(["packages/*/package.json", "apps/*/package.json"], { cwd: root })
    .map((manifest) => posix.dirname(slashed(manifest)))
    .sort()
    .map((path) => {
      const manifest = readJson(join(root, path, "package.json"));
      return {
        path,
        dependencies: ["dependencies", "peerDependencies", "optionalDependencies"].flatMap((kind) =>
          Object.keys(manifest[kind] ?? {}),
        ),
        references: referencesOf(readJson(join(root, path, "tsconfig.json")), path),
        sources: new Map(
          globSync(["src/**/*.ts", "src/**/*.tsx"], { cwd: join(root, path) })
            .map(slashed)
            .map((file) => [file, readFileSync(join(root, path, file), "utf8")]),
        ),
      };
    });
}

/** The names of the root's development tools. */
export function readRootDependencies(root: string): string[] {
  return Object.keys(readJson(join(root, "package.json"))["devDependencies"] ?? {});
}

function referencesOf(tsconfig: Record<string, object>, path: string): string[] {
  const references = (tsconfig["references"] ?? []) as { path: string }[];
  return references.map((reference) => posix.normalize(posix.join(path, reference.path)));
}

function readJson(path: string): Record<string, object> {
  return JSON.parse(readFileSync(path, "utf8"));
}

function slashed(path: string): string {
  return path.replaceAll(sep, "/");
}
