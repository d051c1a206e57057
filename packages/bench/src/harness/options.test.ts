import { expect, it } from "vitest";
import { parseBenchArgs } from "./options.ts";

const SUITES = [{ name: "batch" }, { name: "unary" }, { name: "raw" }];
const NOTHING = { quick: false, list: false, json: undefined };

it("chooses suites by names with commas, and repeatedly, in their own order", () => {
  expect(parseBenchArgs([], SUITES)).toEqual({ ...NOTHING, suites: SUITES });
  const args = ["--only", "raw,batch", "--only", "raw", "--quick", "--json", "x"];
  expect(parseBenchArgs(args, SUITES)).toEqual({
    ...NOTHING,
    quick: true,
    json: "x",
    suites: [{ name: "batch" }, { name: "raw" }],
  });
});

it("says what is wrong", () => {
  expect(parseBenchArgs(["--only", "batch,row"], SUITES)).toEqual({
    problem: "No part of the benchmark is called row. There are: batch, unary, raw",
  });
  expect(parseBenchArgs(["--rounds", "2"], SUITES)).toMatchObject({ rounds: 2 });
  for (const rounds of ["0", "1.5", "many"])
    expect(parseBenchArgs(["--rounds", rounds], SUITES)).toMatchObject({
      problem: expect.stringContaining("--rounds"),
    });
  expect(parseBenchArgs(["--fast"], SUITES)).toMatchObject({ problem: expect.stringContaining("--fast") });
});
