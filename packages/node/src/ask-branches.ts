import type { Ledger } from "@bank/core";
import { Backoff, errorText, type Platform, type Witness } from "@bank/replica";
import { RemoteJournal } from "./bank-link.ts";

export interface AskBranchesOptions {
  /** Branches that have not answered by then are passed over, loudly. */
  readonly timeoutMs: number;
  /** How many must answer, however long it takes. */
  readonly required: number;
  readonly platform: Platform;
}

/**
 * Asks every branch that the journal knows how far its copy goes. Branches that cannot be reached are asked again until
 * the time is over: after a power cut they may be starting too.
 */
export async function askBranches(ledger: Ledger, options: AskBranchesOptions): Promise<readonly Witness[]> {
  const { platform, timeoutMs, required } = options;
  const branches = [...ledger.branches].map(([number, { address }]) => ({ number, address }));
  // Branches that one server hosts have one copy.
  const byAddress = new Map(branches.map((branch) => [branch.address, branch]));
  const witnesses: Witness[] = [];
  const enough = new AbortController();
  const timeout = platform.timeout(timeoutMs);
  const giveUpIfEnough = () => {
    if (witnesses.length >= required) enough.abort(new Error("branches did not answer in time"));
  };
  timeout.addEventListener("abort", giveUpIfEnough, { once: true });
  await Promise.all(
    [...byAddress.values()].map(async ({ number, address }) => {
      const witness = await askUntil(number, address, enough.signal, platform);
      if (witness === undefined) return;
      witnesses.push(witness);
      if (timeout.aborted) giveUpIfEnough();
    }),
  );
  const missing = byAddress.size - witnesses.length;
  if (missing > 0)
    platform.log.warn("started without the testimony of all branches: a loss that only they know would go unseen", {
      answered: witnesses.length,
      missing,
      waited_ms: timeoutMs,
    });
  return witnesses;
}

async function askUntil(
  number: number,
  address: string,
  signal: AbortSignal,
  platform: Platform,
): Promise<Witness | undefined> {
  const name = `branch ${number} at ${address}`;
  const backoff = new Backoff(platform, { minMs: 20, maxMs: 250 });
  const journal = new RemoteJournal(address, "the bank");
  try {
    while (!signal.aborted) {
      try {
        return await journal.witness(name, AbortSignal.any([signal, platform.timeout(1_000)]));
      } catch (error) {
        platform.log.info("branch does not testify yet", { branch: number, problem: errorText(error) });
        await backoff.wait(signal).catch(() => {
          // The time is over; the loop ends.
        });
      }
    }
    return undefined;
  } finally {
    journal.close();
  }
}
