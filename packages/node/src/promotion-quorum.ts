import { bytesEqual, type DurabilityMember, nextLine, type Position, toHex } from "@bank/core";
import { errorText } from "@bank/replica";
import { askPromises, type MemberPromise, type MissingMember } from "./ask-promises.ts";
import type { EpochPromises } from "./epoch-promise.ts";
import {
  askCopies,
  askOthers,
  type Candidate,
  type CopyAt,
  lookAround,
  type OperatorsWord,
  type OtherCopy,
} from "./promotion-candidates.ts";
import { PromotionRefusedError } from "./promotion-refused-error.ts";
import { copyTail } from "./recover-loss.ts";

/** How often it is asked anew: where others have promised more meanwhile, or where other copies turn out to count. */
const ROUNDS_MAX = 5;

/** Enough promises. */
export interface Quorum {
  /** Number of the epoch that was promised. */
  readonly epoch: number;
  readonly given: number;
  readonly needed: number;
}

export interface QuorumOptions extends OperatorsWord {
  readonly memberUrls?: readonly string[];
}

/** A candidate that can promise, too. */
export interface PromisingCandidate extends Candidate {
  readonly promises: EpochPromises;
}

/**
 * Where copies count: has so many of them promise to follow no older bank that every write that was acknowledged is on the
 * disk of one of them, and takes over what the one holds that is furthest: first by the epoch of its last record, then by
 * its position. What has more positions of an older epoch was never acknowledged behind the fork.
 *
 * Without enough promises the operator can go on as if no copies counted, by the same words.
 * Rejects with `PromotionRefusedError`.
 */
export async function gatherPromises(
  candidate: PromisingCandidate,
  options: QuorumOptions,
): Promise<{ readonly others: readonly OtherCopy[]; readonly quorum: Quorum | undefined }> {
  const { ledger } = candidate.replay;
  let floor = 0;
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const { copies, members, position } = ledger.durability;
    if (copies === 0) return { others: await lookAround(candidate, options), quorum: undefined };
    const needed = members.length - copies + 1;
    const others = await askOthers(candidate);
    const elsewhere = await askCopies(options.memberUrls ?? [], candidate.platform);
    const reachable = members.filter(
      (member) => isOwn(candidate, member) || isAmong(others, member) || isAmong(elsewhere, member),
    );
    // Whoever promises leaves the old bank for good: nobody is asked in vain.
    if (reachable.length < needed) {
      const missing = members
        .filter((member) => !reachable.includes(member))
        .map((member) => ({ member, problem: whyNot(elsewhere) }));
      return withoutQuorum(candidate, options, tooFew(needed, reachable.length, members, missing), others);
    }
    const epoch = epochFor(candidate, floor);
    const { given, refused, missing } = await ask(candidate, epoch, options);
    if (given.length < needed) {
      floor = Math.max(0, ...refused.map(({ promisedEpoch }) => promisedEpoch));
      if (floor >= epoch && given.length + refused.length >= needed) continue;
      return withoutQuorum(candidate, options, tooFew(needed, given.length, members, missing), others);
    }
    await takeOver(candidate, given, others);
    // What was taken over may say that other copies count, since then.
    if (ledger.durability.position === position) return { others, quorum: { epoch, given: given.length, needed } };
  }
  throw new PromotionRefusedError(ledger.position, ["Others promote at the same time. See who, and try again."]);
}

/** An earlier try of this very candidate may have its promises already. */
function epochFor({ replay, promises, copyId }: PromisingCandidate, floor: number): number {
  const own = replay.ledger.currentEpoch()?.number ?? 0;
  const { given } = promises;
  if (given !== undefined && given.epoch > Math.max(own, floor) && bytesEqual(given.candidate, copyId))
    return given.epoch;
  return nextLine(Math.max(own, promises.epoch, floor));
}

interface Asked {
  readonly given: readonly MemberPromise[];
  readonly refused: readonly MemberPromise[];
  readonly missing: readonly MissingMember[];
}

async function ask(candidate: PromisingCandidate, epoch: number, options: QuorumOptions): Promise<Asked> {
  const { replay, copyId, platform, promises } = candidate;
  const { ledger, bankId } = replay;
  const { members } = ledger.durability;
  const isPromised = promises.give({ epoch, candidate: copyId });
  const question = { bankId, epoch, candidate: copyId };
  const away = members.filter((member) => !isOwn(candidate, member));
  const asked = await askPromises(away, (member) => urlsOf(candidate, member, options), question, platform);
  const own = members
    .filter((member) => isPromised && isOwn(candidate, member))
    .map((member) => ownPromise(candidate, member));
  const all = [...own, ...asked.promises];
  return {
    given: all.filter(({ promised }) => promised),
    refused: all.filter(({ promised }) => !promised),
    missing: asked.missing,
  };
}

