import {
  AccountType,
  AMOUNT_MAX,
  BALANCE_MIN,
  type Group,
  type GroupItem,
  RATE_MAX,
  requestIdFromBytes,
  TIME_MS_MAX,
} from "@bank/core";
import fc from "fast-check";

/** Request ids of any bytes. */
export const ids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(requestIdFromBytes);

const amount = fc.record({ currency: fc.constantFrom("USD", "JPY", "KWD"), minor: fc.bigInt(1n, AMOUNT_MAX) });
const account = fc.string({ minLength: 1, maxLength: 64, unit: "binary-ascii" });
const text = fc.string({ unit: "grapheme", maxLength: 10 });
const position = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const timeMs = fc.integer({ min: 1, max: TIME_MS_MAX });
const metadata = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 8, unit: "grapheme-ascii" }).filter((key) => key !== "__proto__"),
  text,
  { minKeys: 1, maxKeys: 5, noNullPrototype: true },
);
const ceiling = fc.bigInt(1n, AMOUNT_MAX - 1n);
/** Left out at times, with its key. */
function some<T>(name: string, values: fc.Arbitrary<T>) {
  return fc.option(values, { nil: undefined }).map((value) => (value === undefined ? {} : { [name]: value }));
}

function command(kind: GroupItem["kind"], ...parts: readonly fc.Arbitrary<object>[]): fc.Arbitrary<GroupItem> {
  return fc.tuple(...parts).map((all) => Object.assign({ kind }, ...all) as GroupItem);
}
const versioned = some("expectedVersion", position);
const onAccount = fc.record({ account });
const onHold = fc.record({ hold: position });

/** Every command that a group can hold, at least once each in a hundred. */
export const items: fc.Arbitrary<GroupItem> = fc.oneof(
  command(
    "openAccount",
    fc.record({ owner: text, displayName: text, currency: fc.constantFrom("USD", "JPY") }),
    fc.oneof(
      fc.record({ type: fc.constant(AccountType.SAVINGS) }),
      fc.record({ type: fc.constant(AccountType.CHECKING), floor: fc.bigInt(BALANCE_MIN, -1n) }),
    ),
    some(
      "alias",
      fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,63}$/).filter((alias) => !/^0[0-9]*$/.test(alias)),
    ),
    some("metadata", metadata),
    some("ceiling", ceiling),
  ),
  command(
    "updateAccount",
    onAccount,
    fc.record({ displayName: text }),
    some("metadata", fc.oneof(metadata, fc.constant({}))),
    some("floor", fc.bigInt(BALANCE_MIN, AMOUNT_MAX)),
    some("ceiling", fc.oneof(ceiling, fc.constant(null))),
    versioned,
  ),
  command("freezeAccount", onAccount, versioned),
  command("unfreezeAccount", onAccount, versioned),
  command("closeAccount", onAccount, versioned),
  command("deposit", onAccount, fc.record({ amount }), versioned),
  command("withdraw", onAccount, fc.record({ amount }), versioned),
  command("transfer", fc.record({ from: account, to: account, amount }), versioned),
  command("reverse", fc.record({ transaction: position }), versioned),
  command("applyInterest", onAccount, fc.record({ rate: fc.nat(RATE_MAX) }), versioned),
  command("placeHold", onAccount, fc.record({ amount, expiresMs: fc.oneof(fc.constant(0), timeMs) }), versioned),
  command(
    "captureHold",
    onHold,
    some("amount", amount),
    fc.record({ to: fc.oneof(fc.constant(""), account) }),
    versioned,
  ),
  command("releaseHold", onHold, versioned),
  command("extendHold", onHold, fc.record({ expiresMs: timeMs }), versioned),
);

/** Groups of them. */
export const groups: fc.Arbitrary<Group> = fc
  .array(items, { minLength: 1, maxLength: 5 })
  .map((grouped) => ({ kind: "group", items: grouped }));
