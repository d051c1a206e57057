import { COMMANDS_PER_CALL_MAX } from "@bank/core";
import { ManualPlatform, rest, watch } from "@bank/testkit";
import { expect, it } from "vitest";
import { QUEUED_REQUESTS_MAX } from "./admission.ts";
import type { BankContact } from "./bank-contact.ts";
import { BranchWrites } from "./branch-writes.ts";
import { PositionWatch } from "./position-watch.ts";

it("writes of one branch fit into the bank's queue, whatever is on the way", async () => {
  let rows = 0;
  const never = new Promise<never>(() => undefined);
  const connection = new AbortController().signal;
  const writes = new BranchWrites({
    platform: new ManualPlatform({ seed: 1 }),
    contact: { isReachable: true, watch: { connection } } as unknown as BankContact,
    applied: new PositionWatch(0),
    send: (commands: readonly { readonly position: number }[]) => {
      rows += commands.length;
      return never;
    },
    sendMovements: (calls) => {
      // Nothing but accounts and amounts: no call has more rows for its bytes.
      rows += calls.reduce((sum, { movements }) => sum + Math.floor(movements.length / 24), 0);
      return never;
    },
  });
  const movements = { branch: 1, session: "", movements: new Uint8Array(24 * (COMMANDS_PER_CALL_MAX - 2)) };
  const commands = Array.from({ length: COMMANDS_PER_CALL_MAX }, () => ({ position: 0 }));
  for (let call = 0; call < 8; call++) {
    watch(writes.passOnMovements([movements], undefined, undefined));
    watch(writes.passOn(commands, undefined, undefined));
  }
  await rest();
  expect(rows).toBeGreaterThan(QUEUED_REQUESTS_MAX / 2);
  expect(rows).toBeLessThanOrEqual(QUEUED_REQUESTS_MAX);
});
