import type { Damage, StoreReport, Verified } from "@bank/node";
import { hex } from "./hex.ts";

/** What to do about each kind of damage. */
const ADVICE: Readonly<Record<Damage["what"], readonly string[]>> = {
  journal: [
    "Do not start the bank from it, and change nothing in it: what lies behind the damage cannot be proven any more from here.",
    "Every branch that has its whole journal holds the same bytes: stop one, check it (bank-server store verify --store",
    "sqlite:DIR/journal), and make it the bank's (bank-server promote), or bring a backup back and let bank-server heal take",
    "from a branch what is missing.",
  ],
  root: [
    "The journal itself proves right, but names another root than its records lead to: no branch can begin from a snapshot of that",
    "position, and it is a defect of the program that wrote it or of this one. Report it; the bank can be started.",
  ],
  snapshot: [
    "Nothing is lost: a start passes over the snapshot, loudly, and takes an older one or the whole journal; the bank replaces it.",
    "But something has changed what was stored there: look after the disk.",
  ],
  "account rows": [
    "Nothing is lost: the rows are a view of the journal. bank-server store verify --repair-rows writes them anew.",
  ],
};

const TITLES: Readonly<Record<Damage["what"], string>> = {
  journal: "the journal is damaged",
  root: "a root in the journal is wrong",
  snapshot: "a snapshot is damaged",
  "account rows": "the rows of accounts are not those of the ledger",
};

/** Whether nothing is wrong but what can be written anew from the journal at any time. */
export function isViewOnly(report: StoreReport): boolean {
  return report.kind === "verified" && report.verified.damages.every(({ what }) => what === "account rows");
}

/** What an operator is told of a check. */
export function describeReport(report: StoreReport, place: string): string {
  if (report.kind === "unreadable")
    return [`DAMAGED: ${place} cannot be opened: ${report.problem}`, ...ADVICE.journal.map(indented)].join("\n");
  const { verified, bankId, rowsRepaired, fencedTo } = report;
  const { damages, gap, head, elapsedMs } = verified;
  const kinds = [...new Set(damages.map(({ what }) => what))];
  const isJournalWhole = !kinds.includes("journal");
  return [
    `${damages.length === 0 ? "Whole" : "DAMAGED"}: ${place}, bank ${hex(bankId)}, checked in ${(elapsedMs / 1_000).toFixed(1)} s.`,
    ...damages.map(describeDamage),
    ...kinds.flatMap((kind) => [`What to do where ${TITLES[kind]}:`, ...ADVICE[kind].map(indented)]),
    ...(gap === undefined
      ? []
      : [
          `There is a gap: positions ${gap.after + 1} to ${gap.upTo.position} are not here yet (${gap.filled?.position ?? gap.after} is the last that was ` +
            "fetched), and were not checked. The branch fetches them when it runs; no bank can be started from this before.",
        ]),
    ...(rowsRepaired ? ["The rows of accounts were written anew."] : []),
    isJournalWhole ? "What was checked:" : `What was checked, up to position ${head?.position ?? 0}:`,
    ...countsOf(verified).map(indented),
    ...(fencedTo > verified.epoch + 1
      ? [`No bank starts from here: the store is fenced to epoch ${fencedTo}. It was copied to another one.`]
      : []),
  ].join("\n");
}

function describeDamage({ what, position, problem }: Damage): string {
  return `  at position ${position ?? "unknown"}: ${TITLES[what]}: ${problem}`;
}

function countsOf(verified: Verified): string[] {
  const { records, batches, accounts, transactions, snapshots, roots, accountRows, head, digest, epoch } = verified;
  const positions = snapshots.map(({ position, pages, compared }) => {
    return `${position} (${pages} pages, ${compared ? "equal to the replay" : "looked at by itself only"})`;
  });
  return [
    `records        ${records} in ${batches} batches, each hashed, decoded, replayed and compared with its digest`,
    `accounts       ${accounts}, with ${transactions} transactions`,
    `snapshots      ${positions.length === 0 ? "none" : `${positions.length}: ${positions.join(", ")}`}`,
    `state roots    ${roots} that the journal names`,
    ...(accountRows === undefined ? [] : [`account rows   ${accountRows}`]),
    `head           position ${head?.position ?? 0}, epoch ${epoch}`,
    `chain hash     ${head === undefined ? "none" : hex(head.chainHash)}`,
    `digest         ${hex(digest)}`,
  ];
}

function indented(line: string): string {
  return `  ${line}`;
}

/** The same for programs. Positions are strings. */
export function reportDocument(report: StoreReport, place: string): object {
  if (report.kind === "unreadable")
    return { ok: false, store: place, damages: [{ what: "journal", position: null, problem: report.problem }] };
  const { verified, bankId, rowsRepaired, fencedTo } = report;
  const { head, gap, damages, snapshots, accountRows } = verified;
  return {
    ok: damages.length === 0,
    store: place,
    bank: hex(bankId),
    position: String(head?.position ?? 0),
    chain_hash: head === undefined ? null : hex(head.chainHash),
    digest: hex(verified.digest),
    epoch: verified.epoch,
    fenced_to: fencedTo,
    records: verified.records,
    batches: verified.batches,
    accounts: verified.accounts,
    transactions: verified.transactions,
    roots: verified.roots,
    snapshots: snapshots.map(({ position, pages, compared }) => ({ position: String(position), pages, compared })),
    account_rows: accountRows ?? null,
    account_rows_repaired: rowsRepaired,
    gap:
      gap === undefined
        ? null
        : {
            after: String(gap.after),
            filled: String(gap.filled?.position ?? gap.after),
            up_to: String(gap.upTo.position),
          },
    damages: damages.map(({ what, position, problem }) => ({
      what,
      position: position === undefined ? null : String(position),
      problem,
    })),
    elapsed_ms: Math.round(verified.elapsedMs),
  };
}
