import { checkSession, type EpochEntry, RefusalError, sessionAt } from "@bank/core";
import { AccountService, TransactionKind, TransactionService } from "@bank/proto";
import { connectErrorFromRefusal, decodeSession, encodeSession, readConsistency, SESSION_HEADER } from "@bank/rpc";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createRouterTransport } from "@connectrpc/connect";
import { FaultyConnection } from "./faulty-connection.test-util.ts";

/** Chance, as a test gives it. */
export interface Chance {
  /** True in so many of a hundred cases. */
  chance(percent: number): boolean;
  /** An integer from 0 to `bound` − 1. */
  below(bound: number): number;
}

/** Where an answer was taken from: a position of an epoch. */
export interface SeenState {
  readonly epoch: number;
  readonly position: number;
}

/**
 * A bank of which nothing counts but positions: servers that lag behind it, each a prefix of it, epochs that begin anew, and
 * losses. What it does with sessions is what the real one does, with the same code.
 */
export class LaggingBank {
  readonly epochs: EpochEntry[] = [];
  readonly servers: readonly LaggingServer[];
  /** The position of the last record. */
  committed = 0;
  readonly bankId = new Uint8Array(16).fill(7);
  /** What each request id was answered. */
  readonly answers = new Map<string, number>();

  constructor(servers: number, chance: Chance) {
    this.servers = Array.from({ length: servers }, () => new LaggingServer(this, chance));
    this.beginEpoch();
  }

  /** The bank starts again. */
  beginEpoch(): void {
    this.committed++;
    const number = this.epochs.length + 1;
    const id = new Uint8Array(16).fill(number);
    this.epochs.push({ number, id, firstPosition: this.committed, lossAccepted: false });
  }

  /** A bank takes over that has only what is up to the position: at least the first record, and no whole epoch is lost. */
  loseBehind(position: number): void {
    const newest = this.epochs.at(-1) as EpochEntry;
    this.committed = Math.max(newest.firstPosition, Math.min(position, this.committed));
    for (const [id, answered] of this.answers) if (answered > this.committed) this.answers.delete(id);
    for (const server of this.servers) server.applied = Math.min(server.applied, this.committed);
    this.beginEpoch();
  }

  /** Whether records that somebody saw are gone. */
  isLost({ epoch, position }: SeenState): boolean {
    const next = this.epochs[epoch];
    return next !== undefined && position >= next.firstPosition;
  }
}

/** A server of such a bank, reached over a connection that can fail. */
export class LaggingServer extends FaultyConnection {
  applied = 0;
  private readonly bank: LaggingBank;
  private readonly chance: Chance;

  constructor(bank: LaggingBank, chance: Chance) {
    super(
      createRouterTransport((router) => {
        router.service(AccountService, {
          getBalance: (_, { requestHeader }) => {
            const state = this.read(requestHeader);
            const money = { currencyCode: "USD", amountMinor: BigInt(state.readInfo.position) };
            return { ...state, posted: money, held: money, available: money, position: state.readInfo.position };
          },
        });
        router.service(TransactionService, {
          deposit: ({ requestId, account }, { requestHeader }) => this.write(requestId, account, requestHeader),
        });
      }),
    );
    this.bank = bank;
    this.chance = chance;
  }

  private read(headers: Headers) {
    const { consistency, session } = readConsistency(headers);
    if (consistency.mode === "linearizable") this.catchUp(this.bank.committed);
    if (consistency.mode !== "local") this.checkSession(session);
    return this.stateAt(this.applied);
  }

  private write(requestId: string, account: string, headers: Headers) {
    this.checkSession(headers.get(SESSION_HEADER) ?? undefined);
    const known = this.bank.answers.get(requestId);
    if (known === undefined) this.bank.answers.set(requestId, ++this.bank.committed);
    const position = known ?? this.bank.committed;
    this.catchUp(position);
    const { readInfo, time } = this.stateAt(position);
    const transaction = {
      position: BigInt(position),
      kind: TransactionKind.DEPOSIT,
      debitAccount: "cash/0/USD",
      creditAccount: account,
      amount: { currencyCode: "USD", amountMinor: 1n },
      time,
      requestId,
    };
    return { transaction, replayed: known !== undefined, readInfo };
  }

  /** What the session saw is shown from now on. An epoch that is heard of meanwhile may say that it was lost. */
  private checkSession(token: string | undefined): void {
    if (token === undefined) return;
    const { bankId, committed } = this.bank;
    const needed = () => {
      const check = this.visible(() => checkSession(decodeSession(token), bankId, this.known()));
      return check.kind === "needs" ? check.position : undefined;
    };
    this.catchUp(Math.min(needed() ?? committed, committed));
    const now = needed();
    if (now === undefined) throw refused("SESSION_LOST", { fork_position: "0", position: "0" });
    if (now > committed) throw refused("SESSION_INVALID", { problem: "it names a position that does not exist" });
  }

  /** Shows the position from now on; not always in time. */
  private catchUp(position: number): void {
    if (position <= this.applied) return;
    if (this.chance.chance(30)) throw refused("BANK_UNREACHABLE", { branch: "1" });
    this.applied = position + this.chance.below(this.bank.committed - position + 1);
  }

  private known(): EpochEntry[] {
    return this.bank.epochs.filter(({ firstPosition }) => firstPosition <= this.applied);
  }

  private stateAt(position: number) {
    const session = sessionAt(this.bank.bankId, this.bank.epochs, position);
    const epoch = this.bank.epochs.findLast(({ firstPosition }) => firstPosition <= position)?.number ?? 0;
    const token = session === undefined ? "" : encodeSession(session);
    const time = timestampFromMs(1_000);
    return { readInfo: { position: BigInt(position), epoch: BigInt(epoch), session: token, time }, time };
  }

  private visible<T>(check: () => T): T {
    try {
      return check();
    } catch (error) {
      throw error instanceof RefusalError ? connectErrorFromRefusal(error) : error;
    }
  }
}

function refused(...refusal: ConstructorParameters<typeof RefusalError>) {
  return connectErrorFromRefusal(new RefusalError(...refusal));
}
