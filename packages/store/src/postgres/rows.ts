import { AppendRow } from "./append-row.ts";
import { JournalRows } from "./journal-rows.ts";
import { LeaseRow } from "./lease-row.ts";
import type { PostgresPlace } from "./place.ts";
import { SnapshotRows } from "./snapshot-rows.ts";
import { UnderLease } from "./under-lease.ts";

/** The statements of a place. */
export class Rows {
  readonly append: AppendRow;
  readonly journal: JournalRows;
  readonly snapshots: SnapshotRows;
  readonly lease: LeaseRow;
  readonly underLease: UnderLease;

  constructor(place: PostgresPlace) {
    this.append = new AppendRow(place.schema);
    this.journal = new JournalRows(place.schema);
    this.snapshots = new SnapshotRows(place.schema);
    this.lease = new LeaseRow(place);
    this.underLease = new UnderLease(place.schema);
  }
}
