import { rest, until, type Watched, watch } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { ReadGate, type ReadIndex } from "./read-gate.ts";

/** A bank whose position a test moves, and whose answers wait for the test. */
class SlowBank {
  position = 0;
  readonly questions: { readonly answer: () => void; readonly fail: (error: Error) => void }[] = [];
  inFlight = 0;
  inFlightMax = 0;

  readonly ask = (): Promise<ReadIndex> => {
    this.inFlight++;
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
    // The bank looks when the question comes in.
    const { position } = this;
    return new Promise<ReadIndex>((resolve, reject) => {
      this.questions.push({
        answer: () => {
          this.inFlight--;
          resolve({ position, epochId: new Uint8Array(16), epoch: 1, connectedMs: 2_000 });
        },
        fail: (error) => {
          this.inFlight--;
          reject(error);
        },
      });
    });
  };
}

const position = ({ value }: Watched<ReadIndex>) => value?.position;

describe("one question", () => {
  it("serves all that wait when it is sent, and none that come later", async () => {
    const bank = new SlowBank();
    const gate = new ReadGate(bank.ask);
    bank.position = 10;
    const early = [1, 2, 3].map(() => watch(gate.readIndex()));
    await until(() => bank.questions.length === 1);
    // Somebody is told of position 11, and then asks: the answer under way does not know of it.
    bank.position = 11;
    const late = [1, 2, 3].map(() => watch(gate.readIndex()));
    await rest();
    expect(bank.questions).toHaveLength(1);
    bank.questions[0]!.answer();
    await until(() => early.every(({ state }) => state === "fulfilled") && bank.questions.length === 2);
    expect(early.map(position)).toEqual([10, 10, 10]);
    expect(late.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
    bank.position = 12;
    const later = watch(gate.readIndex());
    bank.questions[1]!.answer();
    await until(() => late.every(({ state }) => state === "fulfilled") && bank.questions.length === 3);
    expect(late.map(position)).toEqual([11, 11, 11]);
    bank.questions[2]!.answer();
    await until(() => later.state === "fulfilled");
    expect(position(later)).toBe(12);
    expect(gate.questions).toBe(3);
  });

  it("is the only one in flight", async () => {
    const bank = new SlowBank();
    const gate = new ReadGate(bank.ask);
    const reads: Watched<ReadIndex>[] = [];
    for (let i = 0; i < 20; i++) {
      reads.push(watch(gate.readIndex()));
      await rest(2);
      if (i % 3 === 0) bank.questions.at(-1)!.answer();
    }
    await until(() => {
      bank.questions.at(-1)!.answer();
      return reads.every(({ state }) => state === "fulfilled");
    });
    expect(bank.inFlightMax).toBe(1);
  });

  it("is enough for a thousand reads at once, or two", async () => {
    const bank = new SlowBank();
    const gate = new ReadGate(bank.ask);
    const reads = Array.from({ length: 500 }, () => watch(gate.readIndex()));
    await until(() => bank.questions.length === 1);
    reads.push(...Array.from({ length: 500 }, () => watch(gate.readIndex())));
    bank.questions[0]!.answer();
    await until(() => bank.questions.length === 2);
    bank.questions[1]!.answer();
    await until(() => reads.every(({ state }) => state === "fulfilled"));
    await rest();
    expect(gate.questions).toBe(2);
  });

  it("is sent again for each read that comes alone", async () => {
    let asked = 0;
    const gate = new ReadGate(async () => ({
      position: ++asked,
      epochId: new Uint8Array(16),
      epoch: 1,
      connectedMs: 2_000,
    }));
    for (let i = 1; i <= 3; i++) expect((await gate.readIndex()).position).toBe(i);
  });
});

describe("a question that fails", () => {
  it("fails those that it was asked for, and no others", async () => {
    const bank = new SlowBank();
    const gate = new ReadGate(bank.ask);
    const early = [1, 2].map(() => watch(gate.readIndex()));
    await until(() => bank.questions.length === 1);
    const late = watch(gate.readIndex());
    bank.questions[0]!.fail(new Error("nobody answers"));
    await until(() => early.every(({ state }) => state === "rejected") && bank.questions.length === 2);
    expect(early.map(({ reason }) => reason)).toEqual(Array(2).fill(new Error("nobody answers")));
    expect(late.state).toBe("pending");
    bank.questions[1]!.answer();
    await until(() => late.state === "fulfilled");
  });

  it("fails them also when it cannot even be sent", async () => {
    let isBroken = true;
    const gate = new ReadGate(() => {
      if (isBroken) throw new Error("no link");
      return Promise.resolve({ position: 1, epochId: new Uint8Array(16), epoch: 1, connectedMs: 2_000 });
    });
    await expect(gate.readIndex()).rejects.toThrow("no link");
    isBroken = false;
    expect((await gate.readIndex()).position).toBe(1);
  });
});

describe("those who wait", () => {
  it("can be told that nobody answers, also those whose question was not sent yet; later ones ask anew", async () => {
    const bank = new SlowBank();
    const gate = new ReadGate(bank.ask);
    const asked = watch(gate.readIndex());
    await until(() => bank.questions.length === 1);
    const waiting = watch(gate.readIndex());
    gate.fail(new Error("the link is lost"));
    await until(() => asked.state === "rejected" && waiting.state === "rejected");
    expect([asked.reason, waiting.reason]).toEqual(Array(2).fill(new Error("the link is lost")));
    const later = watch(gate.readIndex());
    bank.position = 7;
    bank.questions[0]!.fail(new Error("too late"));
    await until(() => bank.questions.length === 2);
    bank.questions[1]!.answer();
    await until(() => later.state === "fulfilled");
    expect(position(later)).toBe(7);
    expect(gate.questions).toBe(2);
  });

  it("expire by when the first of them came, whether their question was sent or not", async () => {
    const bank = new SlowBank();
    let nowMs = 0;
    const gate = new ReadGate(bank.ask, () => nowMs);
    const reason = () => new Error("slow");
    const first = watch(gate.readIndex());
    await until(() => bank.questions.length === 1);
    nowMs = 100;
    const second = watch(gate.readIndex());
    gate.expire(-1, reason);
    await rest();
    expect([first.state, second.state]).toEqual(["pending", "pending"]);
    gate.expire(99, reason);
    await until(() => first.state === "rejected");
    expect(second.state).toBe("pending");
    gate.expire(100, reason);
    await until(() => second.state === "rejected");
    // The question under way still ends by itself, and nobody is left for another.
    bank.questions[0]!.answer();
    await rest();
    expect(gate.questions).toBe(1);
    const third = watch(gate.readIndex());
    await until(() => bank.questions.length === 2);
    bank.questions[1]!.answer();
    await until(() => third.state === "fulfilled");
  });
});
