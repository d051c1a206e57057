import { expect, it } from "vitest";
import { describeWithRedis } from "../conformance/with-redis.ts";
import { type Packable, Packer } from "./pack.ts";

const TEXTS = [
  "",
  "a",
  "Zoë ☃ 𝄞",
  "x".repeat(63),
  "x".repeat(64),
  "x".repeat(65),
  `${"x".repeat(70)}☃`,
  "☃".repeat(40_000),
];

describeWithRedis("what is packed for a function", (server) => {
  /** A text of a list, as Lua has it. */
  const unpacked = async (value: Packable, ...path: readonly number[]) => {
    const steps = path.map((index) => `[${index}]`).join("");
    const script = `return cmsgpack.unpack(ARGV[1])${steps}`;
    return server.command("EVAL", script, "0", Packer.pack(value));
  };

  it("is there the same, text by text and byte by byte", async () => {
    for (const [i, text] of TEXTS.entries()) expect(await unpacked(TEXTS, i + 1)).toEqual(Buffer.from(text));
    const bytes = Uint8Array.from({ length: 700 }, (_, i) => i % 256);
    expect(await unpacked([["one"], [bytes, []]], 2, 1)).toEqual(Buffer.from(bytes));
    expect(await unpacked([["one"], [bytes, []]], 1, 1)).toEqual(Buffer.from("one"));
  });

  it("may be tens of thousands of texts", async () => {
    const many = Array.from({ length: 80_000 }, (_, i) => String(i));
    expect(await unpacked(many, 80_000)).toEqual(Buffer.from("79999"));
  });
});

it("can be put together from pieces", () => {
  const pieces = new Packer();
  pieces.text("one");
  pieces.bytes(Uint8Array.of(1, 2));
  const whole = new Packer();
  whole.list(2);
  whole.append(pieces.take());
  expect(whole.take()).toEqual(Packer.pack(["one", Uint8Array.of(1, 2)]));
  expect(pieces.length).toBe(0);
});
