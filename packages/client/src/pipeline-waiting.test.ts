import { GetAccountRequestSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { PipelineEntry } from "./pipeline-entry.ts";
import { WaitingCalls } from "./pipeline-waiting.ts";

function ignore(): void {
  // Nobody waits for these.
}

function waiter(waiting: WaitingCalls): PipelineEntry {
  const operation = { case: "getAccount", value: create(GetAccountRequestSchema) } as const;
  const sending = { headers: {}, timeoutMs: 60_000 };
  const onSettled = (entry: PipelineEntry) => waiting.onSettled(entry);
  return new PipelineEntry(operation, sending, { resolve: ignore, reject: ignore, onTimeUp: ignore, onSettled });
}

it("those that wait are given in their order, whoever ends meanwhile, and few places are kept for those that do not", () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant("push" as const), count: fc.integer({ min: 1, max: 120 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("take" as const), count: fc.integer({ min: 1, max: 90 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("end" as const), count: fc.integer({ min: 1, max: 90 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("putBack" as const), count: fc.integer({ min: 1, max: 9 }) }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 1_000 }), (steps, stride) => {
      const waiting = new WaitingCalls();
      let expected: PipelineEntry[] = [];
      const taken: PipelineEntry[] = [];
      for (const { kind, count } of steps) {
        for (let i = 0; i < count; i++) {
          if (kind === "push") {
            const entry = waiter(waiting);
            waiting.push(entry);
            expected.push(entry);
          } else if (kind === "take") {
            expect(waiting.first).toBe(expected[0]);
            const entry = waiting.take();
            expect(entry).toBe(expected.shift());
            if (entry !== undefined) taken.push(entry);
          } else if (kind === "end" && expected.length > 0) {
            const [entry] = expected.splice((i * stride) % expected.length, 1);
            entry?.reject(new Error("its time is over"));
          }
        }
        if (kind === "putBack") {
          const back = taken.splice(0, count);
          waiting.putBack(back);
          expected = [...back, ...expected];
        }
        expect([waiting.count, waiting.commands]).toEqual([expected.length, expected.length]);
        expect(waiting.places).toBeLessThanOrEqual(2 * expected.length + 65);
      }
      for (const entry of taken) entry.reject(new Error("over"));
      expect([waiting.count, waiting.commands]).toEqual([expected.length, expected.length]);
      const all = waiting.takeAll();
      expect(all).toEqual(expected);
      expect([waiting.count, waiting.commands, waiting.places, waiting.first]).toEqual([0, 0, 0, undefined]);
      for (const entry of all) entry.reject(new Error("over"));
    }),
    { numRuns: 60 },
  );
});
