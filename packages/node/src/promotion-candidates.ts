import { BranchState, bytesEqual, type Position, toHex } from "@bank/core";
import type { Replay } from "@bank/journal";
import { errorText, type Platform } from "@bank/replica";
import { serverUrl } from "@bank/rpc";
import type { JournalStore } from "@bank/store";
import { RemoteJournal } from "./bank-link.ts";
import { PromotionRefusedError } from "./promotion-refused-error.ts";

/** One question to a branch takes no longer. */
const CALL_TIMEOUT_MS = 2_000;

/** A copy that is to become the bank's journal. */
export interface Candidate {
  readonly store: JournalStore;
  readonly replay: Replay;
  /** 16 bytes. */
  readonly copyId: Uint8Array;
  readonly platform: Platform;
}

/** What another branch has, next to the candidate. */
export interface OtherCopy {
  readonly branch: number;
  readonly url: string;
  /**
   * - `same`, `behind`: it has nothing that the candidate lacks.
   * - `ahead`: it has all that the candidate has, and more.
   * - `differs`: it has what is no part of the candidate's journal.
   * - `away`: it did not answer.
   */
  readonly relation: "same" | "behind" | "ahead" | "differs" | "away";
  /** Where it ends; 0 for one that is away. */
  readonly position: Position;
  /** 16 bytes in hexadecimal; empty for one that is away. */
  readonly copyId: string;
  /** Why it did not answer. */
  readonly problem?: string;
}

/** What the operator has said. */
export interface OperatorsWord {
  readonly oldBankIsStopped: boolean;
  readonly acceptLoss: boolean;
  readonly evenThoughBehind: boolean;
}

/** Asks every branch that the journal knows, and that is not retired, how far its copy goes. Never rejects. */
export async function askOthers({ replay, platform }: Candidate): Promise<readonly OtherCopy[]> {
  const { ledger, chainHash } = replay;
  const branches = [...ledger.branches].filter(([, { state }]) => state !== BranchState.RETIRED);
  const asked = branches.map(async ([branch, { address }]): Promise<OtherCopy> => {
    let journal: RemoteJournal | undefined;
    try {
      journal = new RemoteJournal(serverUrl(address), "a candidate for promotion");
      const head = await journal.head(platform.timeout(CALL_TIMEOUT_MS));
      if (!bytesEqual(head.bankId, replay.bankId)) throw new Error(`it is of another bank, ${toHex(head.bankId)}`);
      const { position } = head;
      const told = { branch, url: address, position, copyId: toHex(head.copyId) };
      if (position < ledger.position) return { ...told, relation: "behind" };
      const theirs = await journal.chainHashAt(ledger.position, platform.timeout(CALL_TIMEOUT_MS));
      if (theirs === undefined || !bytesEqual(theirs, chainHash)) return { ...told, relation: "differs" };
      return { ...told, relation: position > ledger.position ? "ahead" : "same" };
    } catch (error) {
      return { branch, url: address, relation: "away", position: 0, copyId: "", problem: errorText(error) };
    } finally {
      journal?.close();
    }
  });
  return (await Promise.all(asked)).sort((a, b) => b.position - a.position || a.branch - b.branch);
}

/** Which copy is at an address. */
export interface CopyAt {
  readonly url: string;
  /** 16 bytes in hexadecimal; empty where nobody answers. */
  readonly copyId: string;
  /** Why nobody answers. */
  readonly problem?: string;
}

/** Asks at addresses that the operator names which copies are there. Never rejects. */
export function askCopies(urls: readonly string[], platform: Candidate["platform"]): Promise<readonly CopyAt[]> {
  return Promise.all(
    urls.map(async (url): Promise<CopyAt> => {
      const journal = new RemoteJournal(url, "a candidate for promotion");
      try {
        const { copyId } = await journal.head(platform.timeout(CALL_TIMEOUT_MS));
        return { url, copyId: toHex(copyId) };
      } catch (error) {
        return { url, copyId: "", problem: errorText(error) };
      } finally {
        journal.close();
      }
    }),
  );
}

/**
 * Where no copies count: what the other branches have.
 * Rejects with: `PromotionRefusedError` where the operator has not said that the old bank is stopped and what it alone has is
 * given up, or where another copy has more.
 */
export async function lookAround(candidate: Candidate, word: OperatorsWord): Promise<readonly OtherCopy[]> {
  const others = await askOthers(candidate);
  const { position } = candidate.replay.ledger;
  const problems: string[] = [];
  if (!word.oldBankIsStopped)
    problems.push(
      "No copies count towards durability, so nothing can keep the old bank from going on: stop it, make sure that it " +
        "never starts again, and say so by --old-bank-is-stopped.",
    );
  if (!word.acceptLoss)
    problems.push(
      `What the old bank acknowledged behind position ${position}, and this branch never received, is lost: say by ` +
        "--accept-loss that it is given up.",
    );
  const more = others.filter(({ relation }) => relation === "ahead" || relation === "differs");
  if (!word.evenThoughBehind && more.length > 0)
    problems.push(...more.map(describeMore), "To lose what they have all the same, say so by --even-though-behind.");
  if (problems.length > 0) throw new PromotionRefusedError(position, problems, others);
  return others;
}

function describeMore({ branch, url, relation, position }: OtherCopy): string {
  if (relation === "differs")
    return (
      `Branch ${branch} at ${url} holds position ${position} of a journal that this one is no part of: another bank may ` +
      "have been promoted, or records are missing here. Look there first."
    );
  return (
    `Branch ${branch} at ${url} holds more, up to position ${position}: promote that one, or take its records first, by ` +
    `bank-server heal --from ${url} with the --data and --store of this one.`
  );
}
