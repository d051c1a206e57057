import { EPOCHS_PER_LINE } from "@bank/core";
import { JournalService } from "@bank/proto";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { EpochPromises } from "../epoch-promise.ts";
import { promiseService } from "./promise-service.ts";

it("ends the stream of an older bank with the promise, before it says what is on disk; not where it promises nothing", async () => {
  const bankId = new Uint8Array(16).fill(1);
  const promises = new EpochPromises(undefined);
  const done: string[] = [];
  const copy = {
    bankId,
    copyId: new Uint8Array(16).fill(2),
    branches: [1],
    promises,
    epoch: 3,
    lastSaved: async () => {
      done.push("told what is on disk");
      return { epoch: 3, position: 9, chainHash: undefined };
    },
    onPromised: () => done.push(`ended, with a promise for ${promises.epoch}`),
  };
  const service = promiseService(() => copy);
  const journal = createClient(
    JournalService,
    createRouterTransport(({ service: serve }) => serve(JournalService, service)),
  );
  const ask = async (epoch: number, candidate: number) => {
    done.length = 0;
    return journal.promiseEpoch({ bankId, epoch: BigInt(epoch), candidate: new Uint8Array(16).fill(candidate) });
  };

  expect(await ask(EPOCHS_PER_LINE, 3)).toMatchObject({ promised: true, position: 9n });
  expect(done).toEqual([`ended, with a promise for ${EPOCHS_PER_LINE}`, "told what is on disk"]);
  for (const [epoch, candidate] of [
    [3, 3],
    [EPOCHS_PER_LINE - 1, 3],
    [EPOCHS_PER_LINE, 4],
  ] as const) {
    expect(await ask(epoch, candidate)).toMatchObject({ promised: false });
    expect(done).toEqual(["told what is on disk"]);
  }
});
