import { BranchState, Ledger } from "@bank/core";
import { JournalService } from "@bank/proto";
import { serve } from "@bank/rpc";
import { RecordingLog } from "@bank/testkit";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type AskBranchesOptions, askBranches } from "./ask-branches.ts";
import { nodePlatform } from "./platform.ts";

const BANK_ID = new Uint8Array(16).fill(1);
const NOBODY = "http://127.0.0.1:1";

/** A ledger with branches 1, 2, … at these addresses. */
function ledgerWith(addresses: readonly string[]): Ledger {
  const ledger = new Ledger({ hashSeed: 1 });
  addresses.forEach((address, i) => {
    ledger.setBranch(i + 1, { name: `branch ${i + 1}`, address, state: BranchState.ACTIVE });
  });
  ledger.addEpoch({ number: 1, id: new Uint8Array(16).fill(5), firstPosition: 1, lossAccepted: false });
  return ledger;
}

interface FakeBranch {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** A server that tells a position. */
async function startFake(
  options: {
    readonly position?: number;
    readonly bankId?: Uint8Array;
    readonly copyId?: Uint8Array;
    readonly port?: number;
    readonly hold?: () => Promise<void>;
  } = {},
): Promise<FakeBranch> {
  const { position = 7, bankId = BANK_ID, copyId = new Uint8Array(16).fill(position), port = 0, hold } = options;
  const serving = await serve({
    host: "127.0.0.1",
    port,
    routes: (router) => {
      router.service(JournalService, {
        getPosition: async () => {
          await hold?.();
          const [chainHash, epochId] = [new Uint8Array(32).fill(position), new Uint8Array(16).fill(5)];
          return { bankId, copyId, position: BigInt(position), chainHash, epochId };
        },
      });
    },
    reportIncident: () => undefined,
    reportUnsent: () => undefined,
  });
  onTestFinished(() => serving.close());
  return serving;
}

function options(overrides: Partial<AskBranchesOptions> = {}) {
  const log = new RecordingLog();
  return { log, options: { bankId: BANK_ID, timeoutMs: 0, required: 0, platform: nodePlatform(log), ...overrides } };
}

describe("the branches' testimony", () => {
  it("is not waited for where there is no branch, nor of one that is retired", async () => {
    const { options: asking } = options({ timeoutMs: 60_000, required: 1 });
    expect(await askBranches(ledgerWith([]), { ...asking, required: 0 })).toEqual([]);
    const branch = await startFake();
    const ledger = ledgerWith([branch.url, NOBODY]);
    ledger.setBranch(2, { name: "gone", address: NOBODY, state: BranchState.RETIRED });
    expect((await askBranches(ledger, asking)).map(({ url }) => url)).toEqual([branch.url]);
  });

  it("is what each of them holds, without a wait where all answer", async () => {
    const branches = [await startFake({ position: 7 }), await startFake({ position: 9 })];
    const { log, options: asking } = options({ timeoutMs: 60_000 });
    const witnesses = await askBranches(ledgerWith(branches.map(({ url }) => url)), asking);
    expect([...witnesses].sort((a, b) => a.position - b.position)).toEqual(
      [7, 9].map((position, i) => ({
        name: `branch ${i + 1} at ${branches[i]?.url}`,
        url: branches[i]?.url,
        position,
        chainHash: new Uint8Array(32).fill(position),
        epochId: new Uint8Array(16).fill(5),
        copyId: new Uint8Array(16).fill(position),
        newestEpoch: 0,
        givenUp: false,
      })),
    );
    expect(log.lines).toEqual([]);
  });

  it("is nothing where the journal knows no branch, and that is said where some are required", async () => {
    const { log, options: asking } = options({ timeoutMs: 60_000, required: 1 });
    expect(await askBranches(ledgerWith([]), asking)).toEqual([]);
    expect(log.about("without the testimony")).toMatchObject([{ level: "warn", fields: { required: 1 } }]);
  });

  it("is done without, loudly, when the time is over", async () => {
    const here = await startFake();
    const silent = await startFake({ hold: () => new Promise(() => undefined) });
    const { log, options: asking } = options({ timeoutMs: 100 });
    const witnesses = await askBranches(ledgerWith([here.url, NOBODY, silent.url]), asking);
    expect(witnesses.map(({ url }) => url)).toEqual([here.url]);
    expect(log.about("without the testimony")).toMatchObject([
      { level: "warn", fields: { answered: 1, missing: 2, waited_ms: 100 } },
    ]);
  });

  it.each([
    ["within the time", { timeoutMs: 60_000, required: 0 }],
    ["however long it takes, where it is required", { timeoutMs: 0, required: 1 }],
  ])("is waited for until a late branch is up, %s", async (_, when) => {
    const { url, port, close } = await startFake();
    await close();
    const { log, options: asking } = options(when);
    const witnesses = askBranches(ledgerWith([url]), asking);
    await vi.waitUntil(() => log.about("does not testify yet").length > 0);
    await startFake({ port, position: 12 });
    expect(await witnesses).toMatchObject([{ position: 12 }]);
    expect(log.about("without the testimony")).toEqual([]);
  });

  it("is enough when the required number has answered and the time is over", async () => {
    const here = await startFake();
    const { options: asking } = options({ timeoutMs: 0, required: 1 });
    expect(await askBranches(ledgerWith([NOBODY, here.url]), asking)).toHaveLength(1);
  });

  it("counts once for all branches that share a copy", async () => {
    const copyId = new Uint8Array(16).fill(3);
    const pair = [await startFake({ copyId }), await startFake({ copyId })];
    const { log, options: asking } = options({ timeoutMs: 0, required: 2 });
    expect(await askBranches(ledgerWith(pair.map(({ url }) => url)), asking)).toHaveLength(2);
    expect(log.about("without the testimony")).toMatchObject([{ fields: { missing: 0, required: 2 } }]);
  });

  it("is asked for again where a call takes too long", async () => {
    let calls = 0;
    const never = new Promise<void>(() => undefined);
    const slow = await startFake({ hold: () => (++calls === 1 ? never : Promise.resolve()) });
    const { options: asking } = options({ timeoutMs: 60_000 });
    const hurried = { ...asking.platform, timeout: (ms: number) => AbortSignal.timeout(ms === 1_000 ? 50 : ms) };
    expect(await askBranches(ledgerWith([slow.url]), { ...asking, platform: hurried })).toHaveLength(1);
    expect(calls).toBe(2);
  });

  it("counts for nothing from a branch of another bank, which may listen there by now", async () => {
    const stranger = await startFake({ bankId: new Uint8Array(16).fill(9), position: 1_000 });
    const { log, options: asking } = options({ timeoutMs: 50 });
    expect(await askBranches(ledgerWith([stranger.url]), asking)).toEqual([]);
    expect(log.about("does not testify yet")[0]?.fields["problem"]).toContain(`of bank ${"09".repeat(16)}`);
    expect(log.about("without the testimony")).toHaveLength(1);
  });

  it("is not asked for where there is no address", async () => {
    const here = await startFake();
    const { log, options: asking } = options({ timeoutMs: 60_000 });
    const addresses = ["", "nonsense:port", "http://", here.url];
    expect(await askBranches(ledgerWith(addresses), asking)).toHaveLength(1);
    expect(log.about("no address").map(({ fields }) => fields["branch"])).toEqual([1, 2, 3]);
  });
});
