import { describe, expect, it } from "vitest";
import { pairs, table } from "./table.ts";

describe("a table", () => {
  it("aligns its columns by characters and leaves nothing at the ends of lines", () => {
    const rows = [
      { name: "Zoë", amount: "5.00", note: "" },
      { name: "𝒜𝒹𝒶 L", amount: "12345.00", note: "x" },
    ];
    const text = table(
      [
        { title: "NAME", cell: ({ name }) => name },
        { title: "AMOUNT", align: "right", cell: ({ amount }) => amount },
        { title: "NOTE", cell: ({ note }) => note },
      ],
      rows,
    );
    expect(text).toBe("NAME     AMOUNT  NOTE\nZoë        5.00\n𝒜𝒹𝒶 L  12345.00  x\n");
  });

  it("of pairs leaves out what is not there", () => {
    expect(pairs({ owner: "Ada", name: "", branch: "0", note: undefined })).toBe("  owner   Ada\n  branch  0\n");
    expect(pairs({})).toBe("");
  });
});
