import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { OPERATIONS } from "./operations.ts";
import { REFUSALS, REJECTIONS } from "./reasons.ts";

const PAGE = "docs/reference/operations.md";
const page = readFileSync(new URL(`../../../${PAGE}`, import.meta.url), "utf8");

/** The reasons that a section numbers, in order. */
function listed(section: string): string[] {
  const lines = [...section.matchAll(/^(\d+)\. `([A-Z_]+)`$/gm)];
  expect(lines.map((line) => line[1])).toEqual(lines.map((_, i) => String(i + 1)));
  return lines.map((line) => line[2] as string);
}

describe(PAGE, () => {
  it("lists the reasons of every operation, in the order of precedence, and no others", () => {
    const sections = page.split(/^## /m).slice(1);
    expect(sections.map(listed)).toEqual(Object.values(OPERATIONS));
    for (const section of sections) expect(section).toMatch(/^.+\n\n`[A-Za-z.]+Service\.[A-Za-z]+` · .+\n\n.{20}/);
  });

  it("gives every rejection to some operation", () => {
    const given = new Set<string>(Object.values(OPERATIONS).flat());
    // What a cancelled request is answered with, whatever it was.
    given.add("REQUEST_CANCELLED");
    expect(Object.keys(REJECTIONS).filter((reason) => !given.has(reason))).toEqual([]);
  });

  it("names no reason that the catalogue lacks, in its text either", () => {
    const known = new Set([...Object.keys(REJECTIONS), ...Object.keys(REFUSALS)]);
    const named = [...page.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map((match) => match[1] as string);
    expect(named.filter((reason) => !known.has(reason))).toEqual([]);
  });
});
