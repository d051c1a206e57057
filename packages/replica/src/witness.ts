import { bytesEqual, type Ledger, type Position } from "@bank/core";
import type { JournalStore } from "@bank/store";

/** Somebody outside the journal who knows how far it once went: a branch, or the anchor file. */
export interface Witness {
  /** For people: "branch 2 at http://…", "the anchor file …". */
  readonly name: string;
  readonly position: Position;
  /** Chain hash at that position, 32 bytes. */
  readonly chainHash: Uint8Array;
  /** Epoch of that position, 16 bytes. */
  readonly epochId: Uint8Array;
}

/** A witness that contradicts the journal. */
export interface Loss {
  readonly kind: "behind" | "differs";
  readonly witness: Witness;
  /** Where the journal ends. */
  readonly position: Position;
}

/** The journal contradicts a witness: the bank must not serve until an operator decides. */
export class LossDetectedError extends Error {
  override readonly name = "LossDetectedError";
  readonly losses: readonly Loss[];

  constructor(losses: readonly Loss[]) {
    super(losses.map(describeLoss).join("\n"));
    this.losses = losses;
  }
}

/**
 * Holds witnesses against a journal that was recovered to this ledger. The worst contradiction comes first; empty when
 * all agree. Who only knows what an operator has given up is not to be asked here.
 */
export async function findLosses(
  store: JournalStore,
  ledger: Pick<Ledger, "position">,
  witnesses: readonly Witness[],
): Promise<readonly Loss[]> {
  const { position } = ledger;
  const losses: Loss[] = [];
  for (const witness of witnesses) {
    if (witness.position === 0) continue;
    if (witness.position > position) {
      losses.push({ kind: "behind", witness, position });
      continue;
    }
    const chainHash = await store.chainHashAt(witness.position);
    if (chainHash === undefined || !bytesEqual(chainHash, witness.chainHash))
      losses.push({ kind: "differs", witness, position });
  }
  return losses.sort((a, b) => b.witness.position - a.witness.position);
}

function describeLoss({ kind, witness, position }: Loss): string {
  if (kind === "differs")
    return `The journal ends at position ${position} and differs at position ${witness.position} from what ${witness.name} holds.`;
  const missing = witness.position - position;
  return (
    `The journal ends at position ${position}, and ${witness.name} holds position ${witness.position}: ` +
    `${missing} committed ${missing === 1 ? "record is" : "records are"} missing (${position + 1} to ${witness.position}).`
  );
}
