import type { Guarantee } from "./guarantees.ts";
import type { Planter } from "./planter.test-util.ts";

/** One accident that is put into a good history. */
export interface Plant {
  readonly name: string;
  /** Undefined for something that looks suspicious and is right. */
  readonly violates: Guarantee | undefined;
  /** What the same accident breaks too. */
  readonly alsoViolates: readonly Guarantee[];
  /** Whether nothing can happen after it. */
  readonly isLast: boolean;
  readonly put: (planter: Planter) => void;
}

function plant(
  name: string,
  violates: Guarantee | undefined,
  alsoViolates: readonly Guarantee[],
  put: (planter: Planter) => void,
  isLast = false,
): Plant {
  return { name, violates, alsoViolates, put, isLast };
}

const UNKNOWN = { status: "unknown" } as const;
const ALL = { propagation: { mode: "allBranches" } } as const;

/** At least one for each guarantee that the journal's order can show, and what is right though it looks like one. */
export const PLANTS: readonly Plant[] = [
  plant("an acknowledged write that is lost", "acknowledged-kept", ["linearizable"], (p) => {
    p.told({ status: "ok", position: p.other() });
  }),
  plant("a rejection that is lost", "acknowledged-kept", ["linearizable"], (p) => {
    const position = p.other();
    p.told({ status: "rejected", reason: "ACCOUNT_FROZEN", position });
  }),
  plant("another amount than asked", "acknowledged-as-told", ["linearizable"], (p) => {
    p.deposit({ amount: 6n });
  }),
  plant("another account than asked", "acknowledged-as-told", ["linearizable"], (p) => {
    p.deposit({ account: "cash/0/USD" });
  }),
  plant("another payer than asked", "acknowledged-as-told", ["linearizable"], (p) => {
    const payer = p.richAccount(10n);
    const request = p.newRequest();
    const invokeMs = p.now();
    const position = p.withdrawal(request, 5n, payer);
    p.toldSince(invokeMs, { status: "ok", position }, { request, kind: "withdraw", account: p.account });
  }),
  plant("another direction than asked", "acknowledged-as-told", ["linearizable"], (p) => {
    p.deposit({ kind: "withdraw" });
  }),
  plant("another position than told", "acknowledged-as-told", [], (p) => {
    p.deposit({}, { position: p.other() });
  }),
  plant("a rejection that is told as done", "acknowledged-as-told", ["linearizable"], (p) => {
    const request = p.newRequest();
    p.told({ status: "ok", position: p.other("rejected", request) }, { request });
  }),
  plant("a deposit that is told as rejected", "acknowledged-as-told", ["linearizable"], (p) => {
    const request = p.newRequest();
    const position = p.record(request);
    p.told({ status: "rejected", reason: "ACCOUNT_FROZEN", position }, { request });
  }),
  plant("a rejection for another reason than told", "acknowledged-as-told", ["rejection-justified"], (p) => {
    const request = p.newRequest();
    p.told({ status: "rejected", reason: "ACCOUNT_FROZEN" }, { request });
    p.other("rejected", request);
  }),
  plant("a retry that is done again", "exactly-once", ["linearizable"], (p) => {
    const request = p.newRequest();
    const invokeMs = p.now();
    const position = p.record(request);
    p.record(request);
    p.toldSince(invokeMs, { status: "ok", position }, { request });
  }),
  plant("an unknown write that is done twice", "exactly-once", ["linearizable"], (p) => {
    const request = p.newRequest();
    p.told(UNKNOWN, { request });
    p.record(request);
    p.record(request);
  }),
  plant("an unknown write that is done later", undefined, [], (p) => {
    const request = p.newRequest();
    p.told(UNKNOWN, { request });
    p.deposit();
    p.record(request);
  }),
  plant("a retry with another position", "one-answer", ["acknowledged-as-told"], (p) => {
    const request = p.newRequest();
    const invokeMs = p.now();
    const position = p.record(request);
    p.toldSince(invokeMs, { status: "ok", position }, { request });
    p.told({ status: "ok", position: p.other(), replayed: true }, { request });
  }),
  plant("a retry that is suddenly rejected", "one-answer", ["acknowledged-as-told"], (p) => {
    const request = p.newRequest();
    const invokeMs = p.now();
    const position = p.record(request);
    p.toldSince(invokeMs, { status: "ok", position }, { request });
    p.told({ status: "rejected", reason: "INSUFFICIENT_FUNDS", position }, { request });
  }),
  plant("a retry with the same answer, much later", undefined, [], (p) => {
    const request = p.newRequest();
    const invokeMs = p.now();
    const position = p.record(request);
    p.toldSince(invokeMs, { status: "ok", position }, { request, session: "planted" });
    p.deposit({ session: "planted" });
    p.told({ status: "ok", position, replayed: true }, { request, session: "planted" });
  }),
  plant("an effect of what was not applied", "not-applied", ["linearizable"], (p) => {
    const request = p.newRequest();
    p.told({ status: "notApplied", reason: "UNAVAILABLE" }, { request });
    p.record(request);
  }),
  plant("what was not applied at first, and then is", undefined, [], (p) => {
    const request = p.newRequest();
    p.told({ status: "notApplied", reason: "UNAVAILABLE" }, { request });
    const invokeMs = p.now();
    p.toldSince(invokeMs, { status: "ok", position: p.record(request) }, { request });
  }),
  plant("an effect that nobody asked for", "asked-for", ["linearizable"], (p) => {
    p.record("nobody's");
  }),
  plant("an effect without a request", "asked-for", ["linearizable"], (p) => {
    p.record(undefined);
  }),
  plant("a rejection though there is enough", "rejection-justified", ["linearizable"], (p) => {
    p.deposit();
    const request = p.newRequest();
    const invokeMs = p.now();
    const position = p.other("rejected", request);
    const outcome = { status: "rejected", reason: "INSUFFICIENT_FUNDS", position } as const;
    p.toldSince(invokeMs, outcome, { request, kind: "withdraw", amount: p.balanceOf(p.account) });
  }),
  plant("a rejection that nobody was told of, though there is enough", "rejection-justified", [], (p) => {
    p.deposit();
    const request = p.newRequest();
    p.told(UNKNOWN, { request, kind: "withdraw", amount: p.balanceOf(p.account) });
    p.other("rejected", request);
  }),
  plant("a rejection for one more than there is", undefined, [], (p) => {
    const request = p.newRequest();
    const invokeMs = p.now();
    const position = p.other("rejected", request);
    const outcome = { status: "rejected", reason: "INSUFFICIENT_FUNDS", position } as const;
    p.toldSince(invokeMs, outcome, { request, kind: "withdraw", amount: p.balanceOf(p.account) + 1n });
  }),
  plant("a wrong balance", "read-as-of-position", [], (p) => {
    p.read("local", p.position, { balances: [p.balanceOf(p.account) + 1n] });
  }),
  plant(
    "a balance of a position that does not exist",
    "read-as-of-position",
    [],
    (p) => {
      p.read("local", p.position + 1_000_000, { balances: [p.balanceOf(p.account)] });
    },
    true,
  ),
  plant("wrong balances that add up", "read-as-of-position", [], (p) => p.readAll(1n, -1n)),
  plant("a wrong total", "constant-total", ["read-as-of-position"], (p) => p.readAll(0n, 1n)),
  plant(
    "money out of nowhere",
    "double-entry",
    ["constant-total", "asked-for"],
    (p) => {
      p.record(undefined, 5n, "nowhere");
    },
    true,
  ),
  plant("an overdraft", "balance-floor", ["linearizable"], (p) => {
    const request = p.newRequest();
    p.told(UNKNOWN, { request, kind: "withdraw", amount: p.balanceOf(p.account) + 1n });
    p.withdrawal(request, p.balanceOf(p.account) + 1n);
  }),
  plant("money that leaves though it is held", "balance-floor", [], (p) => {
    const account = p.richAccount(10n);
    p.hold(account, 8n);
    const request = p.newRequest();
    const invokeMs = p.now();
    const position = p.withdrawal(request, 3n, account);
    p.toldSince(invokeMs, { status: "ok", position }, { request, kind: "withdraw", account, amount: 3n });
  }),
  plant("money that leaves though other money is held", undefined, [], (p) => {
    const account = p.richAccount(10n);
    p.hold(account, 8n);
    const request = p.newRequest();
    const invokeMs = p.now();
    const position = p.withdrawal(request, 2n, account);
    p.toldSince(invokeMs, { status: "ok", position }, { request, kind: "withdraw", account, amount: 2n });
  }),
  plant(
    "a gap",
    "gapless-positions",
    [],
    (p) => {
      p.other();
      p.moveLastRecord();
    },
    true,
  ),
  plant("a write before one that had been answered", "real-time-order", [], (p) => {
    const [first, second] = [p.newRequest(), p.newRequest()];
    const invokeMs = p.now();
    const early = p.record(second);
    p.toldSince(invokeMs, { status: "ok", position: p.record(first) }, { request: first });
    p.told({ status: "ok", position: early }, { request: second });
  }),
  plant("a write before another, though its first attempt was not applied", "real-time-order", [], (p) => {
    const request = p.newRequest();
    p.told({ status: "notApplied" }, { request });
    const position = p.record(request);
    p.deposit();
    p.told({ status: "ok", position }, { request });
  }),
  plant("a read of what is sent only later", "real-time-order", [], (p) => {
    const request = p.newRequest();
    const position = p.record(request);
    p.read("local", position);
    p.told({ status: "ok", position }, { request });
  }),
  plant("two writes at once, in either order", undefined, [], (p) => {
    const [first, second] = [p.newRequest(), p.newRequest()];
    const invokeMs = p.now();
    const early = p.record(second);
    p.toldSince(invokeMs, { status: "ok", position: p.record(first) }, { request: first });
    p.toldSince(invokeMs, { status: "ok", position: early }, { request: second });
  }),
  plant("a stale linearizable read", "linearizable-read", ["linearizable"], (p) => {
    p.read("linearizable", p.deposit() - 1);
  }),
  plant("a linearizable read that is behind another", "linearizable-read", ["linearizable"], (p) => {
    const request = p.newRequest();
    p.told(UNKNOWN, { request });
    p.read("linearizable", p.record(request));
    p.read("linearizable", p.position - 1);
  }),
  plant("a linearizable read that is behind a local one", "shown-is-committed", [], (p) => {
    const request = p.newRequest();
    p.told(UNKNOWN, { request });
    p.read("local", p.record(request));
    p.read("linearizable", p.position - 1);
  }),
  plant("a session that does not see its write", "read-your-writes", [], (p) => {
    p.read("session", p.deposit({ session: "planted" }) - 1, {}, "planted");
  }),
  plant("a bounded read that does not see its session's write", "read-your-writes", [], (p) => {
    const position = p.deposit({ session: "planted" });
    p.read({ mode: "bounded", maxStalenessMs: 500 }, position - 1, { stalenessMs: 400 }, "planted");
  }),
  plant("a local read that does not see its session's write", undefined, [], (p) => {
    p.read("local", p.deposit({ session: "planted" }) - 1, {}, "planted");
  }),
  plant("another session that does not see the write", undefined, [], (p) => {
    p.read("session", p.deposit({ session: "planted" }) - 1, {}, "another");
  }),
  plant("a session that sees less than before", "monotonic-reads", [], (p) => {
    const position = p.deposit();
    p.read("session", position, {}, "planted");
    p.read("session", position - 1, {}, "planted");
  }),
  plant("a session that sees less than a local read of it", "monotonic-reads", [], (p) => {
    const position = p.deposit();
    p.read("local", position, {}, "planted");
    p.read("session", position - 1, {}, "planted");
  }),
  plant("a session's writes in the wrong order", "monotonic-writes", ["real-time-order"], (p) => {
    const [first, second] = [p.newRequest(), p.newRequest()];
    const invokeMs = p.now();
    const early = p.record(second);
    p.toldSince(invokeMs, { status: "ok", position: p.record(first) }, { request: first, session: "planted" });
    p.told({ status: "ok", position: early }, { request: second, session: "planted" });
  }),
  plant("a write before what its session had read", "writes-follow-reads", ["real-time-order"], (p) => {
    const [others, own] = [p.newRequest(), p.newRequest()];
    p.told(UNKNOWN, { request: others });
    const early = p.record(own);
    p.read("session", p.record(others), {}, "planted");
    p.told({ status: "ok", position: early }, { request: own, session: "planted" });
  }),
  plant("a token that does not cover its reply", "session-token", [], (p) => {
    p.read("local", p.position, { session: p.position - 1 });
  }),
  plant(
    "a token of what is not there",
    "session-token",
    [],
    (p) => {
      p.read("local", p.position, { session: p.position + 1_000_000 });
    },
    true,
  ),
  plant("a read of another position than asked", "as-of", [], (p) => {
    p.read({ mode: "position", position: p.position - 1 }, p.position - 2);
  }),
  plant("a read of another time than asked", "as-of", [], (p) => {
    const position = p.deposit();
    p.pass(5);
    p.deposit();
    p.read({ mode: "time", timeMs: p.journalMs(position) }, position - 1);
  }),
  plant("a state that is older than it says", "staleness", [], (p) => {
    const position = p.deposit();
    p.pass(10);
    p.read("local", position - 1, { stalenessMs: 5 });
  }),
  plant("a state that is as old as it says", undefined, [], (p) => {
    const position = p.deposit();
    p.pass(10);
    p.read("local", position - 1, { stalenessMs: 15 });
  }),
  plant("an old state that does not say how old it is", undefined, [], (p) => {
    p.read("local", p.deposit() - 3);
  }),
  plant("a bounded read that says it is beyond its bound", "bounded-staleness", [], (p) => {
    p.read({ mode: "bounded", maxStalenessMs: 5 }, p.position, { stalenessMs: 6 });
  }),
  plant("a bounded read for which the bank was asked, slowly", undefined, [], (p) => {
    p.read({ mode: "bounded", maxStalenessMs: 5 }, p.position, { stalenessMs: 8 }, undefined, 8);
  }),
  plant("a slow bounded read that is older than it took", "bounded-staleness", [], (p) => {
    p.read({ mode: "bounded", maxStalenessMs: 5 }, p.position, { stalenessMs: 9 }, undefined, 8);
  }),
  plant("a bounded read that says nothing", "bounded-staleness", [], (p) => {
    p.read({ mode: "bounded", maxStalenessMs: 5 }, p.position);
  }),
  plant("a bounded read beyond its bound that says otherwise", "bounded-staleness", ["staleness"], (p) => {
    const position = p.deposit();
    p.pass(10);
    p.read({ mode: "bounded", maxStalenessMs: 5 }, position - 1, { stalenessMs: 5 });
  }),
  plant("a connected branch without what was shown everywhere", "propagation", [], (p) => {
    const position = p.deposit(ALL, { propagation: { satisfied: true } });
    p.read("local", position - 1, { connected: true });
  }),
  plant("all branches, and still one is missing", "propagation", [], (p) => {
    p.deposit(ALL, { propagation: { satisfied: true, missing: ["branch-2"] } });
  }),
  plant("a quorum of two that one has reached", "propagation", [], (p) => {
    p.deposit({ propagation: { mode: "quorum", copies: 2 } }, { propagation: { satisfied: true, copies: 1 } });
  }),
  plant("a branch that is cut off, without what was shown everywhere", undefined, [], (p) => {
    const position = p.deposit(ALL, { propagation: { satisfied: true } });
    p.read("local", position - 1, { connected: false });
  }),
  plant("a connected branch without what was said to be missing", undefined, [], (p) => {
    const position = p.deposit(ALL, { propagation: { satisfied: false, missing: ["branch-2"] } });
    p.read("local", position - 1, { connected: true });
  }),
];
