import type { LedgerRecord, MovementRecord } from "@bank/core";
import { REJECTIONS, RecordKind } from "@bank/core";
import type { BatchPayload, HoldChanged } from "@bank/proto";
import {
  AccountOpenedSchema,
  AccountStateChangedSchema,
  AccountUpdatedSchema,
  BranchRegisteredSchema,
  BranchStateChangedSchema,
  CurrencyDefinedSchema,
  DurabilityMemberSchema,
  DurabilitySetSchema,
  EpochBegunSchema,
  FormatLevelRaisedSchema,
  HoldChangedSchema,
  HoldsExpiredSchema,
  InterestAppliedSchema,
  RejectedSchema,
  ReversalSchema,
  StateRootSchema,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import type { HoldRecord } from "./record-kinds.ts";
import { toLists, wellFormed } from "./texts.ts";

type OtherRecord = Exclude<LedgerRecord, MovementRecord>;

const NONE = new Uint8Array(0);

/**
 * Puts what is a record's own, as `checkRecord` passed it, behind the others in its column.
 * Throws: `JournalFormatError` for a text that has no UTF-8.
 */
export function encodeEntry(payload: BatchPayload, record: OtherRecord): void {
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED: {
      const { account, type, currency, homeBranch, floor } = record;
      const { keys: metadataKeys, values: metadataValues } = toLists(record.metadata ?? {});
      payload.accountsOpened.push(
        create(AccountOpenedSchema, {
          account,
          type,
          number: BigInt(record.number),
          name: wellFormed(record.name),
          currency,
          homeBranch,
          owner: wellFormed(record.owner),
          displayName: wellFormed(record.displayName),
          floor,
          ceiling: record.ceiling ?? 0n,
          alias: wellFormed(record.alias ?? ""),
          metadataKeys,
          metadataValues,
        }),
      );
      return;
    }
    case RecordKind.REJECTED: {
      const { reason, metadata, item = 0 } = record.rejection;
      payload.rejections.push(
        create(RejectedSchema, { reason: REJECTIONS[reason].number, ...toLists(metadata), item }),
      );
      return;
    }
    case RecordKind.EPOCH_BEGUN: {
      const { id, bankId, lossAccepted, promotedFrom = NONE } = record;
      const number = BigInt(record.number);
      payload.epochsBegun.push(create(EpochBegunSchema, { number, id, bankId, lossAccepted, promotedFrom }));
      return;
    }
    case RecordKind.BRANCH_STATE_CHANGED: {
      const { target: branch, state } = record;
      payload.branchStatesChanged.push(create(BranchStateChangedSchema, { branch, state }));
      return;
    }
    case RecordKind.DURABILITY_SET: {
      const { copies } = record;
      const members = record.members.map(({ branch, copyId }) => create(DurabilityMemberSchema, { branch, copyId }));
      payload.durabilitiesSet.push(create(DurabilitySetSchema, { copies, members }));
      return;
    }
    case RecordKind.CURRENCY_DEFINED: {
      const { currency, decimals } = record;
      payload.currenciesDefined.push(
        create(CurrencyDefinedSchema, { currency, code: wellFormed(record.code), decimals }),
      );
      return;
    }
    case RecordKind.BRANCH_REGISTERED: {
      const { number: branch, name, address } = record;
      payload.branchesRegistered.push(
        create(BranchRegisteredSchema, { branch, name: wellFormed(name), address: wellFormed(address) }),
      );
      return;
    }
    case RecordKind.STATE_ROOT:
      payload.stateRoots.push(create(StateRootSchema, { position: BigInt(record.position), root: record.root }));
      return;
    case RecordKind.FORMAT_LEVEL_RAISED:
      payload.formatLevelsRaised.push(create(FormatLevelRaisedSchema, { level: record.level }));
      return;
    case RecordKind.ACCOUNT_UPDATED: {
      const { account, displayName, floor, ceiling = 0n } = record;
      const { keys: metadataKeys, values: metadataValues } = toLists(record.metadata);
      payload.accountsUpdated.push(
        create(AccountUpdatedSchema, {
          account,
          displayName: wellFormed(displayName),
          floor,
          ceiling,
          metadataKeys,
          metadataValues,
        }),
      );
      return;
    }
    case RecordKind.ACCOUNT_STATE_CHANGED: {
      const { account, state } = record;
      payload.accountStatesChanged.push(create(AccountStateChangedSchema, { account, state }));
      return;
    }
    case RecordKind.REVERSAL: {
      const { debit, credit, amount } = record;
      payload.reversals.push(create(ReversalSchema, { original: BigInt(record.original), debit, credit, amount }));
      return;
    }
    case RecordKind.INTEREST_APPLIED: {
      const { account, rate, balance, amount } = record;
      const paidFrom = record.paidFrom === undefined ? 0 : record.paidFrom + 1;
      payload.interestsApplied.push(create(InterestAppliedSchema, { account, rate, balance, paidFrom, amount }));
      return;
    }
    case RecordKind.HOLD_PLACED:
    case RecordKind.HOLD_CAPTURED:
    case RecordKind.HOLD_RELEASED:
    case RecordKind.HOLD_EXTENDED:
      payload.holdsChanged.push(holdChanged(record));
      return;
    case RecordKind.HOLDS_EXPIRED:
      payload.holdsExpired.push(create(HoldsExpiredSchema, { holds: record.holds.map(BigInt) }));
      return;
    case RecordKind.GROUP_COMMITTED:
      payload.groupsCommitted.push(record.records);
      return;
    case RecordKind.TIME_TICKED:
      // The time of its batch is all that it has to say.
      return;
  }
}

function holdChanged(record: HoldRecord): HoldChanged {
  const { account, held, captured } = record;
  const entry = create(HoldChangedSchema, { account, held, captured, expiresMs: BigInt(record.expiresMs) });
  if (record.kind !== RecordKind.HOLD_PLACED) entry.hold = BigInt(record.hold);
  if (record.kind === RecordKind.HOLD_CAPTURED) {
    entry.credit = record.credit;
    entry.amount = record.amount;
  }
  return entry;
}
