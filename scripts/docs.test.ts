// What the docs point at is there.
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { describe, expect, it } from "vitest";
import { REQUESTS } from "./proto-names.ts";

const root = dirname(import.meta.dirname);
const PAGES = globSync(["*.md", "docs/**/*.md", "examples/**/*.md"], { cwd: root }).sort();

/** Every source file, relative to the root, with forward slashes. */
const SOURCES = globSync(["packages/*/{src,proto}/**/*.*", "apps/*/src/**/*.*", "scripts/**/*.*", "examples/**/*.*"], {
  cwd: root,
}).map((file) => file.replaceAll(sep, "/"));

function read(page: string): string {
  return readFileSync(resolve(root, page), "utf8");
}

/** Whether there is a file with this name, or path, or the end of one; `*` stands for anything in a name. */
function isSource(name: string): boolean {
  const parts = name.split("*").map((part) => part.replace(/[.]/g, "\\$&"));
  const pattern = new RegExp(`(^|/)${parts.join("[^/]*")}$`);
  return SOURCES.some((file) => pattern.test(file));
}

/** The anchors of a page's headings, as they are made of them: lower case, without punctuation, with hyphens. */
function anchorsOf(page: string): string[] {
  const headings = [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, text]) => (text as string).toLowerCase());
  return headings.map((text) => text.replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"));
}

describe("the docs", () => {
  it.each(PAGES)("%s links what there is", (page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target as string);
    for (const link of links.filter((target) => !/^[a-z]+:/.test(target))) {
      const [path, anchor] = link.split("#") as [string, string?];
      const target = path === "" ? resolve(root, page) : join(root, dirname(page), path);
      expect([link, existsSync(target)]).toEqual([link, true]);
      if (anchor !== undefined && statSync(target).isFile()) expect(anchorsOf(target)).toContain(anchor);
    }
  });

  it.each(PAGES)("%s names calls that are served", (page) => {
    const named = [...read(page).matchAll(/`([A-Z][A-Za-z]+Service\.[A-Z][A-Za-z]+)`/g)].map(([, name]) => name);
    expect(named.filter((name) => !REQUESTS.has(name as string))).toEqual([]);
  });

  it.each(PAGES)("%s names files that there are", (page) => {
    const named = [...read(page).matchAll(/`([\w/*.-]+\.(?:ts|mjs|proto))`/g)].map(([, name]) => name as string);
    expect(named.filter((name) => !isSource(name))).toEqual([]);
  });
});
