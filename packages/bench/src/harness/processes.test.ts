import { expect, it, onTestFinished, vi } from "vitest";
import { PRINTED_MS_MAX, Processes } from "./processes.ts";

it("what a process never prints is not waited for without end", async () => {
  const processes = new Processes();
  onTestFinished(async () => {
    vi.useRealTimers();
    await processes.close();
  });
  const running = processes.start({ name: "the bank", command: "sh", args: ["-c", "echo starting; exec sleep 60"] });
  expect((await running.printed(/^start(.*)$/))[1]).toBe("ing");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const printed = expect(running.printed(/listening/)).rejects.toThrow(
    "the bank has not printed /listening/ in 120 s:\nstarting",
  );
  const logged = expect(running.logged(/ready/)).rejects.toThrow("the bank has not logged /ready/ in 120 s");
  await vi.advanceTimersByTimeAsync(PRINTED_MS_MAX);
  await printed;
  await logged;
  expect(vi.getTimerCount()).toBe(0);
});
