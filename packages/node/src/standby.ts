import type { Position } from "@bank/core";
import {
  AccountService,
  BranchService,
  HoldService,
  JournalService,
  ReplicationService,
  RequestService,
  SessionService,
  TransactionService,
} from "@bank/proto";
import { errorText, type Log, notLeader } from "@bank/replica";
import { type Serving, serve } from "@bank/rpc";

/** All that a bank serves. */
const SERVICES = [
  AccountService,
  BranchService,
  HoldService,
  JournalService,
  ReplicationService,
  RequestService,
  SessionService,
  TransactionService,
];

/**
 * What a bank server answers that waits for its turn: to every call, that it is not the leader, and who is. It listens at the
 * address where the bank will be, and not at all where that can be any.
 */
export class Standby {
  private readonly options: {
    readonly host: string;
    readonly port: number;
    readonly log: Log;
    /** How much of the leader's journal it has by now; undefined where that is not known. */
    readonly position?: () => Position | undefined;
  };
  private serving: Promise<Serving> | undefined;
  private leader: string | undefined;

  constructor(options: Standby["options"]) {
    this.options = options;
  }

  /**
   * Another server is the leader. Listens from the first time on; rejects with the system's error where it cannot.
   *
   * @param leader an URL; undefined where it is not known.
   */
  async follow(leader: string | undefined): Promise<void> {
    this.leader = leader;
    const { host, port, log } = this.options;
    if (port === 0) return;
    this.serving ??= serve({
      host,
      port,
      // Nothing here is hurried.
      quickUnary: false,
      routes: (router) => {
        for (const service of SERVICES) router.service(service, {});
      },
      interceptors: [
        () => async () => {
          const position = this.options.position?.();
          const warm = position === undefined ? "" : `, and has the leader's journal up to position ${position}`;
          throw notLeader(`it waits for its turn${warm}`, this.leader);
        },
      ],
      reportIncident: ({ id, method, error }) =>
        log.error("request failed", { incident: id, method, problem: errorText(error) }),
      reportUnsent: ({ method, error }) => log.info("answer could not be sent", { method, problem: errorText(error) }),
    });
    await this.serving;
  }

  /** Resolves when the port is free. Idempotent. */
  async close(): Promise<void> {
    const serving = await this.serving?.catch(() => undefined);
    await serving?.close();
  }
}
