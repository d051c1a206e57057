import {
  AppendRefusedError,
  AppendUnknownError,
  JournalConflictError,
  LeaseLostError,
  MemoryDisk,
  StoreError,
} from "@bank/store";
import {
  deposit,
  driven,
  HeldStore,
  LeasedStore,
  ManualPlatform,
  openAccount,
  request,
  rest,
  until,
  watch,
  withdraw,
} from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { type LeasedBank, NOT_LEADER, openLeased, posted, STALE, startFunded } from "./leased-bank.test-util.ts";
import { balanceOf } from "./sequencer.test-util.ts";

describe("a bank that was replaced without noticing", () => {
  it("answers nothing that has to be the newest, writes nothing, and stops", async () => {
    const old = await startFunded();
    const next = await openLeased(old.disk);
    await next.bank.submit([request(3, withdraw(1, 60))]);
    const { length } = old.disk.batches;
    await expect(posted(old)).rejects.toMatchObject(NOT_LEADER);
    await expect(old.bank.submit([request(4, deposit(1, 1))])).rejects.toMatchObject(NOT_LEADER);
    await expect(old.bank.probe([])).rejects.toMatchObject(NOT_LEADER);
    expect(old.disk.batches).toHaveLength(length);
    expect(old.fatal).toMatchObject([{ name: "LeaseLostError", holder: "http://the-other:1" }]);
    expect((await posted(next)).value).toBe(40n);
  });

  it.each([
    { what: "a probe", ask: ({ bank }: OpenedBank) => bank.probe([]) },
    {
      what: "what became of a request",
      ask: ({ bank }: OpenedBank) => bank.outcomeOf("", request(3, openAccount()).id),
    },
    { what: "the newest position", ask: ({ bank }: OpenedBank) => bank.confirmHold() },
    { what: "a write", ask: ({ bank }: OpenedBank) => bank.submit([request(9, deposit(1, 1))]) },
    {
      // Which leaves no record, and so no append that could fail.
      what: "a refusal that the state is the reason of",
      ask: ({ bank }: OpenedBank) => bank.submit([request(9, STALE)]),
    },
  ])("refuses $what as the first that it is asked", async ({ ask }) => {
    const old = await startFunded();
    await openLeased(old.disk);
    await expect(ask(old)).rejects.toMatchObject(NOT_LEADER);
  });

  it("does not say that a session is lost which saw what the other one has written", async () => {
    const old = await startFunded();
    const next = await openLeased(old.disk);
    await next.bank.submit([request(3, withdraw(1, 60))]);
    const { session } = await posted(next);
    const read = (bank: LeasedBank, seen = session!) => bank.bank.read({ mode: "session", session: seen }, () => 1);
    await expect(read(old)).rejects.toMatchObject(NOT_LEADER);
    expect(await read(next)).toMatchObject({ value: 1 });
    const unheard = { ...session!, seen: [{ epochId: new Uint8Array(16), position: 1 }] };
    await expect(read(next, unheard)).rejects.toMatchObject({ refusal: { reason: "SESSION_LOST" } });
  });

  it("refuses by its state nothing that was asked along with what it could not write", async () => {
    const old = await startFunded();
    old.store.holds = true;
    const refused = watch(old.bank.submit([request(9, STALE)]));
    const written = watch(old.bank.submit([request(10, deposit(1, 1))]));
    await until(() => old.store.held.length === 1);
    await openLeased(old.disk);
    old.store.failNext(new AppendRefusedError("there is no connection"));
    await until(() => refused.state !== "pending" && written.state !== "pending");
    expect(refused).toMatchObject({ state: "rejected", reason: NOT_LEADER });
  });

  it("may take a while to say so where a bounded read or a local one is asked for", async () => {
    const old = await startFunded();
    await openLeased(old.disk);
    old.platform.advance(300);
    expect(await posted(old, "local")).toMatchObject({ value: 100n, stalenessMs: 300, connected: true });
    const within = (maxStalenessMs: number) => old.bank.read({ mode: "bounded", maxStalenessMs }, () => 1);
    expect(await within(300)).toMatchObject({ value: 1, stalenessMs: 300 });
    await expect(within(299)).rejects.toMatchObject(NOT_LEADER);
  });

  it("says so to a bounded read during whose wait for the store the bound goes by", async () => {
    const old = await startFunded();
    old.store.holds = true;
    const written = watch(old.bank.submit([request(3, deposit(1, 1))]));
    await until(() => old.store.held.length === 1);
    old.platform.advance(150);
    const read = (maxStalenessMs: number) =>
      watch(old.bank.read({ mode: "bounded", maxStalenessMs }, (ledger) => balanceOf(ledger, 1)));
    const [short, long] = [read(200), read(600)];
    await rest();
    old.platform.advance(100);
    old.store.holds = false;
    old.store.passNext();
    await until(() => short.state !== "pending" && long.state !== "pending");
    expect([written.reason, short.reason, long.reason]).toEqual([undefined, undefined, undefined]);
    // What the one may still be told, the other is told once it is sure.
    expect(long.value).toMatchObject({ value: 101n, stalenessMs: 250 });
    expect(short.value).toMatchObject({ value: 101n, stalenessMs: 0 });
  });
});

