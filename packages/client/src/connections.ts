import {
  AccountService,
  BranchService,
  HoldService,
  RequestService,
  SessionService,
  TransactionService,
} from "@bank/proto";
import { connectToServer, movementCallsCodec, type ServerConnection, WATCHFUL_LIMITS } from "@bank/rpc";
import { type Client, createClient } from "@connectrpc/connect";
import { busyTransport } from "./busy-transport.ts";
import { ServerPipeline } from "./pipeline-server.ts";

/** One server, and its services. */
export interface Server {
  /** `http://127.0.0.1:50051` */
  readonly url: string;
  readonly accounts: Client<typeof AccountService>;
  readonly transactions: Client<typeof TransactionService>;
  readonly holds: Client<typeof HoldService>;
  readonly requests: Client<typeof RequestService>;
  readonly branches: Client<typeof BranchService>;
  /** Single operations over one stream; it opens with the first of them. */
  readonly pipeline: ServerPipeline;
}

/** Opens a connection; replaced by tests, which have no network. */
export type Connect = (url: string) => ServerConnection;

/**
 * Opens connections by gRPC over HTTP/2.
 *
 * @param hasOthers whether there are other servers to go to: then one that is silent is soon left. A call that merely takes long
 *   is not cut short by that, for a server that is busy with it answers pings.
 */
export function connectQuickly({ hasOthers }: { readonly hasOthers: boolean }): Connect {
  const limits = hasOthers ? WATCHFUL_LIMITS : {};
  return (url) => connectToServer(url, { codecs: [movementCallsCodec], ...limits });
}

/** One connection for each server, shared by all clients that came from one `connectBank`. */
export class Connections {
  private readonly connect: Connect;
  private readonly servers = new Map<string, { readonly server: Server; readonly connection: ServerConnection }>();

  constructor(connect: Connect) {
    this.connect = connect;
  }

  to(url: string): Server {
    const known = this.servers.get(url);
    if (known !== undefined) return known.server;
    const connection = this.connect(url);
    const pipeline = new ServerPipeline(createClient(SessionService, connection.transport));
    const transport = busyTransport(pipeline, connection.transport);
    const server: Server = {
      url,
      accounts: createClient(AccountService, transport),
      transactions: createClient(TransactionService, transport),
      holds: createClient(HoldService, transport),
      requests: createClient(RequestService, transport),
      branches: createClient(BranchService, transport),
      pipeline,
    };
    this.servers.set(url, { server, connection });
    return server;
  }

  close(): void {
    for (const { server, connection } of this.servers.values()) {
      server.pipeline.close();
      connection.close();
    }
    this.servers.clear();
  }
}
