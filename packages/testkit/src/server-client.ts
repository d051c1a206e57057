import {
  AccountService,
  BranchService,
  HoldService,
  JournalService,
  type ReplicaStatus,
  ReplicationService,
  RequestService,
  TransactionService,
} from "@bank/proto";
import { CONSISTENCY_HEADER, type ConsistencyMode, connectToServer, SESSION_HEADER } from "@bank/rpc";
import { type CallOptions, type Client, createClient } from "@connectrpc/connect";

/** The bare services of one server, without retries or sessions: what a test sends is what goes over the wire. */
export class ServerClient {
  readonly accounts: Client<typeof AccountService>;
  readonly transactions: Client<typeof TransactionService>;
  readonly holds: Client<typeof HoldService>;
  readonly requests: Client<typeof RequestService>;
  readonly branches: Client<typeof BranchService>;
  readonly journal: Client<typeof JournalService>;
  readonly replication: Client<typeof ReplicationService>;
  readonly close: () => void;

  constructor(url: string) {
    const { transport, close } = connectToServer(url);
    this.accounts = createClient(AccountService, transport);
    this.transactions = createClient(TransactionService, transport);
    this.holds = createClient(HoldService, transport);
    this.requests = createClient(RequestService, transport);
    this.branches = createClient(BranchService, transport);
    this.journal = createClient(JournalService, transport);
    this.replication = createClient(ReplicationService, transport);
    this.close = close;
  }

  /** How current the server says it is, as it stands. */
  async status(): Promise<ReplicaStatus> {
    const { branch } = await this.branches.getBranch({}, consistency("local"));
    if (branch?.status === undefined) throw new Error("a server knows its own status");
    return branch.status;
  }

  /** Balance in minor units. */
  async balance(account: string, options?: CallOptions): Promise<bigint> {
    const { posted } = await this.accounts.getBalance({ account }, options);
    if (posted === undefined) throw new Error("a balance is an amount");
    return posted.amountMinor;
  }
}

/** Call options for a read. */
export function consistency(mode: ConsistencyMode | string, session?: string): CallOptions {
  return { headers: { [CONSISTENCY_HEADER]: mode, ...(session === undefined ? {} : { [SESSION_HEADER]: session }) } };
}
