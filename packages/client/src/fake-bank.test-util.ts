import { formatAmount, RefusalError } from "@bank/core";
import { AccountService, AccountType, BranchService, TransactionKind, TransactionService } from "@bank/proto";
import {
  type CommandCase,
  commandOfBatchItem,
  connectErrorFromFailure,
  connectErrorFromRefusal,
  encodeSession,
  failureFromRefusal,
  SESSION_HEADER,
} from "@bank/rpc";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ConnectError, type ConnectRouter, createRouterTransport } from "@connectrpc/connect";
import { FaultyConnection } from "./faulty-connection.test-util.ts";

type Failure = ReturnType<typeof failureFromRefusal>;

/** What became of one request id. */
type Answer = { readonly position: number; readonly replayed: boolean } & (
  | { readonly movement: Movement }
  | { readonly failure: Failure }
);

interface Movement {
  readonly kind: TransactionKind;
  readonly debit: string;
  readonly credit: string;
  readonly minor: bigint;
  readonly requestId: string;
}

/** The state that several fake servers show: USD accounts, request ids, positions, epochs. */
export class FakeLedger {
  readonly balances = new Map<string, bigint>();
  /** Number and address; without an address the head office itself. */
  readonly branches = new Map<number, string>([[0, ""]]);
  readonly bankId = new Uint8Array(16).fill(1);
  position = 1;
  epoch = 1;
  /** Request ids that an overloaded bank refuses the first time. */
  readonly refuseOnce = new Set<string>();
  /** Batches are answered with nothing. */
  dropResults = false;
  private readonly answers = new Map<string, Answer>();

  token(position = this.position, epoch = this.epoch): string {
    return encodeSession({ bankId: this.bankId, seen: [{ epochId: new Uint8Array(16).fill(epoch), position }] });
  }

  execute({ case: kind, value }: CommandCase): Answer {
    if (this.refuseOnce.delete(value.requestId))
      return {
        position: 0,
        replayed: false,
        failure: failureFromRefusal(new RefusalError("OVERLOADED", { waiting: "9" })),
      };
    const known = this.answers.get(value.requestId);
    if (known !== undefined) return { ...known, replayed: true };
    const answer = { position: ++this.position, replayed: false, ...this.decide(kind, value) };
    this.answers.set(value.requestId, answer);
    return answer;
  }

  private decide(
    kind: CommandCase["case"],
    value: CommandCase["value"],
  ): { readonly movement: Movement } | { readonly failure: Failure } {
    const cash = "cash/0/USD";
    const { requestId } = value;
    if (kind === "openAccount") {
      const number = String(this.balances.size + 1);
      this.balances.set(number, 0n);
      return { movement: { kind: TransactionKind.UNSPECIFIED, debit: cash, credit: number, minor: 0n, requestId } };
    }
    const minor = ("amount" in value ? value.amount?.amountMinor : undefined) ?? 0n;
    const [debit, credit, kindNumber] =
      "fromAccount" in value
        ? [value.fromAccount, value.toAccount, TransactionKind.TRANSFER]
        : kind === "deposit"
          ? [cash, "account" in value ? value.account : "", TransactionKind.DEPOSIT]
          : ["account" in value ? value.account : "", cash, TransactionKind.WITHDRAWAL];
    for (const [account, change] of [
      [debit, -minor],
      [credit, minor],
    ] as const) {
      if (account === cash) continue;
      const balance = this.balances.get(account);
      if (balance === undefined) return { failure: rejection("ACCOUNT_NOT_FOUND", { account }) };
      if (balance + change < 0n)
        return { failure: rejection("INSUFFICIENT_FUNDS", { account, available: formatAmount(balance, 2) }) };
    }
    if (debit !== cash) this.balances.set(debit, (this.balances.get(debit) ?? 0n) - minor);
    if (credit !== cash) this.balances.set(credit, (this.balances.get(credit) ?? 0n) + minor);
    return { movement: { kind: kindNumber, debit, credit, minor, requestId } };
  }
}

/** A server of that ledger, reached over a connection that can fail. */
export class FakeServer extends FaultyConnection {
  readonly ledger: FakeLedger;

