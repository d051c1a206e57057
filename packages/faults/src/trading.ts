import { setTimeout as delay } from "node:timers/promises";
import type { Nemesis, NemesisEvent } from "@bank/testkit";
import type { Customer } from "./customer.ts";

export interface TradingOptions {
  readonly customers: readonly Customer[];
  readonly nemesis: Nemesis;
  /** How long faults come and go, in milliseconds. */
  readonly forMs: number;
  /** What goes wrong is added. */
  readonly troubles: Set<string>;
  /** Customers go on behind the faults until this resolves. */
  readonly afterwards?: () => Promise<void>;
}

/** Customers deal with the bank while faults come and go. Resolves when all of them have laid down their work. */
export async function tradeUnderFaults(options: TradingOptions): Promise<readonly NemesisEvent[]> {
  const { customers, nemesis, forMs, troubles, afterwards } = options;
  const stop = new AbortController();
  // A customer who cannot go on ends the run.
  const trading = customers.map((customer) =>
    customer.trade(stop.signal).catch((error: unknown) => {
      troubles.add(`${customer.name}: ${textOf(error)}`);
      stop.abort();
    }),
  );
  const over = new AbortController();
  const lasting = delay(forMs, undefined, { signal: stop.signal })
    .catch(() => {
      // It was ended early.
    })
    // Restarts take their time, and what was planned behind them is late: it is left out.
    .then(() => over.abort());
  const faults = await nemesis.run(over.signal).catch((error: unknown) => {
    troubles.add(textOf(error));
    return nemesis.log;
  });
  await lasting;
  if (!stop.signal.aborted) await afterwards?.();
  stop.abort();
  await Promise.all(trading);
  return faults;
}

/** Everybody reads everything everywhere. */
export async function lookAround(
  customers: readonly Customer[],
  options: { readonly timeoutMs: number; readonly troubles: Set<string> },
): Promise<void> {
  const { timeoutMs, troubles } = options;
  const looks = customers.map(async (customer) => {
    const isWell = await customer.lookAround(timeoutMs).catch((error: unknown) => {
      troubles.add(`${customer.name}: ${textOf(error)}`);
      return true;
    });
    if (!isWell) troubles.add(`${customer.name} is not answered everywhere after the faults`);
  });
  await Promise.all(looks);
}

export function textOf(error: unknown): string {
  return error instanceof Error ? `${error.message}` : String(error);
}