describe("a bank whose lease has passed unnoticed by others", () => {
  it("takes it back and goes on in its epoch: writes and reads wait meanwhile", async () => {
    const opened = await startFunded();
    const { bank, leased, platform } = opened;
    bank.announce("http://here:1");
    leased.isAway = true;
    leased.expire();
    const write = watch(bank.submit([request(3, deposit(1, 11))]));
    const read = watch(posted(opened));
    const probe = watch(bank.probe([]));
    platform.advance(5_000);
    await rest();
    expect([write.state, read.state]).toEqual(["pending", "pending"]);
    expect(probe).toMatchObject({ state: "rejected", reason: { refusal: { reason: "NOT_READY" } } });
    leased.isAway = false;
    await until(() => write.state === "fulfilled" && read.state === "fulfilled", { platform });
    expect((await posted(opened)).value).toBe(111n);
    expect(bank.ledger.currentEpoch()?.number).toBe(1);
    expect(opened.fatal).toEqual([]);
    await until(() => leased.told.length === 2, { platform });
    expect(leased.told).toEqual(["http://here:1", "http://here:1"]);
  });

  it("does so while it is idle, and again", async () => {
    const opened = await startFunded();
    for (let i = 0; i < 3; i++) {
      const { lease } = opened.leased;
      opened.leased.expire();
      await until(() => opened.leased.lease !== lease, { platform: opened.platform });
    }
    await opened.bank.submit([request(3, deposit(1, 1))]);
    expect((await posted(opened)).value).toBe(101n);
  });

  it("tries again where it has the lease, and the store could not be opened nevertheless", async () => {
    const opened = await startFunded();
    opened.leased.halfRecoveries = 2;
    opened.leased.expire();
    const read = watch(posted(opened));
    await until(() => read.state === "fulfilled", { platform: opened.platform });
    expect(opened.fatal).toEqual([]);
  });

  it("stops where another server has it by then", async () => {
    const old = await startFunded();
    await openLeased(old.disk);
    old.leased.expire();
    await until(() => old.fatal.length > 0, { platform: old.platform });
    expect(old.fatal).toMatchObject([{ name: "LeaseLostError" }]);
    await expect(posted(old, "local")).rejects.toMatchObject(NOT_LEADER);
  });

  it("stops where the store comes back without what was committed", async () => {
    const opened = await startFunded();
    opened.disk.batches.pop();
    opened.leased.expire();
    await until(() => opened.fatal.length > 0, { platform: opened.platform });
    expect(opened.fatal).toMatchObject([{ name: "CorruptStoreError" }]);
  });
});

