import type { LedgerRecord, Records } from "@bank/core";
import { BATCH_RECORDS_MAX, bytesEqual, isMovement, RecordKind, RecordList } from "@bank/core";
import { checkGroup, checkRecord } from "./check-record.ts";
import { JournalFormatError } from "./errors.ts";
import type { Batch, BatchHeader } from "./frame.ts";

/** What a batch shows by itself, checked before it is written and again when it is read. */
export function checkBatch({ header, records }: Batch): void {
  checkHeader(header);
  const { kinds, amountWords, length } = records;
  for (let i = 0; i < length; i++) {
    if ((kinds[i] as number) > RecordKind.TRANSFER) checkOther(header, records, i);
    else if (kinds[i] === 0) throw new JournalFormatError("a record has a kind");
    // All else of a movement is checked by `apply`.
    else if ((amountWords[2 * i + 1] as number) < 0) throw new JournalFormatError("an amount has 63 bits");
  }
}

export function checkHeader(header: BatchHeader): void {
  const { epochId, firstPosition, count, digestAfter, committedPosition } = header;
  if (epochId.length !== 16) throw new JournalFormatError("an epoch id has 16 bytes");
  if (digestAfter.length !== 16) throw new JournalFormatError("a digest has 16 bytes");
  if (count === 0 || count > BATCH_RECORDS_MAX)
    throw new JournalFormatError(`a batch has 1 to ${BATCH_RECORDS_MAX} records, not ${count}`);
  if (firstPosition === 0) throw new JournalFormatError("positions begin at 1");
  if (committedPosition >= firstPosition) throw new JournalFormatError("a batch is not committed before it is written");
}

/** Records in columns. Throws: `JournalFormatError` for a movement that does not fit into them. */
export function inColumns(records: Records): RecordList {
  if (records instanceof RecordList) return records;
  for (const record of records) checkFits(record);
  return RecordList.of(records);
}

/** A typed array would quietly cut off what does not fit. */
function checkFits(record: LedgerRecord): void {
  if (!isMovement(record)) return;
  const { debit, credit, amount } = record;
  if (debit >>> 0 !== debit || credit >>> 0 !== credit || BigInt.asUintN(63, amount) !== amount)
    throw new JournalFormatError(`a movement of ${amount} from ${debit} to ${credit} does not fit into its columns`);
}

function checkOther(header: BatchHeader, records: RecordList, index: number): void {
  const record = records.others.get(index);
  if (record === undefined) throw new JournalFormatError("a record that is no movement is missing in its list");
  checkRecord(record);
  if (record.kind === RecordKind.GROUP_COMMITTED) checkGroup(records, index, record.records);
  if (record.kind !== RecordKind.EPOCH_BEGUN) return;
  if (record.bankId.length !== 16) throw new JournalFormatError("a bank id has 16 bytes");
  // Each batch belongs to one epoch, and an epoch to whole batches.
  if (index > 0) throw new JournalFormatError("an epoch begins with the first record of a batch");
  if (!bytesEqual(record.id, header.epochId))
    throw new JournalFormatError("a batch that begins an epoch is written under it");
}
