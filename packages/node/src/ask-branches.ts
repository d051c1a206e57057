import { BranchState, bytesEqual, type Ledger, toHex } from "@bank/core";
import { Backoff, errorText, type Platform, type Witness } from "@bank/replica";
import { serverUrl } from "@bank/rpc";
import { RemoteJournal } from "./bank-link.ts";
import { lossWasGivenUp } from "./given-up.ts";

export interface AskBranchesOptions {
  /** 16 bytes: the bank whose branches are asked. */
  readonly bankId: Uint8Array;
  /** Branches that have not answered by then are passed over, loudly. */
  readonly timeoutMs: number;
  /** How many copies must testify, however long it takes; all of them where there are fewer. */
  readonly required: number;
  readonly platform: Platform;
}

/** A branch that has told how far its copy goes. */
export interface BranchWitness extends Witness {
  /** Where it can be asked for what it holds. */
  readonly url: string;
  /** 16 bytes: branches that one server hosts have one copy. */
  readonly copyId: Uint8Array;
  /** What it may have that the bank lacks was given up by an operator. */
  readonly givenUp: boolean;
  /** Number of the newest epoch that it knows to have begun; 0 where it does not say. */
  readonly newestEpoch: number;
}

/** Where a witness can be asked for records; undefined for one that holds none. */
export function urlOf(witness: Witness): string | undefined {
  return (witness as Partial<BranchWitness>).url;
}

/** One call to a branch takes no longer. */
const CALL_TIMEOUT_MS = 1_000;

/**
 * Asks every branch that the journal knows, and that is not retired, how far its copy goes. Branches that cannot be reached are asked again until
 * the time is over: after a power cut they may be starting too.
 */
export async function askBranches(ledger: Ledger, options: AskBranchesOptions): Promise<readonly BranchWitness[]> {
  const { platform, timeoutMs, required } = options;
  // A retired branch may be gone, with all that it had.
  const branches = [...ledger.branches].flatMap(([number, { address, state }]) =>
    state === BranchState.RETIRED ? [] : [{ number, address }],
  );
  const witnesses: BranchWitness[] = [];
  const enough = new AbortController();
  const timeout = platform.timeout(timeoutMs);
  const giveUpIfEnough = () => {
    if (copiesOf(witnesses) >= required) enough.abort(new Error("branches did not answer in time"));
  };
  timeout.addEventListener("abort", giveUpIfEnough, { once: true });
  await Promise.all(
    branches.map(async ({ number, address }) => {
      const witness = await askUntil(ledger, number, address, enough.signal, options);
      if (witness === undefined) return;
      witnesses.push(witness);
      if (timeout.aborted) giveUpIfEnough();
    }),
  );
  const missing = branches.length - witnesses.length;
  if (missing > 0 || copiesOf(witnesses) < required)
    platform.log.warn("started without the testimony of all branches: a loss that only they know would go unseen", {
      answered: witnesses.length,
      missing,
      required,
      waited_ms: timeoutMs,
    });
  return witnesses;
}

async function askUntil(
  ledger: Ledger,
  number: number,
  address: string,
  signal: AbortSignal,
  { bankId, platform }: AskBranchesOptions,
): Promise<BranchWitness | undefined> {
  const url = usableUrl(address);
  if (url === undefined) {
    platform.log.warn("branch has no address at which it could be asked", { branch: number, address });
    return undefined;
  }
  const backoff = new Backoff(platform, { minMs: 20, maxMs: 250 });
  let isTold = false;
  const journal = new RemoteJournal(url, "the bank");
  try {
    while (!signal.aborted) {
      try {
        return await ask(ledger, journal, number, AbortSignal.any([signal, platform.timeout(CALL_TIMEOUT_MS)]), bankId);
      } catch (error) {
        // Once is enough: it is asked again and again, and those that never answered are counted at the end.
        if (!isTold) platform.log.info("branch does not testify yet", { branch: number, problem: errorText(error) });
        isTold = true;
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

async function ask(
  ledger: Ledger,
  journal: RemoteJournal,
  number: number,
  signal: AbortSignal,
  bankId: Uint8Array,
): Promise<BranchWitness> {
  const { url } = journal;
  const head = await journal.head(signal);
  // Somebody else may listen there by now; what it says about its own bank means nothing here.
  if (!bytesEqual(head.bankId, bankId)) throw new Error(`a branch of bank ${toHex(head.bankId)} listens at ${url}`);
  const { position, chainHash, epochId, copyId, newestEpoch } = head;
  const givenUp = lossWasGivenUp(ledger.epochs, head);
  return { name: `branch ${number} at ${url}`, url, position, chainHash, epochId, copyId, givenUp, newestEpoch };
}

function copiesOf(witnesses: readonly BranchWitness[]): number {
  return new Set(witnesses.map(({ copyId }) => toHex(copyId))).size;
}

function usableUrl(address: string): string | undefined {
  try {
    return serverUrl(address);
  } catch {
    // It was registered by somebody who says so little: there is nobody to ask.
    return undefined;
  }
}
