import { AccountType, BranchState, InvariantError } from "@bank/core";
import { SnapshotHeaderSchema, SnapshotPageSchema } from "@bank/proto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { DigestMismatchError, JournalFormatError } from "./errors.ts";
import { workAtEverything } from "./full-story.test-util.ts";
import { concatenate, flipped } from "./raw-frame.test-util.ts";
import type { Replay } from "./replay.ts";
import { applyFrame } from "./replay.ts";
import { BANK_ID, countingBytes } from "./sample-records.test-util.ts";
import { sha256 } from "./sha256.test-util.ts";
import type { BegunSnapshot, SharedPage, Snapshot } from "./snapshot.ts";
import { beginSnapshot, loadSnapshot, SnapshotLoader, takeSnapshot } from "./snapshot.ts";
import { emptyReplay, TestBank } from "./test-bank.test-util.ts";
import { tellWholeStory } from "./whole-story.test-util.ts";

const options = { bankId: BANK_ID, sha256, hashSeed: 7 };
type Stored = Pick<Snapshot, "header" | "pages">;

function storyteller(seed: number): TestBank {
  const bank = new TestBank();
  tellWholeStory(bank, { seed, batches: 40 });
  return bank;
}

const bank = storyteller(1);
const snapshot = takeSnapshot(bank.replay, sha256);

/** The snapshot with another header, sealed as if it had been written so. */
function withHeader(changes: MessageInitShape<typeof SnapshotHeaderSchema>, pages = snapshot.pages): Stored {
  const header = fromBinary(SnapshotHeaderSchema, snapshot.header.subarray(0, -32));
  const bytes = toBinary(SnapshotHeaderSchema, create(SnapshotHeaderSchema, { ...header, ...changes }));
  return { header: concatenate(bytes, sha256(bytes)), pages };
}

/** Other pages under a header that names their root. */
function withPages(pages: readonly Uint8Array[]): Stored {
  return withHeader({ root: sha256(...pages.map((page) => sha256(page))), pageCount: pages.length }, pages);
}

/** All that can be seen of a state. */
function everythingIn({ ledger, bankId, chainHash }: Replay): unknown {
  return {
    bankId,
    chainHash,
    position: ledger.position,
    timeMs: ledger.timeMs,
    digest: ledger.digestBytes(),
    nextAccountNumber: ledger.nextAccountNumber,
    accounts: Array.from({ length: ledger.accounts.count }, (_, i) => ledger.viewAccount(i as never)),
    requests: Array.from({ length: ledger.requests.count }, (_, i) => ledger.requests.entryAt(i)),
    currencies: ledger.currencies,
    branches: ledger.branchNumbers().map((branch) => [branch, ledger.branches.get(branch)]),
    durability: ledger.durability,
    epochs: ledger.epochs,
    principals: ledger.principals,
    root: ledger.root,
    internal: ledger.currencies.flatMap((_, currency) =>
      [0, 1, 2, 65_535].map((branch) =>
        [AccountType.CASH, AccountType.INTEREST, AccountType.FEES].map((type) =>
          ledger.findInternalAccount(type, branch, currency as never),
        ),
      ),
    ),
    formatLevel: ledger.formatLevel,
    found: Array.from({ length: ledger.accounts.count }, (_, i) => {
      const { reference, alias } = ledger.viewAccount(i as never);
      return [ledger.findAccount(reference), ledger.findAccount(alias), ledger.openHoldsOf(i as never)];
    }),
    aliases: ledger.accounts.aliasCount,
    holds: Array.from({ length: ledger.holds.count }, (_, i) => ledger.holds.viewAt(i)),
    nextExpiryMs: ledger.nextExpiryMs(),
    reversals: new Map([...ledger.reversals].sort(([a], [b]) => a - b)),
  };
}

