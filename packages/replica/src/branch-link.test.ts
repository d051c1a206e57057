import type { RefusalError } from "@bank/core";
import { deposit, type ManualPlatform, request, rest, until, type Watched, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { startPair as openPair, type Pair, stallStreams } from "./branch-replica.test-util.ts";
import { balanceOf } from "./sequencer.test-util.ts";

/** Lets time pass as it does: timers fire when they are due. */
async function pass(platform: ManualPlatform, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    platform.advance(Math.min(10, ms - passed));
    await rest(3);
  }
}

/** A branch that has caught up, and is connected. */
async function startPair(): Promise<Pair> {
  const pair = await openPair();
  await until(() => pair.branch.connected, { platform: pair.at.platform });
  return pair;
}

/** The bank answers nothing any more, and nothing says so. */
function silence({ link }: Pair): () => void {
  let isSilent = true;
  link.beforeAnswer = () => (isSilent ? new Promise(() => undefined) : Promise.resolve());
  return () => {
    isSilent = false;
  };
}

const refusalOf = ({ reason }: Watched<unknown>) => (reason as RefusalError).refusal;
const linearizable = { mode: "linearizable" } as const;

describe("when the bank falls silent", () => {
  it("everything that waits for it ends within a second, with what is known of it; then all fails at once", async () => {
    const pair = await startPair();
    const { branch, bank, at, link } = pair;
    silence(pair);
    const position = bank.committedPosition + 50;
    const session = { ...bank.sessionAt(1)!, seen: [{ ...bank.sessionAt(1)!.seen[0]!, position }] };
    const waiting = {
      linearizable: watch(branch.read(linearizable, () => 0)),
      session: watch(branch.read({ mode: "session", session }, () => 0)),
      position: watch(branch.read({ mode: "position", position }, () => 0)),
      write: watch(branch.submit([request(1, deposit(1, 1))])),
      time: watch(branch.passTime(bank.ledger.timeMs)),
    };
    await pass(at.platform, 900);
    for (const [what, watched] of Object.entries(waiting))
      expect([what, refusalOf(watched)]).toMatchObject([
        what,
        { reason: "BANK_UNREACHABLE", outcome: what === "write" ? "OUTCOME_UNKNOWN" : "NOT_APPLIED" },
      ]);
    expect(branch.connected).toBe(false);
    expect(link.resets).toBeGreaterThan(0);
    await until(() => branch.state === "connecting");
    const calls = link.calls;
    const late = [watch(branch.read(linearizable, () => 0)), watch(branch.submit([request(2, deposit(1, 1))]))];
    await rest(1);
    expect(late.map(({ state }) => state)).toEqual(["rejected", "rejected"]);
    expect(link.calls).toBe(calls);
  });

  it("a read that came behind a question that is not answered does not wait for a second one", async () => {
    const pair = await startPair();
    const { branch, at } = pair;
    silence(pair);
    const first = watch(branch.read(linearizable, () => 0));
    await pass(at.platform, 600);
    const second = watch(branch.read(linearizable, () => 0));
    await pass(at.platform, 250);
    expect([first.state, second.state]).toEqual(["rejected", "rejected"]);
  });

  it("a committed write that cannot be shown is answered as committed", async () => {
    const pair = await startPair();
    const { branch, bank, at, link } = pair;
    // The answer comes, and the journal does not.
    stallStreams(bank);
    link.break();
    link.join(bank);
    await until(() => branch.state === "connecting");
    await until(() => branch.state === "following" && branch.connected, { platform: at.platform });
    const write = watch(branch.submit([request(1, deposit(1, 1))]));
    await until(() => bank.committedPosition > branch.appliedPosition);
    const read = watch(branch.read(linearizable, () => 0));
    await rest(20);
    expect([write.state, read.state]).toEqual(["pending", "pending"]);
    silence(pair);
    await pass(at.platform, 1_100);
    expect(write.state).toBe("fulfilled");
    expect(refusalOf(read)).toMatchObject({ reason: "BANK_UNREACHABLE", outcome: "NOT_APPLIED" });
  });

  it("all comes back by itself, and shows what was written meanwhile", async () => {
    const pair = await startPair();
    const { branch, bank, at } = pair;
    const speak = silence(pair);
    await pass(at.platform, 5_000);
    expect(branch.state).toBe("connecting");
    await bank.submit([request(1, deposit(1, 7))]);
    speak();
    const began = at.platform.monotonicMs();
    await until(() => branch.connected, { platform: at.platform });
    expect(at.platform.monotonicMs() - began).toBeLessThan(2_500);
    expect((await branch.read(linearizable, (ledger) => balanceOf(ledger, 1))).value).toBe(107n);
  });

  it("a slow bank that answers is not lost: its reads are told that it is slow, within a second, and nothing is dropped", async () => {
    const { branch, at, link } = await startPair();
    let release: (() => void) | undefined;
    link.beforeAnswer = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const reads: Watched<unknown>[] = [];
    for (let i = 0; i < 30; i++) {
      reads.push(watch(branch.read(linearizable, () => 0)));
      // Each answer takes 600 ms: a question is never silent for long, and the next one waits for it.
      await pass(at.platform, 100);
      if (i % 6 === 5) release?.();
    }
    expect(link.resets).toBe(0);
    expect(reads.some(({ state }) => state === "fulfilled")).toBe(true);
    // Those that came more than a second ago know.
    for (const read of reads.slice(0, 20)) expect(read.state).not.toBe("pending");
    for (const read of reads) if (read.state === "rejected") expect(refusalOf(read).reason).toBe("BANK_UNREACHABLE");
  });
});