  constructor(ledger: FakeLedger = new FakeLedger(), number = 0) {
    super(createRouterTransport((router) => routes(router, ledger, number)));
    this.ledger = ledger;
  }
}

function routes(router: ConnectRouter, ledger: FakeLedger, number: number): void {
  const readInfo = (position = ledger.position) => ({
    position: BigInt(position),
    stalenessMs: 0n,
    session: ledger.token(position),
  });
  const account = (reference: string) => {
    const minor = ledger.balances.get(reference);
    if (minor === undefined)
      throw connectErrorFromRefusal(
        new RefusalError("READ_ACCOUNT_NOT_FOUND", { account: reference, position: String(ledger.position) }),
      );
    return {
      number: reference,
      type: AccountType.SAVINGS,
      currencyCode: "USD",
      posted: { currencyCode: "USD", amountMinor: minor },
      version: 1n,
      openedAt: timestampFromMs(1_000),
      openedPosition: 1n,
    };
  };
  const booked = ({ kind, debit, credit, minor, requestId }: Movement, position: number) => ({
    position: BigInt(position),
    kind,
    debitAccount: debit,
    creditAccount: credit,
    amount: { currencyCode: "USD", amountMinor: minor },
    branch: number,
    time: timestampFromMs(2_000),
    requestId,
  });
  const move = (command: CommandCase) => {
    const answer = ledger.execute(command);
    if ("failure" in answer) throw rejected(answer.failure, ledger.token(answer.position));
    const { movement, position, replayed } = answer;
    return { movement, transaction: booked(movement, position), replayed, readInfo: readInfo(position) };
  };
  router.service(AccountService, {
    openAccount: (value) => {
      const { movement, ...reply } = move({ case: "openAccount", value });
      return { ...reply, account: account(movement.credit) };
    },
    getAccount: (request) => ({ account: account(request.account), readInfo: readInfo() }),
    getBalance: (request) => {
      const { posted, version } = account(request.account);
      return { posted, version, readInfo: readInfo() };
    },
    listAccounts: ({ pageSize, pageToken }) => {
      const from = Number(pageToken);
      const to = from + (pageSize === 0 ? 100 : pageSize);
      const numbers = [...ledger.balances.keys()];
      return {
        accounts: numbers.slice(from, to).map(account),
        nextPageToken: to < numbers.length ? String(to) : "",
        readInfo: readInfo(),
      };
    },
  });
  router.service(TransactionService, {
    deposit: (value) => move({ case: "deposit", value }),
    withdraw: (value) => move({ case: "withdraw", value }),
    transfer: (value) => move({ case: "transfer", value }),
    executeBatch: ({ items }) => {
      const answers = items.map((item) => ledger.execute(commandOfBatchItem(item)));
      return {
        results: (ledger.dropResults ? [] : answers).map((answer) => ({
          replayed: answer.replayed,
          result:
            "failure" in answer
              ? ({ case: "failure", value: answer.failure } as const)
              : ({ case: "transaction", value: booked(answer.movement, answer.position) } as const),
        })),
        readInfo: readInfo(Math.max(...answers.map(({ position }) => position))),
      };
    },
  });
  const branch = (each: number) => ({ number: each, address: ledger.branches.get(each) ?? "", name: `branch ${each}` });
  router.service(BranchService, {
    listBranches: () => ({ branches: [...ledger.branches.keys()].map(branch), readInfo: readInfo() }),
    getBranch: () => ({
      branch: {
        ...branch(number),
        status: { appliedPosition: 3n, durablePosition: 4n, digest: "00ff", connected: true },
      },
      readInfo: readInfo(),
    }),
  });
}

function rejection(reason: "ACCOUNT_NOT_FOUND" | "INSUFFICIENT_FUNDS", metadata: Record<string, string>): Failure {
  const failure = failureFromRefusal(new RefusalError("INVALID_REQUEST", metadata, "REJECTED"));
  return { ...failure, code: reason === "ACCOUNT_NOT_FOUND" ? 5 : 9, reason, message: `No: ${reason}.` };
}

function rejected(failure: Failure, token: string): ConnectError {
  const error = connectErrorFromFailure(failure);
  error.metadata.set(SESSION_HEADER, token);
  return error;
}
