import { MemberReportSchema, type MemberReport as ReportMessage } from "@bank/proto";
import type { MemberReport } from "@bank/replica";
import { create } from "@bufbuild/protobuf";

/** A report as it goes over the wire. */
export function reportMessage(report: MemberReport): ReportMessage {
  const { historyPosition, stalenessMs, ...rest } = report;
  return create(MemberReportSchema, {
    ...rest,
    branches: [...report.branches],
    appliedPosition: BigInt(report.appliedPosition),
    durablePosition: BigInt(report.durablePosition),
    echo: BigInt(report.echo),
    run: BigInt(report.run),
    sequence: BigInt(report.sequence),
    ...(historyPosition === undefined ? {} : { historyPosition: BigInt(historyPosition) }),
    ...(stalenessMs === undefined ? {} : { stalenessMs: BigInt(Math.ceil(stalenessMs)) }),
  });
}

/** A report as it came over the wire. */
export function reportFrom(message: ReportMessage): MemberReport {
  const { copyId, branches, follows, digest, formatLevel, epochId, followers, upstream, joined, onDisk, whole } =
    message;
  return {
    copyId,
    branches,
    follows,
    appliedPosition: Number(message.appliedPosition),
    durablePosition: Number(message.durablePosition),
    digest,
    formatLevel,
    echo: Number(message.echo),
    epochId,
    followers,
    historyPosition: message.historyPosition === undefined ? undefined : Number(message.historyPosition),
    upstream,
    stalenessMs: message.stalenessMs === undefined ? undefined : Number(message.stalenessMs),
    run: Number(message.run),
    sequence: Number(message.sequence),
    joined,
    onDisk,
    whole,
  };
}
