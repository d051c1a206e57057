import {
  AccountService,
  GetBalanceResponseSchema,
  PipelinedReplySchema,
  type PipelineRequest,
  PipelineResponseSchema,
  SessionService,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { type ConnectRouter, createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, it, onTestFinished } from "vitest";
import { busyTransport } from "./busy-transport.ts";
import { ServerPipeline } from "./pipeline-server.ts";

/** A server that answers with the way by which it was asked. */
function ask(withStreams: boolean) {
  const asked = { unary: 0, streamed: 0 };
  const answer = () => create(GetBalanceResponseSchema, { readInfo: { epoch: 1n } });
  async function* pipeline(requests: AsyncIterable<PipelineRequest>) {
    yield create(PipelineResponseSchema, { callsInFlightMax: 100 });
    for await (const { calls } of requests) {
      asked.streamed += calls.length;
      const replies = calls.map(({ id }) =>
        create(PipelinedReplySchema, { id, reply: { case: "getBalance", value: answer() } }),
      );
      yield create(PipelineResponseSchema, { replies });
    }
  }
  const routes = (router: ConnectRouter) => {
    router.service(AccountService, {
      getBalance: () => {
        asked.unary++;
        return answer();
      },
    });
    if (withStreams) router.service(SessionService, { pipeline });
  };
  const own = createRouterTransport(routes);
  const server = new ServerPipeline(createClient(SessionService, own));
  onTestFinished(() => server.close());
  const accounts = createClient(AccountService, busyTransport(server, own));
  return { asked, balance: () => accounts.getBalance({ account: "1" }) };
}

it("calls go by themselves while few are under way, and over the stream beyond that", async () => {
  const { asked, balance } = ask(true);
  for (let i = 0; i < 20; i++) await balance();
  expect(asked).toEqual({ unary: 20, streamed: 0 });
  const replies = await Promise.all(Array.from({ length: 30 }, balance));
  expect(asked).toEqual({ unary: 22, streamed: 28 });
  expect(new Set(replies.map(({ readInfo }) => readInfo?.epoch))).toEqual(new Set([1n]));
  await balance();
  expect(asked).toEqual({ unary: 23, streamed: 28 });
});

it("all go by themselves to a server that does not know such streams", async () => {
  const { asked, balance } = ask(false);
  for (let round = 0; round < 2; round++) await Promise.all(Array.from({ length: 30 }, balance));
  expect(asked).toEqual({ unary: 60, streamed: 0 });
});

it("a transport may have methods that know their object", async () => {
  class Own {
    private readonly said = "own";
    unary(): Promise<never> {
      return Promise.reject(new Error(this.said));
    }
    stream(): Promise<never> {
      return this.unary();
    }
  }
  const server = new ServerPipeline(createClient(SessionService, new Own()));
  const accounts = createClient(AccountService, busyTransport(server, new Own()));
  await expect(accounts.getBalance({ account: "1" })).rejects.toThrow("own");
});
