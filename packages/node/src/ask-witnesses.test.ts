import type { JournalStore } from "@bank/store";
import { RecordingLog } from "@bank/testkit";
import { expect, it } from "vitest";
import { askWitnesses, WITNESS_TIMEOUT_MS } from "./ask-witnesses.ts";
import { nodePlatform } from "./platform.ts";
import { clientOf, startTestBank } from "./servers.test-util.ts";
import type { Testimony } from "./warm-standby.ts";

/** A bank with a branch that is not there, and how long the next start waits for it. */
async function withDeadBranch() {
  let store: JournalStore | undefined;
  const wrapStore = (opened: JournalStore) => {
    store = opened;
    return opened;
  };
  const { replica, bankId, url } = await startTestBank({ wrapStore });
  await clientOf(url).replication.registerBranch({ branch: 1, name: "gone", address: "http://127.0.0.1:1" });
  const { position, chainHash, epochId } = await replica.head(0);
  const seen = { name: "this server", bankId, position, chainHash: chainHash!, epochId: epochId! };
  return {
    seen,
    waits: async (told: { readonly seen?: Testimony | undefined; readonly timeoutMs?: number }) => {
      const log = new RecordingLog();
      // No test waits for as long as that.
      const platform = { ...nodePlatform(log), timeout: () => AbortSignal.timeout(10) };
      await askWitnesses(replica.ledger, { store: store as JournalStore, anchor: undefined, platform, ...told });
      return log.about("without the testimony")[0]?.fields["waited_ms"];
    },
  };
}

it("waits briefly for branches only where this process has seen the end of this bank's journal, a moment ago", async () => {
  const { seen, waits } = await withDeadBranch();
  const ago = (ms: number) => performance.now() - ms;
  expect(await waits({ seen: { ...seen, untilMs: ago(3_000) } })).toBe(1_000);
  expect(await waits({ seen: { ...seen, untilMs: ago(3_000) }, timeoutMs: 20 })).toBe(20);
  expect(await waits({})).toBe(WITNESS_TIMEOUT_MS);
  expect(await waits({ seen: { ...seen, untilMs: ago(60_000) } })).toBe(WITNESS_TIMEOUT_MS);
  expect(await waits({ seen: { ...seen, untilMs: Number.NEGATIVE_INFINITY } })).toBe(WITNESS_TIMEOUT_MS);
  const other = { ...seen, bankId: new Uint8Array(16), untilMs: ago(0) };
  expect(await waits({ seen: other })).toBe(WITNESS_TIMEOUT_MS);
});
