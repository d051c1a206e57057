import { formatAmount } from "@bank/core";

/** All money in scenario files is in US dollars. */
export const SCENARIO_CURRENCY = "USD";

/** How many decimals that has. */
export const SCENARIO_DECIMALS = 2;

/** Minor units in whole units and cents: `400.00`. */
export function formatUnits(minor: bigint): string {
  return formatAmount(minor, SCENARIO_DECIMALS);
}