describe("a bounded read", () => {
  const bounded = (maxStalenessMs: number) => ({ mode: "bounded", maxStalenessMs }) as const;

  it("asks nobody while the state is known to be fresh enough, and the bank where it is not", async () => {
    const { branch, at, link, bank } = await startPair();
    await branch.read(linearizable, () => 0);
    at.platform.advance(40);
    const { questions } = link;
    expect((await branch.read(bounded(40), () => 0)).stalenessMs).toBe(40);
    expect(link.questions).toBe(questions);
    await bank.submit([request(1, deposit(1, 1))]);
    const read = await branch.read(bounded(39), (ledger) => balanceOf(ledger, 1));
    expect([read.value, read.stalenessMs]).toEqual([101n, 0]);
    expect(link.questions).toBe(questions + 1);
  });

  it("goes on while cut off, for as long as it is within the bound; then it says both figures", async () => {
    const pair = await startPair();
    const { branch, at } = pair;
    await branch.read(linearizable, () => 0);
    silence(pair);
    await pass(at.platform, 2_000);
    const read = await branch.read(bounded(5_000), (ledger) => balanceOf(ledger, 1));
    expect(read).toMatchObject({ value: 100n, connected: false });
    expect(read.stalenessMs).toBeGreaterThanOrEqual(2_000);
    expect(read.stalenessMs).toBeLessThanOrEqual(2_300);
    await pass(at.platform, 4_000);
    const late = watch(branch.read(bounded(5_000), () => 0));
    await rest(2);
    expect(refusalOf(late)).toMatchObject({
      reason: "STALENESS_BOUND_EXCEEDED",
      outcome: "NOT_APPLIED",
      metadata: { branch: "1", max_staleness_ms: "5000", staleness_ms: expect.stringMatching(/^6\d\d\d$/) },
    });
    expect(await branch.read({ mode: "local" }, (ledger) => balanceOf(ledger, 1))).toMatchObject({
      value: 100n,
      connected: false,
    });
  });

  it("does not know how old it is after a sleep of the machine", async () => {
    const pair = await startPair();
    silence(pair);
    await pass(pair.at.platform, 1_500);
    pair.at.platform.setWallForward(60_000);
    const late = watch(pair.branch.read(bounded(1_000_000), () => 0));
    await rest(2);
    expect(refusalOf(late)).toMatchObject({
      reason: "STALENESS_BOUND_EXCEEDED",
      metadata: { staleness_ms: "unknown" },
    });
  });

  it("with a session shows what that saw, however fresh the state is without it", async () => {
    const pair = await startPair();
    const { branch, bank, at } = pair;
    await bank.submit([request(1, deposit(1, 1))]);
    const session = bank.sessionAt(bank.committedPosition)!;
    const read = await branch.read({ ...bounded(60_000), session }, (ledger) => balanceOf(ledger, 1));
    expect(read.value).toBe(101n);
    silence(pair);
    await pass(at.platform, 1_500);
    await bank.submit([request(2, deposit(1, 1))]);
    const newer = bank.sessionAt(bank.committedPosition)!;
    const late = watch(branch.read({ ...bounded(60_000), session: newer }, () => 0));
    await rest(2);
    expect(refusalOf(late)).toMatchObject({ reason: "BANK_UNREACHABLE" });
    expect((await branch.read({ ...bounded(60_000), session }, () => 0)).position).toBeGreaterThan(0);
  });
});

