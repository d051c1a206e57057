import { type Position, RecordKind, type RecordList, type RequestId } from "@bank/core";

/** What the records of one group have in common. */
export interface Group {
  /** Of the record that answers for it. */
  readonly position: Position;
  readonly requestId: RequestId | undefined;
}

/** The group that each record is in, by index; undefined where there is no group. */
export function groupsOf(records: RecordList, firstPosition: Position): ReadonlyMap<number, Group> | undefined {
  let groups: Map<number, Group> | undefined;
  for (const [at, record] of records.others) {
    if (record.kind !== RecordKind.GROUP_COMMITTED) continue;
    groups ??= new Map();
    const group = { position: firstPosition + at, requestId: record.request?.id };
    for (let i = at - record.records; i < at; i++) groups.set(i, group);
  }
  return groups;
}
