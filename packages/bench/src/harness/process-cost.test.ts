import { existsSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { familyUs, processorTime } from "./process-cost.ts";
import { Processes } from "./processes.ts";

/** About a tenth of a second of a shell's time. */
const BURN = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
/** A child of a shell ends with it. */
const WHILE_THE_FIRST_LIVES = "while kill -0 $$ 2>/dev/null; do sleep 0.05; done";
/** A fiftieth of a second: two ticks of the system's clock. */
const SOME_US = 20_000;

/** Runs a script in a shell until it has said that it burnt. */
async function burnt(script: string): Promise<number> {
  const processes = new Processes();
  onTestFinished(() => processes.close());
  const shell = processes.start({ name: "a shell", command: "sh", args: ["-c", script] });
  await shell.printed(/^burnt$/);
  return shell.pid;
}

describe.skipIf(!existsSync("/proc/self/task"))("the processor time of a family of processes", () => {
  it.each([
    ["a child that it has buried", `(${BURN}); echo burnt; exec sleep 60`],
    ["a child that lives", `(${BURN}; echo burnt; ${WHILE_THE_FIRST_LIVES}) & exec sleep 60`],
  ])("has that of %s", async (_, script) => {
    const pid = await burnt(script);
    expect(processorTime(pid)?.allUs).toBeLessThan(SOME_US);
    expect(familyUs(pid)).toBeGreaterThan(SOME_US);
  });

  it("is unknown of a process that is not there", () => {
    expect(familyUs(2 ** 22 + 1)).toBeUndefined();
  });
});
