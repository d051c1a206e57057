import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { REFUSALS, REJECTIONS } from "./reasons.ts";

const PAGE = "docs/reference/rejections.md";
const page = readFileSync(new URL(`../../../${PAGE}`, import.meta.url), "utf8");

/** Cells of the table's rows below a heading, without the head. */
function rowsBelow(heading: string): string[][] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((line) =>
    line
      .slice(1, line.lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim()),
  );
}

describe(PAGE, () => {
  it("lists every rejection as the catalogue has it, in the order of precedence, and no other", () => {
    const documented = rowsBelow("Rejections").map((cells) => cells.slice(0, 4));
    const catalogue = Object.entries(REJECTIONS).map(([reason, { number, status, message }]) => [
      String(number),
      `\`${reason}\``,
      `\`${status}\``,
      message,
    ]);
    expect(documented).toEqual(catalogue);
  });

  it("lists every refusal as the catalogue has it, in its order, and no other", () => {
    const documented = rowsBelow("Refusals").map((cells) => cells.slice(0, 3));
    const catalogue = Object.entries(REFUSALS).map(([reason, { status, message }]) => [
      `\`${reason}\``,
      `\`${status}\``,
      message,
    ]);
    expect(documented).toEqual(catalogue);
  });

  it("says when each of them is given", () => {
    for (const cells of rowsBelow("Rejections"))
      expect(cells, cells[1]).toEqual([...cells.slice(0, 4), expect.stringMatching(/.{20}\.$/)]);
    for (const cells of rowsBelow("Refusals"))
      expect(cells, cells[0]).toEqual([...cells.slice(0, 3), expect.stringMatching(/.{5}\.$/)]);
  });
});