describe("a snapshot", () => {
  test("holds everything that the state is", () => {
    const loaded = loadSnapshot(snapshot, options);
    expect(everythingIn(loaded)).toEqual(everythingIn(bank.replay));
    expect(loaded.ledger.epochs.length).toBe(6);
    expect(loaded.ledger.epochs[4]?.promotedFrom).toEqual(new Uint8Array(16).fill(1));
    expect(loaded.ledger.durability.members.length).toBeGreaterThan(0);
    expect(new Set([...loaded.ledger.branches.values()].map(({ state }) => state)).size).toBe(3);
    expect(loaded.ledger.formatLevel).toBe(3);
    expect(loaded.ledger.holds.count).toBeGreaterThan(10);
    expect(loaded.ledger.reversals.size).toBeGreaterThan(3);
    expect(loaded.ledger.accounts.aliasCount).toBeGreaterThan(2);
    expect(loaded.ledger.nextExpiryMs()).toBeDefined();
    expect(loaded.ledger.root).toBeDefined();
    expect(loaded.ledger.canRevertRecord()).toBe(false);
    for (let i = 0; i < loaded.ledger.requests.count; i++) {
      const { principal, id, position } = loaded.ledger.requests.entryAt(i);
      const entry = loaded.ledger.findRequest(loaded.ledger.principals[principal]!, id);
      expect(loaded.ledger.requests.positionOf(entry)).toBe(position);
    }
  });

  test("says where it was taken", () => {
    const header = fromBinary(SnapshotHeaderSchema, snapshot.header.subarray(0, -32));
    const { ledger } = bank.replay;
    expect(snapshot.position).toBe(ledger.position);
    expect(header).toMatchObject({
      format: 1,
      bankId: BANK_ID,
      epochId: new Uint8Array(16).fill(6),
      position: BigInt(ledger.position),
      chainHash: bank.frames.at(-1)!.chainHash,
      digest: ledger.digestBytes(),
      root: snapshot.root,
      pageCount: snapshot.pages.length,
    });
    expect(snapshot.header.subarray(-32)).toEqual(sha256(snapshot.header.subarray(0, -32)));
    expect(snapshot.root).toEqual(sha256(concatenate(...snapshot.pages.map((page) => sha256(page)))));
  });

  test("goes on as the ledger that it was taken of", () => {
    const original = storyteller(2);
    const taken = takeSnapshot(original.replay, sha256);
    const loaded = loadSnapshot(taken, options);
    const before = original.frames.length;
    workAtEverything(original, { seed: 22, batches: 30 });
    original.beginEpoch();
    for (const received of original.frames.slice(before)) applyFrame(loaded, received, sha256);
    expect(everythingIn(loaded)).toEqual(everythingIn(original.replay));
    expect(takeSnapshot(loaded, sha256)).toEqual(takeSnapshot(original.replay, sha256));
  });

  test("remembers what was answered: the ledger that comes of it answers no request twice", () => {
    const loaded = new TestBank(loadSnapshot(snapshot, options));
    loaded.timeMs = bank.timeMs;
    // A test bank makes the same request ids in the same order again.
    const again = { kind: "registerBranch", branch: 1, name: "", address: "" } as const;
    expect(() => loaded.execute(again)).toThrow(new InvariantError("a request is answered once"));
  });

  test("is the same for everyone who got the same batches, whatever the seed of their tables", () => {
    for (let cut = 1; cut < bank.frames.length; cut += 7) {
      const replica = emptyReplay(BANK_ID, -5);
      for (const received of bank.frames.slice(0, cut)) applyFrame(replica, received, sha256);
      let restarted = loadSnapshot(takeSnapshot(replica, sha256), { ...options, hashSeed: 99 });
      restarted = loadSnapshot(takeSnapshot(restarted, sha256), options);
      for (const received of bank.frames.slice(cut)) {
        applyFrame(replica, received, sha256);
        applyFrame(restarted, received, sha256);
      }
      expect(takeSnapshot(replica, sha256)).toEqual(snapshot);
      expect(takeSnapshot(restarted, sha256)).toEqual(snapshot);
    }
  });

  test("is the same when branches were registered in another order", () => {
    const roots = [
      [5, 3, 4],
      [3, 4, 5],
    ].map((order) => {
      const { ledger, ...rest } = emptyReplay();
      for (const branch of order)
        ledger.setBranch(branch, { name: `b${branch}`, address: "", state: BranchState.ACTIVE });
      return takeSnapshot({ ledger, ...rest }, sha256).root;
    });
    expect(roots[0]).toEqual(roots[1]);
  });

  test("can be taken of a state with nothing in it", () => {
    const empty = takeSnapshot(emptyReplay(), sha256);
    expect(empty.pages).toHaveLength(1);
    expect(everythingIn(loadSnapshot(empty, options))).toEqual(everythingIn(emptyReplay()));
  });

  test("keeps no part of the pages and header: their memory may be used again", () => {
    const lent = { header: new Uint8Array(snapshot.header), pages: snapshot.pages.map((page) => new Uint8Array(page)) };
    const loaded = loadSnapshot(lent, options);
    lent.header.fill(0xaa);
    for (const page of lent.pages) page.fill(0xaa);
    expect(everythingIn(loaded)).toEqual(everythingIn(bank.replay));
  });
});

