import { describe, it } from "vitest";

/**
 * Tests that need a program. Where it is not to be had they are skipped, and their name says why; in CI, which installs what is
 * missing, they fail instead.
 *
 * @param missing why it is not to be had; undefined where it is.
 */
export function describeWhereInstalled(name: string, missing: string | undefined, define: () => void): void {
  if (missing === undefined) describe(name, define);
  else if (["", "0", "false"].includes(process.env["CI"] ?? "")) describe.skip(`${name} (SKIPPED: ${missing})`, define);
  else
    it(`${name}: needs what is not installed`, () => {
      throw new Error(`${missing}; in CI nothing is skipped: install it`);
    });
}
