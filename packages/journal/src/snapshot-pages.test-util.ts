import { Ledger } from "@bank/core";
import type { SnapshotPage } from "@bank/proto";
import { SnapshotPageSchema } from "@bank/proto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { freezePages, loadPages } from "./snapshot-pages.ts";

/** What a lenient decoder sees in a page. */
export function content(page: Uint8Array): SnapshotPage["content"] {
  return fromBinary(SnapshotPageSchema, page).content;
}

/** The pages of a ledger, all at once. */
export function encodePages(ledger: Ledger): Uint8Array[] {
  const pages = [...freezePages(ledger)].filter((page) => page !== undefined);
  return pages.map((page) => (page instanceof Uint8Array ? page : page.bytes()));
}

/** A page of anything, checked by nobody. */
export function encodePage(page: MessageInitShape<typeof SnapshotPageSchema>["content"]): Uint8Array {
  return toBinary(SnapshotPageSchema, create(SnapshotPageSchema, page === undefined ? {} : { content: page }));
}

/** The ledger of these pages. */
export function load(...pages: readonly Uint8Array[]): Ledger {
  const ledger = new Ledger({ hashSeed: 3 });
  loadPages(ledger, pages);
  return ledger;
}

/** What each page holds, and how much of it. */
export function kindsOf(all: readonly Uint8Array[]): string[] {
  return all.map((page) => {
    const { case: kind, value } = content(page);
    if (kind === "accounts") return `accounts ${value.firstAccount}+${value.types.length}`;
    if (kind === "requests") return `requests ${value.ids.length / 16}`;
    if (kind === "holds") return `holds ${value.states.length}`;
    if (kind === "reversals") return `reversals ${value.originals.length / 8}`;
    return String(kind);
  });
}