describe("a snapshot that is begun", () => {
  test("is of its moment, however far the ledger has gone when its pages are asked for", () => {
    const going = storyteller(4);
    const begun = beginSnapshot(going.replay, sha256);
    const expected = takeSnapshot(going.replay, sha256);
    const pages: Uint8Array[] = [];
    for (const page of begun.pages) {
      if (page !== undefined) pages.push(page instanceof Uint8Array ? page : page.bytes());
      workAtEverything(going, { seed: 4 + pages.length, batches: 3 });
    }
    expect({ position: begun.position, pages, ...begun.seal() }).toEqual(expected);
    expect(takeSnapshot(going.replay, sha256).root).not.toEqual(expected.root);
  });

  test("has full pages of requests as they were, whatever the ledger learned since, and makes them once", () => {
    const busy = new TestBank();
    busy.beginEpoch();
    const order = { kind: "deposit", account: "9", amount: { currency: "EUR", minor: 1n } } as const;
    const work = (count: number) => busy.execute(...Array.from({ length: count }, () => order));
    const sharedPages = (begun: BegunSnapshot) =>
      [...begun.pages].filter((page): page is SharedPage => page !== undefined && !(page instanceof Uint8Array));
    work(5_000);
    const first = beginSnapshot(busy.replay, sha256);
    expect(sharedPages(first).map(({ isProven }) => isProven)).toEqual([false]);
    const neverStored = beginSnapshot(busy.replay, sha256);
    work(5_000);
    const before = sharedPages(neverStored);
    expect(before.map(({ isProven }) => isProven)).toEqual([false]);
    first.stored();
    const next = beginSnapshot(busy.replay, sha256);
    const pages = sharedPages(next);
    expect(pages.map(({ isProven }) => isProven)).toEqual([true, false]);
    for (const { hash, bytes } of [...before, ...pages]) expect(sha256(bytes())).toEqual(hash);
    expect(before[0]?.bytes()).toEqual(pages[0]?.bytes());
    // The root is that of a ledger in whose store nothing lies yet, and a loaded one knows its pages.
    const { root } = next.seal();
    const stored = takeSnapshot(busy.replay, sha256);
    expect(stored.root).toEqual(root);
    const loaded = loadSnapshot(stored, { bankId: busy.replay.bankId, sha256, hashSeed: 5 });
    const again = beginSnapshot(loaded, sha256);
    expect(sharedPages(again).map(({ isProven }) => isProven)).toEqual([true, true]);
    expect(again.seal().root).toEqual(root);
  });

  test("has no root before its last page was asked for", () => {
    const { pages, seal } = beginSnapshot(bank.replay, sha256);
    const iterator = pages[Symbol.iterator]();
    let asked = 0;
    do {
      expect(() => seal()).toThrow(InvariantError);
      asked++;
    } while (!iterator.next().done);
    expect(asked).toBeGreaterThan(snapshot.pages.length);
    expect(seal()).toEqual({ header: snapshot.header, root: snapshot.root });
  });
});

describe("a snapshot that changed", () => {
  test("is refused for every changed byte of a page", () => {
    snapshot.pages.forEach((page, number) => {
      const step = Math.max(1, Math.floor(page.length / 500));
      for (let at = 0; at < page.length; at += step) {
        const pages = snapshot.pages.with(number, flipped(page, at, 1 << (at % 8)));
        expect(() => loadSnapshot({ ...snapshot, pages }, options), `page ${number}, byte ${at}`).toThrow(
          DigestMismatchError,
        );
      }
    });
  });

  test("is refused for every changed byte of the header, the chain hash too", () => {
    for (let at = 0; at < snapshot.header.length; at++) {
      const header = flipped(snapshot.header, at, 1 << (at % 8));
      expect(() => loadSnapshot({ ...snapshot, header }, options), `byte ${at}`).toThrow(DigestMismatchError);
    }
    for (let length = 0; length < snapshot.header.length; length++) {
      const header = snapshot.header.subarray(0, length);
      expect(() => loadSnapshot({ ...snapshot, header }, options)).toThrow(DigestMismatchError);
    }
  });

  test("is refused with pages missing, added, doubled or swapped", () => {
    const { pages } = snapshot;
    expect(pages.length).toBe(5);
    const [tables, accounts, requests, holds, reversals] = pages as [Uint8Array, ...Uint8Array[]];
    for (const other of [[], [tables], pages.slice(0, 4), pages.slice(1), [...pages, requests!]])
      expect(() => loadSnapshot({ ...snapshot, pages: other }, options)).toThrow(JournalFormatError);
    for (const other of [
      [accounts!, tables, requests!, holds!, reversals!],
      [tables, requests!, accounts!, holds!, reversals!],
      [tables, accounts!, requests!, reversals!, holds!],
      [tables, tables, requests!, holds!, reversals!],
    ])
      expect(() => loadSnapshot({ ...snapshot, pages: other }, options)).toThrow(DigestMismatchError);
  });

  test("is refused when it is of another bank", () => {
    const other = { ...options, bankId: countingBytes(1, 16) };
    expect(() => loadSnapshot(snapshot, other)).toThrow(new JournalFormatError("the snapshot is of another bank"));
    expect(() => loadSnapshot(snapshot, { ...options, bankId: BANK_ID.subarray(0, 15) })).toThrow(JournalFormatError);
  });
});

