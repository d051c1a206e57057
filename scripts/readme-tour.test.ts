import { describe, expect, it } from "vitest";
import { difference, readTour } from "./readme-tour.ts";

const TEXT = [
  "# Title",
  "```sh",
  "$ not this one",
  "```",
  "```console",
  "$ bank deposit 1 5.00",
  "Deposited 5.00 USD at position …",
  "$ bank balance 1",
  "5.00 USD",
  "```",
].join("\n");

describe("the tour in the README", () => {
  it("is read from the console blocks alone", () => {
    expect(readTour(TEXT)).toEqual([
      { command: "bank deposit 1 5.00", expected: ["Deposited 5.00 USD at position …"], line: 6 },
      { command: "bank balance 1", expected: ["5.00 USD"], line: 8 },
    ]);
  });

  it("compares line by line, with … for what differs from run to run", () => {
    const [deposit, balance] = readTour(TEXT);
    if (deposit === undefined || balance === undefined) throw new Error("the tour has two steps");
    expect(difference(deposit, "Deposited 5.00 USD at position 12\n")).toBeUndefined();
    expect(difference(deposit, "Deposited 5.01 USD at position 12\n")).toMatch(/line 1/);
    expect(difference(balance, "5.00 USD\nand more\n")).toMatch(/line 2/);
    expect(difference(balance, "5x00 USD\n")).toMatch(/line 1/);
  });
});
