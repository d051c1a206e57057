import { describeOther, type Promoted } from "@bank/node";

/** What an operator is told of a promotion, and how to go on. */
export function describePromotion(promoted: Promoted, dataDir: string): string {
  const { position, epoch, promises, fetched, durability, others } = promoted;
  const lines = [
    `Promoted: the journal in ${dataDir} is the bank's, and epoch ${epoch} begins behind position ${position}.`,
  ];
  if (fetched > 0) lines.push(`${fetched} records were taken over from another copy, which held more.`);
  if (promises.needed > 0)
    lines.push(
      `${promises.given} copies that count have promised to follow no older bank (${promises.needed} were needed): nothing ` +
        "that was acknowledged is lost, and the old bank can acknowledge nothing any more.",
    );
  else
    lines.push(
      `What was acknowledged behind position ${position} and never reached this branch is lost. Nothing but your word keeps ` +
        "the old bank from going on, until a branch or a client that knows this one calls it.",
    );
  lines.push(...others.map(describeOther));
  lines.push(
    durability.copies === 0
      ? "No copies count towards durability."
      : `A write counts once it is on the disks of ${durability.copies} of the branches ${durability.branches.join(", ")}.`,
    "How to go on:",
    `  bank-server --data ${dataDir} --listen HOST:PORT       starts the bank`,
    "  branch-replica --upstream http://HOST:PORT …      a branch follows it; restart those that do not know its address",
  );
  return lines.join("\n");
}
