import { randomUUID } from "node:crypto";
import { type PipelinedCall, PipelinedCallSchema } from "@bank/proto";
import { seeds, withSeed } from "@bank/testkit";
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { AskingCall, Operation } from "./pipeline-call.ts";
import { groupsOf } from "./pipeline-group.ts";

const OPERATIONS: readonly { readonly isShared: boolean; readonly call: unknown }[] = [
  { isShared: true, call: { case: "getAccount", value: { account: "1" } } },
  { isShared: true, call: { case: "getBalance", value: { account: "1" } } },
  { isShared: true, call: { case: "getHold", value: { hold: 1n } } },
  { isShared: false, call: { case: "getBalance", value: { account: "1", asOf: { case: "position", value: 1n } } } },
  { isShared: false, call: { case: "getTransaction", value: { transaction: 1n } } },
  { isShared: false, call: { case: "getOutcome", value: { requestId: randomUUID() } } },
  { isShared: false, call: { case: "cancelRequest", value: { requestId: randomUUID() } } },
  { isShared: true, call: item("deposit", {}) },
  { isShared: true, call: item("group", { items: [{ command: { case: "deposit", value: {} } }] }) },
  { isShared: false, call: item("deposit", { validateOnly: true }) },
  { isShared: false, call: item("reverse", { transaction: 1n }) },
  { isShared: false, call: item("group", { items: [{ command: { case: "reverse", value: {} } }] }) },
];

function item(kind: string, value: object) {
  return { case: "item", value: { command: { case: kind, value } } };
}

/** What calls of one group have in common. */
function key({ call, consistency, session, propagation, timeoutMs }: PipelinedCall): string {
  return JSON.stringify([call.case, consistency, session, propagation, timeoutMs]);
}

describe("calls that came together", () => {
  it.each(seeds(20))("are carried out together exactly where they ask alike (seed %i)", (seed) =>
    withSeed(seed, "packages/node/src/services/pipeline-group.test.ts", async (random) => {
      const pick = <T>(from: readonly T[]): T => from[random.below(from.length)] as T;
      const isSharedById = new Map<bigint, boolean>();
      const calls = Array.from({ length: 60 }, (_, i): AskingCall => {
        const { isShared, call } = pick(OPERATIONS);
        const consistency = pick(["", "local", "position=5"]);
        const message = create(PipelinedCallSchema, {
          id: BigInt(i),
          consistency,
          session: pick(["", "token"]),
          propagation: pick(["", "quorum=1"]),
          timeoutMs: pick([0, 1_000]),
          call: call as Operation,
        });
        // A balance of the past is the history's, whichever way it is asked for.
        const isOfPast = message.call.case === "getBalance" && consistency === "position=5";
        isSharedById.set(BigInt(i), isShared && !isOfPast);
        return { call: message as AskingCall["call"] & PipelinedCall, weight: 1, answer: () => undefined };
      });
      const groups = groupsOf(calls);
      expect(groups.flatMap((group) => group.calls.map(({ call }) => call.id)).sort((a, b) => Number(a - b))).toEqual(
        calls.map(({ call }) => call.id),
      );
      const sharedKeys: string[] = [];
      for (const { kind, calls: members } of groups) {
        expect(new Set(members.map(({ call }) => key(call))).size).toBe(1);
        expect(members[0].call.call.case).toBe(kind);
        const ids = members.map(({ call }) => call.id);
        expect(ids).toEqual([...ids].sort((a, b) => Number(a - b)));
        if (isSharedById.get(ids[0] as bigint) === true) sharedKeys.push(key(members[0].call));
        else expect(members).toHaveLength(1);
      }
      // No two groups that could be one.
      expect(new Set(sharedKeys).size).toBe(sharedKeys.length);
    }),
  );
});
