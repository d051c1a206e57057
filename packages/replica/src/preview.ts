import {
  bytesEqual,
  type CommandHash,
  hashCommand,
  type Ledger,
  type LedgerRecord,
  mark,
  originalsOf,
  type Position,
  preview,
  RefusalError,
  type Request,
} from "@bank/core";
import type { JournalStore } from "@bank/store";
import { checkRequest } from "./check-request.ts";
import type { Preview } from "./outcome.ts";
import type { Platform } from "./platform.ts";
import { internalError, isAnsweredBy, refusalError, reused } from "./refusals.ts";
import type { Sequencer } from "./sequencer.ts";
import { forReader, readRecordAt, visitRecords } from "./stored-records.ts";

/**
 * Makes of the records of a preview what its caller wants to see. Called while they are applied: afterwards the ledger
 * knows nothing of them. The last of them answers the request; of a group it is GROUP_COMMITTED.
 *
 * @param firstPosition the position that the first record would have.
 * @param timeMs the journal time that they would have, Unix milliseconds.
 */
export type RenderPreview<T> = (
  records: readonly LedgerRecord[],
  firstPosition: Position,
  timeMs: number,
  ledger: Ledger,
) => T;

/** What one look at the ledger gave. */
type Look<T> =
  | { readonly kind: "previewed"; readonly value: T }
  | { readonly kind: "refused"; readonly error: RefusalError }
  /** The id was used: by this request, or by another. */
  | { readonly kind: "known"; readonly position: Position; readonly isSame: boolean }
  /** These earlier records are needed, and will be stored once the look is committed. */
  | { readonly kind: "lacks"; readonly originals: readonly { readonly position: Position }[] };

/** Says what would become of requests, from the newest state, and only once that is durable. */
export class Previewer {
  private readonly sequencer: Sequencer;
  private readonly store: JournalStore;
  private readonly platform: Platform;

  constructor(options: { readonly sequencer: Sequencer; readonly store: JournalStore; readonly platform: Platform }) {
    this.sequencer = options.sequencer;
    this.store = options.store;
    this.platform = options.platform;
  }

  /** Rejects with `RefusalError`: NOT_READY, DEADLINE_EXCEEDED. */
  async preview<T>(request: Request, render: RenderPreview<T>, signal?: AbortSignal): Promise<Preview<T>> {
    const refusal = checkRequest(request);
    if (refusal !== undefined) return { kind: "refused", error: refusalError(refusal), position: 0 };
    const hash = hashCommand(request.command);
    const { store, platform } = this;
    const originals = new Map<Position, LedgerRecord>();
    for (;;) {
      const { value: look, position } = await this.sequencer.read(
        (ledger) => this.look({ ledger, request, hash, originals, render }),
        signal,
      );
      switch (look.kind) {
        case "lacks":
          await forReader(
            visitRecords({ store, platform }, look.originals, (asked, { record }) =>
              originals.set(asked.position, record),
            ),
          );
          break;
        case "known": {
          if (!look.isSame) return { kind: "refused", error: reused(request, look.position), position: look.position };
          const record = await forReader(readRecordAt({ store, platform }, look.position));
          return { ...record, kind: "answered", replayed: true };
        }
        default:
          return { ...look, position };
      }
    }
  }

  private look<T>(options: {
    readonly ledger: Ledger;
    readonly request: Request;
    readonly hash: CommandHash;
    readonly originals: ReadonlyMap<Position, LedgerRecord>;
    readonly render: RenderPreview<T>;
  }): Look<T> {
    const { ledger, request, hash, originals, render } = options;
    const entry = ledger.findRequest(request.principal, request.id);
    if (entry >= 0) {
      const isSame = isAnsweredBy(ledger, entry, request, hash);
      return { kind: "known", position: ledger.requests.positionOf(entry), isSame };
    }
    const lacking = originalsOf(request.command)
      .filter((position) => position > 0 && position <= ledger.position && !originals.has(position))
      .map((position) => ({ position }));
    if (lacking.length > 0) return { kind: "lacks", originals: lacking };
    const timeMs = this.sequencer.nowMs();
    const before = mark(ledger);
    try {
      const value = preview(
        ledger,
        timeMs,
        request,
        (position) => originals.get(position),
        (records, firstPosition) => render(records, firstPosition, timeMs, ledger),
      );
      return { kind: "previewed", value };
    } catch (error) {
      const { position, timeMs: afterMs } = ledger;
      const isBack =
        position === before.position && afterMs === before.timeMs && bytesEqual(ledger.digestBytes(), before.digest);
      if (!isBack) throw this.sequencer.fail(error);
      if (error instanceof RefusalError) return { kind: "refused", error };
      return { kind: "refused", error: internalError(this.platform.log, request, error) };
    }
  }
}