function ownPromise({ replay, promises }: PromisingCandidate, member: DurabilityMember): MemberPromise {
  const { ledger } = replay;
  return {
    member,
    url: undefined,
    promised: true,
    promisedEpoch: promises.epoch,
    lastEpoch: ledger.currentEpoch()?.number ?? 0,
    position: ledger.position,
  };
}

function urlsOf(
  { replay }: Candidate,
  { branch }: DurabilityMember,
  { memberUrls = [] }: QuorumOptions,
): readonly string[] {
  const registered = replay.ledger.branches.get(branch)?.address ?? "";
  return [...new Set([...(registered === "" ? [] : [registered]), ...memberUrls])];
}

/** Takes what the furthest of those that promised holds and this copy lacks. */
async function takeOver(
  candidate: Candidate,
  given: readonly MemberPromise[],
  others: readonly OtherCopy[],
): Promise<void> {
  const { store, replay, platform } = candidate;
  const { ledger } = replay;
  const own = { lastEpoch: ledger.currentEpoch()?.number ?? 0, position: ledger.position };
  const [furthest] = given.filter((promise) => isFurther(promise, own)).sort((a, b) => (isFurther(a, b) ? -1 : 1));
  if (furthest?.url === undefined) return;
  const { url, member, lastEpoch, position } = furthest;
  let problem = "it did not give its records";
  try {
    await copyTail(store, replay, url, platform);
    if (!isFurther(furthest, { lastEpoch: ledger.currentEpoch()?.number ?? 0, position: ledger.position })) return;
  } catch (error) {
    problem = errorText(error);
  }
  throw new PromotionRefusedError(
    own.position,
    [
      `Branch ${member.branch} at ${url} is further: position ${position} of epoch ${lastEpoch}, and here is position ` +
        `${own.position} of epoch ${own.lastEpoch}. Its records could not be taken over (${problem}). Promote branch ${member.branch}.`,
    ],
    others,
  );
}

interface End {
  readonly lastEpoch: number;
  readonly position: Position;
}

function isFurther(a: End, b: End): boolean {
  return a.lastEpoch > b.lastEpoch || (a.lastEpoch === b.lastEpoch && a.position > b.position);
}

function isOwn({ copyId }: Candidate, member: DurabilityMember): boolean {
  return bytesEqual(member.copyId, copyId);
}

/** Why none of the further addresses holds a copy that counts; the others are told of anyway. */
function whyNot(elsewhere: readonly CopyAt[]): string {
  if (elsewhere.length === 0) return "it is at no address that is known";
  return elsewhere
    .map(
      ({ url, copyId, problem }) =>
        `${url}${problem === undefined ? ` holds another copy, ${copyId}` : `: ${problem}`}`,
    )
    .join("; ");
}

function isAmong(others: readonly Pick<OtherCopy, "copyId">[], { copyId }: DurabilityMember): boolean {
  return others.some((other) => other.copyId === toHex(copyId));
}

function tooFew(
  needed: number,
  given: number,
  members: readonly DurabilityMember[],
  missing: readonly MissingMember[],
): readonly string[] {
  const copies = members.map(({ branch, copyId }) => `branch ${branch} (copy ${toHex(copyId)})`).join(", ");
  return [
    `Promises of ${needed} of the copies that count are needed, and ${given} can be had. Those that count: ${copies}.`,
    ...missing.map(({ member, problem }) => `Branch ${member.branch}: ${problem}.`),
    "Start those branches, or name where they are by --member URL.",
  ];
}

/** The operator can give up what copies may have that do not answer. */
async function withoutQuorum(
  candidate: Candidate,
  options: QuorumOptions,
  problems: readonly string[],
  others: readonly OtherCopy[],
): Promise<{ readonly others: readonly OtherCopy[]; readonly quorum: undefined }> {
  const { position } = candidate.replay.ledger;
  if (!options.oldBankIsStopped || !options.acceptLoss)
    throw new PromotionRefusedError(
      position,
      [
        ...problems,
        "Without them, acknowledged writes can be lost, and nothing can keep the old bank from going on: to go on all the " +
          "same, say --old-bank-is-stopped --accept-loss.",
      ],
      others,
    );
  return { others: await lookAround(candidate, options), quorum: undefined };
}