describe("a snapshot that was written wrong, with hashes that fit", () => {
  test.each<[string, MessageInitShape<typeof SnapshotHeaderSchema>]>([
    ["has format 2", { format: 2 }],
    ["has format 0", { format: 0 }],
    ["of another bank", { bankId: countingBytes(1, 16) }],
    ["a chain hash has 32 bytes", { chainHash: countingBytes(1, 31) }],
    ["a chain hash has 32 bytes", { chainHash: new Uint8Array(0) }],
    ["has 5 of 6 pages", { pageCount: 6 }],
    ["has 5 of 4 pages", { pageCount: 4 }],
    ["beyond every real journal", { position: 2n ** 53n }],
  ])("is refused: %s", (message, changes) => {
    expect(() => loadSnapshot(withHeader(changes), options)).toThrow(message);
    expect(() => loadSnapshot(withHeader(changes), options)).toThrow(JournalFormatError);
  });

  test.each<[string, MessageInitShape<typeof SnapshotHeaderSchema>]>([
    ["do not have the root", { root: countingBytes(1, 32) }],
    ["do not have the digest", { digest: countingBytes(1, 16) }],
    ["do not have the digest", { position: BigInt(snapshot.position + 1) }],
    ["the newest epoch in the snapshot is not the one", { epochId: new Uint8Array(16).fill(2) }],
    ["the newest epoch in the snapshot is not the one", { epochId: new Uint8Array(0) }],
  ])("is refused: %s", (message, changes) => {
    expect(() => loadSnapshot(withHeader(changes), options)).toThrow(message);
    expect(() => loadSnapshot(withHeader(changes), options)).toThrow(DigestMismatchError);
  });

  test("is refused with a field that this program does not know, in the header or deep in a page", () => {
    const header = concatenate(snapshot.header.subarray(0, -32), Uint8Array.of(0x48, 1));
    const stored = { header: concatenate(header, sha256(header)), pages: snapshot.pages };
    expect(() => loadSnapshot(stored, options)).toThrow("SnapshotHeader has field 9");
    const page = fromBinary(SnapshotPageSchema, snapshot.pages[0]!);
    if (page.content.case !== "tables") expect.unreachable();
    page.content.value.epochs[1]!.$unknown = [{ no: 6, wireType: 0, data: Uint8Array.of(1) }];
    const pages = snapshot.pages.with(0, toBinary(SnapshotPageSchema, page));
    expect(() => loadSnapshot(withPages(pages), options)).toThrow("EpochEntry has field 6");
  });

  test("is loaded when nothing is wrong: the helpers of these tests change only what they say", () => {
    expect(everythingIn(loadSnapshot(withHeader({}), options))).toEqual(everythingIn(bank.replay));
    expect(everythingIn(loadSnapshot(withPages(snapshot.pages), options))).toEqual(everythingIn(bank.replay));
  });
});

describe("a snapshot that comes a page at a time", () => {
  function loaded({ header, pages }: Stored, hash = sha256): Replay {
    const loader = new SnapshotLoader(header, options);
    for (const page of pages) loader.add(page, { hash: hash(page), terms: undefined });
    return loader.finish("elsewhere");
  }

  test("is what it was, where its pages were hashed elsewhere", () => {
    expect(loaded(snapshot).ledger.digestBytes()).toEqual(bank.replay.ledger.digestBytes());
  });

  test("is refused where its pages do not have its root, whatever their digest", () => {
    expect(() => loaded(withHeader({ root: flipped(snapshot.root, 0, 1) }))).toThrow(DigestMismatchError);
    expect(() => loaded(snapshot, (page) => flipped(sha256(page), 0, 1))).toThrow(DigestMismatchError);
  });
});
