import type { AccountIndex, CurrencyIndex, LedgerRecord, RequestId, RequestKey } from "@bank/core";
import {
  AccountState,
  AccountType,
  AMOUNT_MAX,
  BALANCE_MIN,
  BRANCH_NUMBER_MAX,
  BranchState,
  DURABILITY_MEMBERS_MAX,
  FORMAT_LEVEL_MAX,
  RATE_MAX,
  REJECTIONS,
  RecordKind,
  type RejectionReason,
  TIME_MS_MAX,
  toHex,
} from "@bank/core";
import fc from "fast-check";
import type { BatchHeader } from "./frame.ts";

/** Any well-formed text of up to `length` code points: a code point takes one or two UTF-16 code units. */
function text(length: number): fc.Arbitrary<string> {
  const unit = fc.oneof(
    fc.constantFrom("a", "ß", "€", "\u{1f3e6}", "\uFEFF", "\0"),
    fc.string({ unit: "binary", maxLength: 1 }),
  );
  return fc.array(unit, { maxLength: length }).map((units) => units.join(""));
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const uint32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }));
const safe = fc.oneof(fc.nat(300), fc.maxSafeNat());
const int32 = fc.integer();
const int64 = fc.oneof(fc.bigInt(-3n, 3n), fc.bigInt(BALANCE_MIN, AMOUNT_MAX));
const accountIndex = uint32 as fc.Arbitrary<AccountIndex>;
const currencyIndex = uint32 as fc.Arbitrary<CurrencyIndex>;
const position = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const amount = fc.oneof(fc.bigInt(1n, 3n), fc.bigInt(1n, AMOUNT_MAX));
const ceiling = fc.option(amount, { nil: undefined });
const expiresMs = fc.oneof(fc.nat(1), fc.integer({ min: 1, max: TIME_MS_MAX }));
/** Texts by name, under names that an object treats in a way of its own too. */
function texts(minKeys: number): fc.Arbitrary<Record<string, string>> {
  const key = fc.oneof(fc.constantFrom("__proto__", "1", "0", "account"), text(20));
  return fc.dictionary(key, text(64), { minKeys, maxKeys: 5, noNullPrototype: true });
}
const reason = fc.constantFrom(...(Object.keys(REJECTIONS) as RejectionReason[]));

const request: fc.Arbitrary<RequestKey> = fc.record({
  id: bytes(16) as unknown as fc.Arbitrary<RequestId>,
  hashLow: int32,
  hashHigh: int32,
});
const acted = {
  principal: fc.oneof(fc.constantFrom("dev", "bank"), text(64)),
  branch: fc.oneof(fc.nat(3), fc.nat(65_535)),
  request: fc.option(request, { nil: undefined }),
};

const movement = fc.record({
  ...acted,
  kind: fc.constantFrom(RecordKind.DEPOSIT, RecordKind.WITHDRAWAL, RecordKind.TRANSFER),
  debit: accountIndex,
  credit: accountIndex,
  amount: fc.bigInt(0n, AMOUNT_MAX),
});

const opened = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.ACCOUNT_OPENED),
  account: accountIndex,
  type: fc.constantFrom(...Object.values(AccountType)),
  number: safe,
  name: text(64),
  currency: currencyIndex,
  homeBranch: uint32,
  owner: text(64),
  displayName: text(64),
  floor: int64,
  ceiling,
  alias: fc.option(
    text(32).map((alias) => `a${alias}`),
    { nil: undefined },
  ),
  metadata: fc.option(texts(1), { nil: undefined }),
});

const rejected = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.REJECTED),
  rejection: fc.record({
    reason,
    metadata: texts(0),
    item: fc.option(fc.integer({ min: 1, max: 0xffff_ffff }), { nil: undefined }),
  }),
});

const currencyDefined = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.CURRENCY_DEFINED),
  currency: currencyIndex,
  code: text(4),
  decimals: uint32,
});

const branchRegistered = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.BRANCH_REGISTERED),
  number: uint32,
  name: text(64),
  address: text(128),
});

const stateRoot = fc.record({ ...acted, kind: fc.constant(RecordKind.STATE_ROOT), position: safe, root: bytes(32) });

const epochBegun = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.EPOCH_BEGUN),
  number: safe,
  id: bytes(16),
  bankId: bytes(16),
  lossAccepted: fc.boolean(),
  promotedFrom: fc.option(bytes(16), { nil: undefined }),
});

const formatLevelRaised = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.FORMAT_LEVEL_RAISED),
  level: fc.integer({ min: 2, max: FORMAT_LEVEL_MAX }),
});

const accountUpdated = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.ACCOUNT_UPDATED),
  account: accountIndex,
  displayName: text(64),
  floor: int64,
  ceiling,
  metadata: texts(0),
});

const accountStateChanged = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.ACCOUNT_STATE_CHANGED),
  account: accountIndex,
  state: fc.constantFrom(...Object.values(AccountState)),
});

const reversal = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.REVERSAL),
  original: position,
  debit: accountIndex,
  credit: accountIndex,
  amount,
});

