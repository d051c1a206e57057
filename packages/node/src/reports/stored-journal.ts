import type { Position } from "@bank/core";
import { type JournalStore, openStore, type StoreState, withoutPassword } from "@bank/store";
import { openAlone, requireJournal } from "../store-tools.ts";
import type { JournalPlace, JournalProof, JournalStep, ReportJournal } from "./report-journal.ts";

/** The journal in the store of a bank that is stopped. It ends where the store ends. */
export class StoredJournal implements ReportJournal {
  readonly name: string;
  private readonly store: JournalStore;
  private readonly state: StoreState & { readonly bankId: Uint8Array };

  /**
   * Takes the store, as a server does.
   * Rejects with: `StoreError` while a server uses it, and where it cannot be reached; an `Error` where there is no bank.
   */
  static async open(url: string): Promise<StoredJournal> {
    requireJournal(url);
    const store = openStore(url);
    const state = await openAlone(() => store.open());
    const { bankId } = state;
    if (bankId !== undefined) return new StoredJournal(withoutPassword(url), store, { ...state, bankId });
    await store.close();
    throw new Error(`no bank lives in ${withoutPassword(url)}`);
  }

  private constructor(name: string, store: JournalStore, state: StoredJournal["state"]) {
    this.name = name;
    this.store = store;
    this.state = state;
  }

  async proof(at: Position): Promise<JournalProof> {
    const { bankId, head } = this.state;
    return {
      bankId,
      position: head?.position ?? 0,
      chainHash: at === 0 ? undefined : await this.store.chainHashAt(at),
    };
  }

  async *follow({ position: from }: JournalPlace, signal: AbortSignal): AsyncGenerator<JournalStep> {
    const committedPosition = this.state.head?.position ?? 0;
    for (let position = from; position < committedPosition; ) {
      const batches = await this.store.read(position);
      for (const { frame, chainHash, lastPosition } of batches) {
        signal.throwIfAborted();
        yield { received: { frame, chainHash }, committedPosition };
        position = lastPosition;
      }
      if (batches.length === 0) throw new Error(`the journal in ${this.name} ends at position ${position}`);
    }
  }

  async close(): Promise<void> {
    await this.store.close();
  }
}
