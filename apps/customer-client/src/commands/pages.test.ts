import { describe, expect, it } from "vitest";
import { limitOf, moreText, readPages } from "./pages.ts";

/** A list of so many numbers, read a page at a time; notes the sizes that were asked for. */
function listOf(count: number, sizes: number[] = []) {
  return async ({ pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string | undefined }) => {
    sizes.push(pageSize);
    const start = Number(pageToken ?? 0);
    const numbers = Array.from({ length: Math.min(pageSize, count - start) }, (_, i) => start + i);
    const end = start + numbers.length;
    return {
      numbers,
      position: 7,
      timeMs: 1_000,
      stalenessMs: 0,
      connected: true,
      epoch: 1,
      session: undefined,
      nextPageToken: end < count ? String(end) : undefined,
    };
  };
}

const read = (given: { limit: string; all?: boolean; pageToken?: string }, list: ReturnType<typeof listOf>) =>
  readPages(given, list, ({ numbers }) => numbers);

describe("a list", () => {
  it("is read in as many pages as it takes, and no further than is asked for", async () => {
    const sizes: number[] = [];
    const listed = await read({ limit: "2500" }, listOf(5_000, sizes));
    expect(sizes).toEqual([1_000, 1_000, 500]);
    expect(listed.entries).toEqual(Array.from({ length: 2_500 }, (_, i) => i));
    expect(listed.nextPageToken).toBe("2500");
    expect(moreText(listed)).toBe("There are more: --all lists them, --page-token 2500 the next.\n");
  });

  it("is read to its end when all of it is asked for", async () => {
    const listed = await read({ limit: "100", all: true }, listOf(2_001));
    expect(listed.entries).toHaveLength(2_001);
    expect(listed.nextPageToken).toBeUndefined();
    expect(moreText(listed)).toBe("");
  });

  it("goes on behind an earlier one", async () => {
    expect((await read({ limit: "3", pageToken: "5" }, listOf(7))).entries).toEqual([5, 6]);
    expect((await read({ limit: "3" }, listOf(0))).entries).toEqual([]);
  });

  it("is limited by whole numbers", () => {
    expect(limitOf({ limit: "1" })).toBe(1);
    for (const limit of ["0", "-1", "1.5", "", "1e3", "9999999999"])
      expect(() => limitOf({ limit })).toThrow("--limit");
  });
});
