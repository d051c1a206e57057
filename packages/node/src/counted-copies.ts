import { type BranchNumber, bytesEqual, type DurabilityMember } from "@bank/core";
import { canReplaceBank, type Member } from "@bank/replica";
import { malformed } from "@bank/rpc";

/**
 * The copies of branches that shall count towards durability.
 * Throws: `RefusalError` INVALID_REQUEST for a branch whose copy is not connected, and for two that lie on one copy: a write
 * that they have on disk is there once.
 */
export function connectedCopies(
  branches: readonly BranchNumber[],
  connected: readonly Pick<Member, "report">[],
): readonly DurabilityMember[] {
  const members: DurabilityMember[] = [];
  for (const [i, branch] of branches.entries()) {
    const field = `branches[${i}]`;
    const report = connected.find((member) => member.report.branches.includes(branch))?.report;
    if (report === undefined)
      throw malformed([
        { field, description: `branch ${branch} is not connected, and only copies that are can count` },
      ]);
    if (!canReplaceBank(report))
      throw malformed([
        {
          field,
          description: report.onDisk
            ? `branch ${branch} still fetches the past of the journal, and only whole copies can count: try again when it has it`
            : `branch ${branch} keeps its copy in memory, and only copies on disks can count`,
        },
      ]);
    const { copyId } = report;
    const twin = members.find((member) => bytesEqual(member.copyId, copyId));
    if (twin !== undefined)
      throw malformed([{ field, description: `branches ${twin.branch} and ${branch} lie on one copy of the journal` }]);
    members.push({ branch, copyId });
  }
  return members;
}

/** Stands for the copies of a request that was decided before: which they were then is no part of what was asked. */
export function anyCopies(branches: readonly BranchNumber[]): readonly DurabilityMember[] {
  return branches.map((branch) => {
    const copyId = new Uint8Array(16);
    new DataView(copyId.buffer).setUint32(0, branch);
    return { branch, copyId };
  });
}
