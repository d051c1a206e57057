// The guide for those who come from a simple bank service names what this bank has, and nothing else.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isRejectionReason, REFUSALS, type Reason, STATUS_NUMBERS, statusOf } from "@bank/core";
import { SESSION_HEADER } from "@bank/rpc";
import { describe, expect, it } from "vitest";
import { fieldsOf, MESSAGES, REQUESTS } from "./proto-names.ts";

const GUIDE = "docs/guides/coming-from.md";
const guide = readFileSync(join(dirname(import.meta.dirname), GUIDE), "utf8");

/** The rows of a section's table, as cells. */
function rowsOf(title: string): string[][] {
  const section = guide.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  const rows = lines.slice(2).map((line) => line.slice(2, -2).split(" | "));
  expect(rows.length).toBeGreaterThan(0);
  return rows;
}

/** What stands between backticks. */
function namesIn(cell: string | undefined): string[] {
  return [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
}

describe(GUIDE, () => {
  it("names only calls that are served", () => {
    const named = [...guide.matchAll(/`([A-Za-z]+Service\.[A-Za-z]+)`/g)].map(([, name]) => name as string);
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((name) => !REQUESTS.has(name))).toEqual([]);
  });

  it.each(rowsOf("Calls"))("says for %s what there is", (_there, here, difference) => {
    const names = namesIn(here);
    const calls = names.filter((name) => name.includes("Service."));
    for (const name of names.filter((each) => !calls.includes(each))) {
      const [message, field] = name.split(".") as [string, string?];
      expect(field === undefined ? [SESSION_HEADER] : fieldsOf(MESSAGES.get(message))).toContain(field ?? name);
    }
    // A field in lower case is one of these calls' requests, or of what is read before them: `expected_version`.
    const fields = new Set([...calls.flatMap((name) => fieldsOf(REQUESTS.get(name))), "expected_version"]);
    const said = namesIn(difference).filter((name) => calls.length > 0 && /^[a-z]+(_[a-z]+)*$/.test(name));
    expect(said.filter((name) => !fields.has(name))).toEqual([]);
  });

  it.each(rowsOf("Errors"))("says for %s a reason with its status", (_there, here) => {
    const names = namesIn(here).filter((name) => /^[A-Z]+(_[A-Z]+)+$|^ABORTED$/.test(name));
    const [status, ...reasons] = names;
    if (status === undefined) return;
    expect(Object.keys(STATUS_NUMBERS)).toContain(status);
    expect(reasons.length).toBeGreaterThan(0);
    for (const reason of reasons) {
      expect(isRejectionReason(reason) || Object.hasOwn(REFUSALS, reason)).toBe(true);
      expect([reason, statusOf(reason as Reason)]).toEqual([reason, status]);
    }
  });
});