describe("a bank that stops for good", () => {
  const isFree = ({ disk }: LeasedBank) => disk.holder === undefined;

  it("gives a store back that others wait for, once what is on its way is settled", async () => {
    const opened = await startFunded();
    const { bank, store } = opened;
    store.holds = true;
    const written = watch(bank.submit([request(3, deposit(1, 1))]));
    await until(() => store.held.length === 1);
    bank.supersede(7);
    await rest();
    expect(isFree(opened)).toBe(false);
    store.passNext();
    await until(() => isFree(opened));
    expect(written.state).toBe("fulfilled");
    await expect(bank.submit([request(4, deposit(1, 1))])).rejects.toMatchObject({
      refusal: { reason: "EPOCH_SUPERSEDED" },
    });
    await expect(bank.recordAt(1)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
    expect((await posted(opened, "local")).value).toBe(101n);
    await bank.close();
    expect(opened.platform.log.about("snapshot not saved")).toEqual([]);
  });

  it("does so where it cannot go on, too", async () => {
    const opened = await startFunded();
    opened.store.holds = true;
    const written = watch(opened.bank.submit([request(3, deposit(1, 1))]));
    await until(() => opened.store.held.length === 1);
    opened.store.failNext(new JournalConflictError("something else is there"));
    await until(() => written.state === "rejected" && isFree(opened));
    expect(opened.fatal).toMatchObject([{ name: "JournalConflictError" }]);
  });

  it("keeps a store that is its own", async () => {
    const opened = await openBank();
    opened.bank.supersede(7);
    await rest();
    expect(opened.disk.holder).toBeDefined();
  });
});

it("tells anew what is wrong with the server whenever it has opened its store again", async () => {
  const opened = await startFunded();
  const { leased, platform } = opened;
  const told = () => platform.log.about("not as it should be").map(({ fields }) => fields["problem"]);
  expect(told()).toEqual([]);
  leased.warnings = ["the standby is asynchronous"];
  const { lease } = leased;
  leased.expire();
  await until(() => leased.lease !== lease && told().length > 0, { platform });
  expect(told()).toEqual(["the standby is asynchronous"]);
});

it("takes nothing back once it could not begin", async () => {
  const disk = new MemoryDisk();
  const leased = new LeasedStore(disk);
  const store = new HeldStore(leased);
  store.before.fence = () => Promise.reject(new StoreError("the server does not answer"));
  const fatal: unknown[] = [];
  await expect(openBank({ disk, store, onFatal: (error) => fatal.push(error) })).rejects.toThrow("does not answer");
  leased.expire();
  await rest();
  expect(store.calls.recover).toBe(0);
  expect(fatal).toEqual([]);
});

it("shares one confirmation among those who asked before it began", async () => {
  const opened = await startFunded();
  opened.leased.confirmed = 0;
  await Promise.all(Array.from({ length: 50 }, () => posted(opened)));
  expect(opened.leased.confirmed).toBe(1);
});

describe("a bank whose store cannot be read for a while", () => {
  /** One that is asked again for what it has answered, and has to look it up. */
  async function askAgain() {
    const opened = await startFunded();
    const away = { isAway: true };
    opened.store.before.batchAt = async () => {
      if (away.isAway) throw new StoreError("the server does not answer");
    };
    const again = watch(opened.bank.submit([request(2, deposit(1, 100))]));
    opened.platform.advance(5_000);
    await rest();
    return { ...opened, away, again };
  }

  it("answers then what it has to look up, and goes on meanwhile", async () => {
    const { bank, platform, away, again, fatal } = await askAgain();
    expect(again.state).toBe("pending");
    await bank.submit([request(3, deposit(1, 1))]);
    away.isAway = false;
    await until(() => again.state === "fulfilled", { platform });
    expect(again.value).toMatchObject([{ kind: "answered", replayed: true }]);
    expect(fatal).toEqual([]);
  });

  it("says so to those who ask for what it did", async () => {
    const { bank } = await askAgain();
    const { principal, id } = request(2, deposit(1, 100));
    await expect(bank.outcomeOf(principal, id)).rejects.toMatchObject({ refusal: { reason: "NOT_READY" } });
  });

  it("closes all the same", async () => {
    const { bank, again, fatal } = await askAgain();
    await bank.close();
    await until(() => again.state === "rejected");
    expect(again.reason).toMatchObject({ refusal: { reason: "NOT_READY", outcome: "OUTCOME_UNKNOWN" } });
    expect(fatal).toEqual([]);
  });
});

it("closes while its lease is lost and cannot be taken back", async () => {
  const opened = await startFunded();
  opened.leased.isAway = true;
  opened.leased.expire();
  const read = watch(posted(opened));
  const refused = watch(opened.bank.submit([request(9, STALE)]));
  await rest();
  await opened.bank.close();
  await until(() => read.state === "rejected" && refused.state === "rejected");
  expect(opened.fatal).toEqual([]);
});

/** A store whose lease runs out while the bank begins its epoch, which ends so. */
class RunsOut extends LeasedStore {
  private readonly ends: Error[];

  constructor(disk: MemoryDisk, ends: readonly Error[]) {
    super(disk);
    this.ends = [...ends];
  }

  override async fence(epoch: number): Promise<void> {
    const end = this.ends.shift();
    if (end === undefined) return super.fence(epoch);
    this.expire();
    throw end;
  }
}

describe("a bank whose lease runs out while it begins its epoch", () => {
  const ENDS = [new AppendUnknownError("the connection broke"), new LeaseLostError("it was not renewed for 1890 ms")];

  it.each(ENDS)("takes it back and begins the same one: %s", async (end) => {
    const disk = new MemoryDisk();
    const platform = new ManualPlatform();
    const store = new HeldStore(new RunsOut(disk, [end, end]));
    const opened = await driven(platform, openBank({ disk, store, platform }));
    await opened.bank.submit([request(1, openAccount()), request(2, deposit(1, 100))]);
    expect((await posted(opened)).value).toBe(100n);
    expect(opened.bank.ledger.epochs.map(({ number }) => number)).toEqual([1]);
    expect(opened.fatal).toEqual([]);
  });

  it("does not start where the store refuses", async () => {
    const disk = new MemoryDisk();
    const refused = new AppendRefusedError("no right");
    const opening = openBank({ disk, store: new HeldStore(new RunsOut(disk, [refused])) });
    await expect(opening).rejects.toBe(refused);
  });
});