describe("a read at a position", () => {
  const at = (position: number) => ({ mode: "position", position }) as const;

  it("asks nobody for what is shown; waits for what exists; and refuses what does not, by the bank's own word", async () => {
    const pair = await startPair();
    const { branch, bank, link } = pair;
    const { questions } = link;
    expect((await branch.read(at(branch.appliedPosition), () => 0)).position).toBe(branch.appliedPosition);
    expect(link.questions).toBe(questions);
    await bank.submit([request(1, deposit(1, 1))]);
    expect((await branch.read(at(bank.committedPosition), (ledger) => balanceOf(ledger, 1))).value).toBe(101n);
    const asked = bank.committedPosition + 1;
    for (const server of [branch, bank])
      await expect(server.read(at(asked), () => 0)).rejects.toMatchObject({
        refusal: { reason: "POSITION_IN_FUTURE", metadata: { asked: String(asked), position: String(asked - 1) } },
      });
  });

  it("says what is missing where the deadline comes first", async () => {
    const pair = await startPair();
    const { branch, bank, at: opened, link } = pair;
    stallStreams(bank);
    link.break();
    link.join(bank);
    await until(() => branch.state === "connecting");
    await until(() => branch.state === "following" && branch.connected, { platform: opened.platform });
    const shown = branch.appliedPosition;
    for (let i = 1; i <= 30; i++) await bank.submit([request(i, deposit(1, 1))]);
    const deadline = new AbortController();
    const read = watch(branch.read(at(shown + 30), () => 0, deadline.signal));
    await rest(20);
    deadline.abort();
    await rest();
    expect(refusalOf(read)).toMatchObject({
      reason: "DEADLINE_EXCEEDED",
      metadata: { waiting_for: `position ${shown + 30} (this branch shows ${shown}: 30 are missing)` },
    });
  });
});

describe("the deadlines of callers", () => {
  it("are passed on to the bank: of those whose commands go together the longest", async () => {
    const { branch, link } = await startPair();
    link.timeouts.length = 0;
    await branch.submit([request(1, deposit(1, 1))], undefined, 400);
    await Promise.all([
      branch.submit([request(2, deposit(1, 1))], undefined, 300),
      branch.submit([request(3, deposit(1, 1))], undefined, 900),
      branch.submit([request(4, deposit(1, 1))], undefined, 200),
    ]);
    await Promise.all([
      branch.submit([request(5, deposit(1, 1))], undefined, 300),
      branch.submit([request(6, deposit(1, 1))]),
    ]);
    expect(link.timeouts).toEqual([400, 900, undefined]);
  });
});

describe("what a read says of its state", () => {
  it("is the same in every mode, at the branch and at the bank", async () => {
    const { branch, bank, at } = await startPair();
    const session = bank.sessionAt(1)!;
    const position = bank.committedPosition;
    for (const consistency of [
      linearizable,
      { mode: "session", session },
      { mode: "bounded", maxStalenessMs: 10_000 },
      { mode: "position", position },
      { mode: "local" },
    ] as const) {
      const told = { position, connected: true, epoch: 1, session: bank.sessionAt(position) };
      const here = await branch.read(consistency, () => 0);
      expect(here).toMatchObject(told);
      expect(here.stalenessMs).toBeLessThan(1_000);
      expect(await bank.read(consistency, () => 0)).toMatchObject({ ...told, stalenessMs: 0 });
    }
    expect(at.fatal).toEqual([]);
  });
});