const interestApplied = fc
  .record({
    ...acted,
    kind: fc.constant(RecordKind.INTEREST_APPLIED),
    account: accountIndex,
    rate: fc.nat(RATE_MAX),
    balance: fc.oneof(fc.constant(0n), amount),
    paidFrom: fc.integer({ min: 0, max: 0xffff_fffe }) as fc.Arbitrary<AccountIndex>,
    amount: fc.oneof(fc.constant(0n), amount),
  })
  .map(({ paidFrom, ...record }) => ({ ...record, paidFrom: record.amount === 0n ? undefined : paidFrom }));

/** A hold as it may stand behind a record, whichever. */
const hold = fc
  .record({ ...acted, account: accountIndex, parts: fc.tuple(amount, amount), expiresMs, hold: position })
  .map(({ parts: [a, b], ...record }) => ({ ...record, held: a > b ? a : b, captured: a > b ? b : a }));

const holdPlaced = hold.map(({ hold: _, ...record }) => ({
  ...record,
  kind: RecordKind.HOLD_PLACED,
  captured: 0n,
}));
const holdCaptured = fc.tuple(hold, accountIndex, amount).map(([record, credit, part]) => ({
  ...record,
  kind: RecordKind.HOLD_CAPTURED,
  credit,
  amount: min(record.captured, part),
}));
const holdReleased = hold.map((record) => ({
  ...record,
  kind: RecordKind.HOLD_RELEASED,
  captured: record.captured - 1n,
}));
const holdExtended = hold.map((record) => ({
  ...record,
  kind: RecordKind.HOLD_EXTENDED,
  captured: record.captured - 1n,
  expiresMs: Math.max(1, record.expiresMs),
}));

const holdsExpired = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.HOLDS_EXPIRED),
  holds: fc.array(position, { minLength: 1, maxLength: 300 }),
});

const branchNumber = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: BRANCH_NUMBER_MAX }));

const branchStateChanged = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.BRANCH_STATE_CHANGED),
  target: branchNumber,
  state: fc.constantFrom(...Object.values(BranchState)),
});

const durabilitySet = fc
  .record({
    ...acted,
    kind: fc.constant(RecordKind.DURABILITY_SET),
    branches: fc.uniqueArray(branchNumber, { maxLength: DURABILITY_MEMBERS_MAX }),
    copyIds: fc.uniqueArray(bytes(16), {
      minLength: DURABILITY_MEMBERS_MAX,
      maxLength: DURABILITY_MEMBERS_MAX,
      selector: toHex,
    }),
    share: fc.nat(DURABILITY_MEMBERS_MAX - 1),
  })
  .map(({ branches, copyIds, share, ...record }) => ({
    ...record,
    copies: branches.length === 0 ? 0 : 1 + (share % branches.length),
    members: branches.sort((a, b) => a - b).map((branch, i) => ({ branch, copyId: copyIds[i] as Uint8Array })),
  }));

const timeTicked = fc.record({ ...acted, kind: fc.constant(RecordKind.TIME_TICKED) });

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** Any record that can be part of a group. */
const item: fc.Arbitrary<LedgerRecord> = fc.oneof(
  { weight: 4, arbitrary: movement },
  opened,
  currencyDefined,
  accountUpdated,
  accountStateChanged,
  reversal,
  interestApplied,
  holdPlaced,
  holdCaptured,
  holdReleased,
  holdExtended,
);

/** Any other record of any kind but the beginning of an epoch, whether or not a ledger would ever decide it. */
const other: fc.Arbitrary<LedgerRecord> = fc.oneof(
  rejected,
  branchRegistered,
  stateRoot,
  formatLevelRaised,
  holdsExpired,
  timeTicked,
  branchStateChanged,
  durabilitySet,
);

/** Records that answer nobody by themselves, and the one that commits them. */
const group: fc.Arbitrary<LedgerRecord[]> = fc
  .record({ ...acted, items: fc.array(item, { minLength: 1, maxLength: 8 }) })
  .map(({ items, ...committed }) => [
    ...items.map((record) => ({ ...record, request: undefined })),
    { ...committed, kind: RecordKind.GROUP_COMMITTED, records: items.length },
  ]);

/** What stands together. */
const some: fc.Arbitrary<LedgerRecord[]> = fc.oneof(
  { weight: 8, arbitrary: item.map((record) => [record]) },
  { weight: 3, arbitrary: other.map((record) => [record]) },
  { weight: 1, arbitrary: group },
);

/** A batch that can be written: some records, the first perhaps the beginning of an epoch, and a header that fits. */
export const anyBatch: fc.Arbitrary<{ header: Omit<BatchHeader, "count">; records: LedgerRecord[] }> = fc
  .record({
    header: fc.record({
      epochId: bytes(16),
      firstPosition: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
      timeMs: safe,
      digestAfter: bytes(16),
      behind: fc.nat(300),
    }),
    epoch: fc.option(epochBegun, { nil: undefined, freq: 4 }),
    records: fc.array(some, { minLength: 1, maxLength: 30 }).map((all) => all.flat()),
  })
  .map(({ header: { behind, ...header }, epoch, records }) => ({
    header: { ...header, committedPosition: Math.max(0, header.firstPosition - 1 - behind) },
    records: epoch === undefined ? records : [{ ...epoch, id: header.epochId }, ...records],
  }));
