import type { Position } from "@bank/core";
import type { OtherCopy } from "./promotion-candidates.ts";

/** A promotion that would lose more than the operator has said may be lost. Nothing of the journal was changed. */
export class PromotionRefusedError extends Error {
  override readonly name = "PromotionRefusedError";

  /**
   * @param position where the journal ends that was to be promoted.
   * @param problems one sentence or more each.
   * @param others what the other branches have.
   */
  constructor(position: Position, problems: readonly string[], others: readonly OtherCopy[] = []) {
    super(
      [
        "Not promoted.",
        `The journal of this branch ends at position ${position}.`,
        ...others.map(describeOther),
        ...problems,
      ].join("\n"),
    );
  }
}

/** One line about another branch. */
export function describeOther({ branch, url, relation, position, problem }: OtherCopy): string {
  const words = {
    same: `ends there too`,
    behind: `ends at position ${position}`,
    ahead: `holds more: it ends at position ${position}`,
    differs: `differs: it ends at position ${position} of another history`,
    away: `does not answer (${problem})`,
  };
  return `Branch ${branch} at ${url} ${words[relation]}.`;
}
