import type { AccountIndex, CurrencyIndex, LedgerRecord, RequestId, RequestKey } from "@bank/core";
import { AccountType, AMOUNT_MAX, BALANCE_MIN, REJECTIONS, RecordKind, type RejectionReason } from "@bank/core";
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
  amount: fc.bigInt(0n, 2n ** 64n - 1n),
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
});

const rejected = fc.record({
  ...acted,
  kind: fc.constant(RecordKind.REJECTED),
  rejection: fc.record({
    reason,
    metadata: fc.dictionary(fc.oneof(fc.constantFrom("__proto__", "1", "0", "account"), text(20)), text(64), {
      maxKeys: 5,
      noNullPrototype: true,
    }),
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
});

/** Any record of any kind but the beginning of an epoch, whether or not a ledger would ever decide it. */
const anyRecord: fc.Arbitrary<LedgerRecord> = fc.oneof(
  { weight: 4, arbitrary: movement },
  opened,
  rejected,
  currencyDefined,
  branchRegistered,
  stateRoot,
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
    records: fc.array(anyRecord, { minLength: 1, maxLength: 30 }),
  })
  .map(({ header: { behind, ...header }, epoch, records }) => ({
    header: { ...header, committedPosition: Math.max(0, header.firstPosition - 1 - behind) },
    records: epoch === undefined ? records : [{ ...epoch, id: header.epochId }, ...records],
  }));
