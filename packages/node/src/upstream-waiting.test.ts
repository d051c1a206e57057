import { createServer } from "node:net";
import { JournalService } from "@bank/proto";
import { notLeader } from "@bank/replica";
import { connectErrorFromRefusal, serve } from "@bank/rpc";
import { RecordingLog } from "@bank/testkit";
import { expect, it, onTestFinished } from "vitest";
import { RemoteJournal } from "./bank-link.ts";
import { KnownEpochs } from "./known-epochs.ts";
import { nodePlatform } from "./platform.ts";
import { UpstreamLink } from "./upstream-link.ts";

const BANK_ID = new Uint8Array(16).fill(1);
const EPOCH_ID = new Uint8Array(16).fill(2);

/** Where connections are taken and nothing is ever said, as by a leader that stands still. */
async function startSilent(): Promise<string> {
  const server = createServer((socket) => {
    onTestFinished(() => {
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  onTestFinished(() => {
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on a port");
  return `http://127.0.0.1:${address.port}`;
}

/** A bank server that waits for its turn, and has it once it was asked so often. */
async function startWaiting(asksBefore: number): Promise<string> {
  let asks = 0;
  const position = { bankId: BANK_ID, position: 7n, epochId: EPOCH_ID };
  const { url, close } = await serve({
    host: "127.0.0.1",
    port: 0,
    routes: (router) => {
      router.service(JournalService, {
        getPosition: () => {
          if (asks++ < asksBefore) throw connectErrorFromRefusal(notLeader("it waits for its turn", undefined));
          return { ...position, chainHash: new Uint8Array(32), isBank: true, newestEpoch: 1n };
        },
        probe: () => ({ ...position, epoch: 1n }),
      });
    },
    reportIncident: () => undefined,
    reportUnsent: () => undefined,
  });
  onTestFinished(close);
  return url;
}

it("a server that waits for its turn is asked again while the leader says nothing, and followed as soon as it leads", async () => {
  const [silent, waiting] = [await startSilent(), await startWaiting(1)];
  const platform = nodePlatform(new RecordingLog());
  const chosen = Promise.withResolvers<string>();
  const stop = new AbortController();
  const link = new UpstreamLink({
    upstreams: [silent, waiting].map((url) => new RemoteJournal(url, "a test")),
    // Nobody is given up on before the test is over.
    platform: { ...platform, timeout: () => stop.signal },
    members: () => [],
    epochs: () => [],
    known: new KnownEpochs(
      () => 0,
      () => 0,
    ),
    beforeFollowing: async ({ url }) => {
      chosen.resolve(url);
      throw new Error("that is all");
    },
  });
  const from = { bankId: undefined, epochId: undefined, position: 0, chainHash: new Uint8Array(0) };
  const following = link.openJournal(from, stop.signal)[Symbol.asyncIterator]().next();
  expect(await chosen.promise).toBe(waiting);
  await expect(following).rejects.toThrow("that is all");
  stop.abort(new Error("the test is over"));
  link.close();
});
