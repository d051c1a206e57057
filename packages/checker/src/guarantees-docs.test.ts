import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { readHistory } from "./format/history-reader.ts";
import { GUARANTEES } from "./guarantees.ts";

const PAGE = readFileSync(new URL("../../../docs/internals/checking.md", import.meta.url), "utf8");

it("the page lists every guarantee, in the words of the program", () => {
  const rows = [...PAGE.matchAll(/^\| `([a-z-]+)` \| ([A-Z].*) \|$/gm)].map(([, name, text]) => [name, text]);
  expect(rows).toEqual(Object.entries(GUARANTEES));
});

it("the page's example can be read", () => {
  const example = /```json\n([\s\S]*?)```/.exec(PAGE)?.[1] ?? "";
  expect(readHistory(example.split("\n")).operations).toHaveLength(3);
});
