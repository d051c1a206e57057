import { RefusalError } from "@bank/core";
import { ManualPlatform, rest, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { DROP_GRACE_MS, HEARTBEAT_MS, LINK_TICK_MS, LinkWatch, SILENCE_MAX_MS } from "./link-watch.ts";

/** What the bank does with the next probes. */
type Bank = "answers" | "refuses" | "fails" | "is silent";

class Rig {
  readonly platform = new ManualPlatform();
  readonly downs: string[] = [];
  readonly drops: string[] = [];
  bank: Bank = "answers";
  probes = 0;
  readonly watch = new LinkWatch({
    platform: this.platform,
    probe: () => this.watch.sends(() => this.ask()),
    onDown: (reason) => this.downs.push(reason.message),
    onDropped: (reason) => this.drops.push(reason.message),
    onTick: () => undefined,
  });

  /** Lets time pass as it does: timers fire when they are due. */
  async pass(ms: number): Promise<void> {
    const { platform } = this;
    const endMs = platform.monotonicMs() + ms;
    while (platform.monotonicMs() < endMs) {
      platform.advance(Math.min(10, endMs - platform.monotonicMs()));
      await rest(2);
    }
  }

  /** How long it takes from now until the condition holds. */
  async timeUntil(condition: () => boolean): Promise<number> {
    const began = this.platform.monotonicMs();
    while (!condition()) {
      if (this.platform.monotonicMs() - began > 60_000) throw new Error("waited in vain");
      await this.pass(10);
    }
    return this.platform.monotonicMs() - began;
  }

  private async ask(): Promise<number> {
    this.probes++;
    await rest(1);
    switch (this.bank) {
      case "answers":
        return 1;
      case "refuses":
        throw new RefusalError("NOT_READY", { problem: "of this test" });
      case "fails":
        throw new Error("connection refused");
      case "is silent":
        return new Promise(() => undefined);
    }
  }
}

async function startUp(): Promise<Rig> {
  const rig = new Rig();
  rig.watch.start();
  await rig.timeUntil(() => rig.watch.isUp);
  return rig;
}

describe("a link", () => {
  it("is down until somebody answers, and is up then", async () => {
    const rig = new Rig();
    const up = watch(rig.watch.whenUp(new AbortController().signal));
    expect(rig.watch.isUp).toBe(false);
    expect(rig.watch.down.aborted).toBe(true);
    rig.bank = "fails";
    rig.watch.start();
    await rig.pass(500);
    expect(up.state).toBe("pending");
    rig.bank = "answers";
    await rig.timeUntil(() => rig.watch.isUp);
    await rest();
    expect(up.state).toBe("fulfilled");
    // Nobody was told that what never was is over.
    expect(rig.downs).toEqual([]);
  });

  it("is kept by heartbeats where nothing else is asked", async () => {
    const rig = await startUp();
    const before = rig.probes;
    await rig.pass(10_000);
    expect(rig.probes - before).toBeGreaterThanOrEqual(Math.floor(10_000 / (HEARTBEAT_MS + LINK_TICK_MS)) - 1);
    expect(rig.probes - before).toBeLessThanOrEqual(10_000 / HEARTBEAT_MS + 1);
    expect([rig.watch.isUp, rig.downs, rig.drops]).toEqual([true, [], []]);
  });

  it("needs no heartbeat where other probes are answered", async () => {
    const rig = await startUp();
    const before = rig.probes;
    for (let i = 0; i < 100; i++) {
      rig.watch.probeNow();
      await rig.pass(100);
    }
    expect(rig.probes - before).toBe(100);
  });

  it("whose bank is silent is lost within a second, and all that goes over it is ended", async () => {
    const rig = await startUp();
    const { connection, down } = rig.watch;
    rig.bank = "is silent";
    const tookMs = await rig.timeUntil(() => !rig.watch.isUp);
    expect(tookMs).toBeGreaterThanOrEqual(SILENCE_MAX_MS);
    expect(tookMs).toBeLessThanOrEqual(HEARTBEAT_MS + SILENCE_MAX_MS + 2 * LINK_TICK_MS);
    expect(rig.downs).toEqual([expect.stringContaining("has not answered for")]);
    expect(rig.drops).toEqual(rig.downs);
    expect([connection.aborted, down.aborted]).toEqual([true, true]);
    expect(rig.watch.connection.aborted).toBe(false);
  });

  it("whose probe has no answer is lost counting from that probe", async () => {
    const rig = await startUp();
    rig.bank = "is silent";
    rig.watch.probeNow();
    expect(await rig.timeUntil(() => !rig.watch.isUp)).toBeLessThanOrEqual(SILENCE_MAX_MS + LINK_TICK_MS);
  });

  it("that fails is down at once, and its connection is dropped only if that lasts", async () => {
    const rig = await startUp();
    const { connection } = rig.watch;
    rig.bank = "fails";
    rig.watch.probeNow();
    await rest();
    expect([rig.watch.isUp, rig.downs]).toEqual([false, ["connection refused"]]);
    expect(connection.aborted).toBe(false);
    await rig.pass(DROP_GRACE_MS - 50);
    expect(connection.aborted).toBe(false);
    await rig.pass(50 + 2 * LINK_TICK_MS);
    expect(connection.aborted).toBe(true);
    await rig.pass(5_000);
    expect([rig.downs, rig.drops]).toEqual([["connection refused"], ["connection refused"]]);
  });

  it("that fails for a moment keeps what is on its way", async () => {
    const rig = await startUp();
    const { connection } = rig.watch;
    rig.bank = "fails";
    rig.watch.probeNow();
    await rest();
    rig.bank = "answers";
    expect(await rig.timeUntil(() => rig.watch.isUp)).toBeLessThanOrEqual(20);
    await rig.pass(5_000);
    expect(connection.aborted).toBe(false);
    expect(rig.drops).toEqual([]);
  });

  it("is up as long as somebody answers, whatever is answered", async () => {
    const rig = await startUp();
    rig.bank = "refuses";
    await rig.pass(10_000);
    expect([rig.watch.isUp, rig.downs]).toEqual([true, []]);
  });

  it("comes back by itself, with tries that begin fast, become slow, and are fast again the next time", async () => {
    const rig = await startUp();
    for (const kind of ["fails", "is silent"] as const) {
      rig.bank = kind;
      await rig.timeUntil(() => !rig.watch.isUp);
      const before = rig.probes;
      await rig.pass(300);
      if (kind === "fails") expect(rig.probes - before).toBeGreaterThanOrEqual(3);
      await rig.pass(20_000);
      // One try a second at the most once it is slow; a silent one takes its time besides.
      expect(rig.probes - before).toBeLessThan(60);
      expect(rig.probes - before).toBeGreaterThan(8);
      rig.bank = "answers";
      expect(await rig.timeUntil(() => rig.watch.isUp)).toBeLessThanOrEqual(1_000 + SILENCE_MAX_MS + 2 * LINK_TICK_MS);
      await rig.pass(1_000);
      expect(rig.watch.isUp).toBe(true);
    }
  });

  it("is not lost for a pause of this very process, however long", async () => {
    const rig = await startUp();
    for (let i = 0; i < 5; i++) {
      // A probe is on its way when the process is stopped; its answer lies in the socket when it goes on.
      const answer = Promise.withResolvers<number>();
      const probe = watch(rig.watch.sends(() => answer.promise));
      rig.platform.advance(30_000);
      await rest();
      expect(rig.watch.isUp).toBe(true);
      answer.resolve(1);
      await rest();
      expect(probe.state).toBe("fulfilled");
      await rig.pass(300);
    }
    expect([rig.downs, rig.drops]).toEqual([[], []]);
  });

  it("is lost also where every tick comes late, if the bank is silent", async () => {
    const rig = await startUp();
    rig.bank = "is silent";
    rig.watch.probeNow();
    let tookMs = 0;
    while (rig.watch.isUp && tookMs < 60_000) {
      rig.platform.advance(90);
      tookMs += 90;
      await rest();
    }
    expect(tookMs).toBeLessThanOrEqual(SILENCE_MAX_MS + 200);
  });

  it("ends what waits for it when it is closed, and leaves no timer", async () => {
    const rig = await startUp();
    rig.bank = "is silent";
    const probe = watch(rig.watch.sends(() => new Promise(() => undefined)));
    const up = rig.watch.connection;
    rig.watch.close();
    rig.watch.close();
    await rest();
    expect([probe.state, up.aborted, rig.watch.isUp]).toEqual(["rejected", true, false]);
    expect(rig.downs).toEqual(["the replica is closing"]);
    expect(rig.platform.timerCount).toBe(0);
    const probes = rig.probes;
    await rig.pass(5_000);
    expect(rig.probes).toBe(probes);
  });
});
