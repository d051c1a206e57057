import type { DurabilityMember, Position } from "@bank/core";
import { bytesEqual, toHex } from "@bank/core";
import { JournalService } from "@bank/proto";
import { errorText, type Platform } from "@bank/replica";
import { connectToServer } from "@bank/rpc";
import { createClient } from "@connectrpc/connect";

/** A member takes its time to write its promise down. */
const CALL_TIMEOUT_MS = 5_000;

/** What a copy that counts answered to the question for a promise. */
export interface MemberPromise {
  readonly member: DurabilityMember;
  /** Where it can be asked for its records; undefined for the candidate's own folder. */
  readonly url: string | undefined;
  readonly promised: boolean;
  /** Number of the highest epoch that it has promised or has in its journal. */
  readonly promisedEpoch: number;
  /** Number of the epoch of its last record. */
  readonly lastEpoch: number;
  readonly position: Position;
}

/** A member that gave no answer that counts, and why. */
export interface MissingMember {
  readonly member: DurabilityMember;
  readonly problem: string;
}

export interface PromiseQuestion {
  /** 16 bytes. */
  readonly bankId: Uint8Array;
  /** Number of the epoch that is to begin. */
  readonly epoch: number;
  /** 16 bytes: the copy that wants to begin it. */
  readonly candidate: Uint8Array;
}

/**
 * Asks copies that count for their promise, each at the addresses where it may be. One that has begun anew answers with
 * another id, and does not count. Never rejects.
 */
export async function askPromises(
  members: readonly DurabilityMember[],
  urlsOf: (member: DurabilityMember) => readonly string[],
  question: PromiseQuestion,
  platform: Platform,
): Promise<{ readonly promises: readonly MemberPromise[]; readonly missing: readonly MissingMember[] }> {
  const promises: MemberPromise[] = [];
  const missing: MissingMember[] = [];
  await Promise.all(
    members.map(async (member) => {
      const answer = await askMember(member, urlsOf(member), question, platform);
      if (typeof answer === "string") missing.push({ member, problem: answer });
      else promises.push(answer);
    }),
  );
  return { promises, missing };
}

/** Its answer, or why it has none. */
async function askMember(
  member: DurabilityMember,
  urls: readonly string[],
  question: PromiseQuestion,
  platform: Platform,
): Promise<MemberPromise | string> {
  const problems: string[] = [];
  for (const url of urls) {
    try {
      const answer = await ask(url, question, platform);
      if (!bytesEqual(answer.copyId, member.copyId)) {
        problems.push(`${url} holds another copy, ${toHex(answer.copyId)}`);
        continue;
      }
      const { promised, position } = answer;
      const [promisedEpoch, lastEpoch] = [Number(answer.promisedEpoch), Number(answer.lastEpoch)];
      return { member, url, promised, promisedEpoch, lastEpoch, position: Number(position) };
    } catch (error) {
      problems.push(`${url}: ${errorText(error)}`);
    }
  }
  return problems.length === 0 ? "no address is known" : problems.join("; ");
}

async function ask(url: string, question: PromiseQuestion, platform: Platform) {
  const { transport, close } = connectToServer(url);
  try {
    const client = createClient(JournalService, transport);
    const { bankId, epoch, candidate } = question;
    const signal = platform.timeout(CALL_TIMEOUT_MS);
    return await client.promiseEpoch({ bankId, epoch: BigInt(epoch), candidate }, { signal });
  } finally {
    close();
  }
}
