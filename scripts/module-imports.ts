// The modules that a TypeScript source names, in whatever way it names them.
import { parseAst } from "vite";

/** One mention of another module. */
export interface ModuleImport {
  /** As written: `./money.ts`, `node:fs`, `@bank/core`. */
  readonly specifier: string;
  /** True if the mention disappears at run time: `import type`, `export type`, `import("…")` inside a type. */
  readonly typeOnly: boolean;
}

/**
 * Every import and re-export of a module, static or dynamic, in source order. An `import()` of a computed name is not
 * among them.
 *
 * Throws: if the source does not parse.
 */
export function moduleImports(source: string): ModuleImport[] {
  const found: ModuleImport[] = [];
  visit(parseAst(source, { lang: "ts" }), (node) => {
    const specifier = literalString(node["source"]);
    if (specifier === undefined) return;
    switch (node["type"]) {
      case "ImportDeclaration":
        found.push({ specifier, typeOnly: node["importKind"] === "type" });
        break;
      case "ExportAllDeclaration":
      case "ExportNamedDeclaration":
        found.push({ specifier, typeOnly: node["exportKind"] === "type" });
        break;
      case "ImportExpression":
        found.push({ specifier, typeOnly: false });
        break;
      case "TSImportType":
        found.push({ specifier, typeOnly: true });
        break;
    }
  });
  return found;
}

type Node = Record<string, unknown>;

function visit(value: unknown, onNode: (node: Node) => void): void {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value) && "type" in value) onNode(value as Node);
  for (const child of Object.values(value)) visit(child, onNode);
}

function literalString(node: unknown): string | undefined {
  if (typeof node !== "object" || node === null || !("value" in node)) return undefined;
  return typeof node.value === "string" ? node.value : undefined;
}
