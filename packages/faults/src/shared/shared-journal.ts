import { aboutHistory, type History, type Operation, RecordTranslator } from "@bank/checker";
import { openStore } from "@bank/store";
import { readWholeJournal } from "@bank/testkit";

/**
 * What customers saw, and beside it the journal as it lies in the database, read and proven from its first batch on. No bank
 * server may run any more. Without it, and with one trouble more, where it cannot be had.
 */
export async function readSharedHistory(
  storeUrl: string,
  options: {
    readonly operations: readonly Operation[];
    readonly description: string;
    readonly seed: number;
    readonly troubles: Set<string>;
  },
): Promise<History> {
  const { operations, description, troubles } = options;
  const about = { description, seed: String(options.seed) };
  const store = openStore(storeUrl);
  try {
    const { bankId } = await store.open();
    if (bankId === undefined) throw new Error("no bank lives in it");
    const journal = await readWholeJournal(store, bankId);
    const translator = new RecordTranslator();
    const records = journal.records.map((each) => translator.translate(each.position, each.timeMs, each.record));
    return { about: aboutHistory(about), accounts: [], records, operations };
  } catch (error) {
    troubles.add(
      `the journal in the database cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
    return { about: aboutHistory({ ...about, hasJournal: false }), accounts: [], records: [], operations };
  } finally {
    await store.close();
  }
}
