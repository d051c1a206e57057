import { RefusalError } from "@bank/core";
import {
  AccountService,
  type AccountTransaction,
  AccountTransactionSchema,
  BranchService,
  DepositRequestSchema,
  type ExecuteMovementsRequest,
  HoldService,
  HoldState,
  PropagationMode,
  type PropagationSchema,
  RequestService,
  TransactionService,
  TransferRequestSchema,
  WithdrawRequestSchema,
} from "@bank/proto";
import {
  commandCount,
  commandOfBatchItem,
  connectErrorFromFailure,
  connectErrorFromRefusal,
  type failureFromRefusal,
  type ItemCase,
  readConsistency,
  readPropagation,
  SESSION_HEADER,
} from "@bank/rpc";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ConnectRouter, createRouterTransport } from "@connectrpc/connect";
import { type Answer, FakeLedger, type Result } from "./fake-ledger.test-util.ts";
import { FaultyConnection } from "./faulty-connection.test-util.ts";

/** A server of a fake ledger, reached over a connection that can fail. */
export class FakeServer extends FaultyConnection {
  readonly ledger: FakeLedger;

  constructor(ledger: FakeLedger = new FakeLedger(), number = 0) {
    super(createRouterTransport((router) => new FakeRoutes(ledger, number).add(router)));
    this.ledger = ledger;
  }
}

/** Journal time of every state that a fake bank is read in. */
export const READ_TIME_MS = 2_500;

class FakeRoutes {
  private readonly ledger: FakeLedger;
  private readonly number: number;

  constructor(ledger: FakeLedger, number: number) {
    this.ledger = ledger;
    this.number = number;
  }

  add(router: ConnectRouter): void {
    this.addAccounts(router);
    this.addTransactions(router);
    this.addHolds(router);
    this.addRequests(router);
    this.addBranches(router);
  }

  private addAccounts(router: ConnectRouter): void {
    const { ledger } = this;
    router.service(AccountService, {
      openAccount: (value) => {
        const { result, ...reply } = this.done({ case: "openAccount", value }, "account");
        return { ...reply, account: result };
      },
      updateAccount: (value) => {
        const { result, ...reply } = this.done({ case: "updateAccount", value }, "accountUpdate");
        return { ...reply, update: result };
      },
      freezeAccount: (value) => this.stateChanged({ case: "freezeAccount", value }),
      unfreezeAccount: (value) => this.stateChanged({ case: "unfreezeAccount", value }),
      closeAccount: (value) => this.stateChanged({ case: "closeAccount", value }),
      getAccount: ({ account }) => ({ account: visible(() => ledger.account(account)), readInfo: this.readInfo() }),
      getBalance: ({ account }, { requestHeader }) => {
        const { consistency } = readConsistency(requestHeader);
        const { posted, held, available, version } = visible(() => ledger.account(account));
        const now = { posted, held, available, readInfo: this.readInfo() };
        const time = timestampFromMs(3_000);
        // The past is as the present, but for what says that it is the past.
        if (consistency.mode === "position") return { ...now, position: BigInt(consistency.position), time };
        if (consistency.mode === "time") return { ...now, position: 1n, time: timestampFromMs(consistency.timeMs) };
        return { ...now, version, position: BigInt(ledger.position), time };
      },
      listAccounts: ({ pageSize, pageToken }) => {
        const { page, nextPageToken } = pageOf([...ledger.balances.keys()], pageSize, pageToken);
        return { accounts: page.map((number) => ledger.account(number)), nextPageToken, readInfo: this.readInfo() };
      },
    });
  }

  private addTransactions(router: ConnectRouter): void {
    const { ledger } = this;
    router.service(TransactionService, {
      deposit: (value, { requestHeader }) => {
        const booked = this.booked({ case: "deposit", value });
        return { ...booked, readInfo: { ...booked.readInfo, ...spread(requestHeader) } };
      },
      withdraw: (value) => this.booked({ case: "withdraw", value }),
      transfer: (value) => this.booked({ case: "transfer", value }),
      reverseTransaction: (value) => this.booked({ case: "reverse", value }),
      applyInterest: (value) => {
        const { result, ...reply } = this.done({ case: "applyInterest", value }, "interest");
        return { ...reply, interest: result };
      },
      executeGroup: (value) => {
        const { result, ...reply } = this.done({ case: "group", value }, "group");
        return { ...reply, group: result };
      },
      executeBatch: ({ items }, { requestHeader }) => {
        const answers = items.map((item) => ledger.execute(commandOfBatchItem(item)));
        return {
          results: (ledger.dropResults ? [] : answers).map(({ replayed, result }) => ({ replayed, result })),
          readInfo: {
            ...this.writeInfo(Math.max(...answers.map(({ position }) => position))),
            ...spread(requestHeader),
          },
        };
      },
      executeMovements: (request, { requestHeader }) => this.movements(request, requestHeader),
      getTransaction: ({ transaction: asked }) => {
        const transaction = ledger.transactions.find(({ position }) => position === asked);
        const metadata = { transaction: String(asked), position: String(ledger.position) };
        if (transaction === undefined) throw refused("READ_TRANSACTION_NOT_FOUND", metadata);
        return { transaction: { ...transaction, reversedBy: 77n }, readInfo: this.readInfo() };
      },
      listTransactions: ({ account, pageSize, pageToken, oldestFirst }) => {
        const entries = historyOf(ledger, account);
        const { page, nextPageToken } = pageOf(oldestFirst ? entries : entries.reverse(), pageSize, pageToken);
        return { transactions: page, nextPageToken, readInfo: this.readInfo() };
      },
    });
  }

  /** Row for row as a batch, told in columns. */
  private movements(request: ExecuteMovementsRequest, headers: Headers) {
    const { ledger } = this;
    const answers = request.debitAccounts.map((_, row) => ledger.execute(commandOfRow(request, row)));
    // A bank of another kind of mind tells all rows that were not plainly done now, and of the others only where they stand.
    const isPlain = ({ replayed, result }: Answer) => !replayed && result.case === "transaction";
    const others = answers.flatMap((answer, row) =>
      isPlain(answer) ? [] : [{ row, result: { replayed: answer.replayed, result: answer.result } }],
    );
    const plain = answers.findIndex(isPlain);
    return {
      positions: (ledger.dropResults ? [] : answers).map(({ position }) => BigInt(position)),
      times: plain === -1 ? [] : [{ row: plain, timeMs: 2_000n }],
      others,
      branch: this.number,
      readInfo: { ...this.writeInfo(Math.max(...answers.map(({ position }) => position))), ...spread(headers) },
    };
  }

  private addHolds(router: ConnectRouter): void {
    const { ledger } = this;
    router.service(HoldService, {
      placeHold: (value) => this.holdChanged({ case: "placeHold", value }),
      captureHold: (value) => {
        const { result, ...reply } = this.done({ case: "captureHold", value }, "capture");
        return { ...reply, capture: result };
      },
      releaseHold: (value) => this.holdChanged({ case: "releaseHold", value }),
      extendHold: (value) => this.holdChanged({ case: "extendHold", value }),
      getHold: ({ hold: asked }) => {
        const hold = ledger.hold(Number(asked));
        const metadata = { hold: String(asked), position: String(ledger.position) };
        if (hold === undefined) throw refused("READ_HOLD_NOT_FOUND", metadata);
        return { hold, readInfo: this.readInfo() };
      },
      listHolds: ({ account, pageSize, pageToken }) => {
        const open = [...ledger.holds].filter(([, hold]) => hold.account === account && hold.state === HoldState.OPEN);
        const { page, nextPageToken } = pageOf(open, pageSize, pageToken);
        return {
          holds: page.flatMap(([position]) => ledger.hold(position) ?? []),
          nextPageToken,
          readInfo: this.readInfo(),
        };
      },
    });
  }

  private addRequests(router: ConnectRouter): void {
    const { ledger } = this;
    router.service(RequestService, {
      getOutcome: ({ requestId }) => ({ ...ledger.outcome(requestId), readInfo: this.readInfo() }),
      cancelRequest: ({ requestId }) => ({ ...ledger.cancel(requestId), readInfo: this.writeInfo(ledger.position) }),
    });
  }

  private addBranches(router: ConnectRouter): void {
    const { ledger, number } = this;
    const branch = (each: number) => ({
      number: each,
      address: ledger.branches.get(each) ?? "",
      name: `branch ${each}`,
    });
    router.service(BranchService, {
      listBranches: () => ({
        branches: [...ledger.branches.keys()].map(branch),
        durability: { copies: 1, branches: [1, 2], position: 7n },
        readInfo: this.readInfo(),
      }),
      updateBranch: ({ number: changed, change }) => ({
        branch: {
          ...branch(changed),
          ...(change.case === "name" ? { name: change.value } : {}),
          ...(change.case === "state" ? { state: change.value } : {}),
        },
        readInfo: this.writeInfo(ledger.position),
      }),
      setDurability: ({ copies, branches }) => ({
        durability: { copies, branches, position: 9n },
        replayed: true,
        readInfo: this.writeInfo(ledger.position),
      }),
      getBranch: () => ({
        branch: {
          ...branch(number),
          status: {
            appliedPosition: 3n,
            durablePosition: 4n,
            digest: "00ff",
            connected: true,
            historyPosition: 2n,
            lagPositions: 1n,
            stalenessMs: 12n,
            follows: 0,
            followers: 2,
            connectedSince: timestampFromMs(1_000),
            formatLevel: 3,
            copyId: "abcd",
            upstream: "http://bank",
          },
        },
        readInfo: this.readInfo(),
      }),
    });
  }

  private readInfo() {
    return { ...this.writeInfo(this.ledger.position), time: timestampFromMs(READ_TIME_MS) };
  }

  /** Tells no time. */
  private writeInfo(position: number) {
    const { epoch } = this.ledger;
    const session = this.ledger.token(position);
    return { position: BigInt(position), stalenessMs: 0n, session, connected: true, epoch: BigInt(epoch) };
  }

  private booked(command: ItemCase) {
    const { result, ...reply } = this.done(command, "transaction");
    // Where money moved, the time of a write is known.
    const readInfo = { ...reply.readInfo, ...(result.time === undefined ? {} : { time: result.time }) };
    return { ...reply, readInfo, transaction: { ...result, branch: this.number } };
  }

  private stateChanged(command: ItemCase) {
    const { result, ...reply } = this.done(command, "stateChange");
    return { ...reply, change: result };
  }

  private holdChanged(command: ItemCase) {
    const { result, ...reply } = this.done(command, "hold");
    return { ...reply, hold: result };
  }

  /** What was done, whose result is of that kind. Throws: the error of what was not. */
  private done<Case extends NonNullable<Result["case"]>>(command: ItemCase, kind: Case) {
    const { result, position, replayed } = this.ledger.execute(command);
    const state = position === 0 ? this.ledger.position : position;
    if (result.case === "failure") {
      const groupSize = command.case === "group" ? commandCount(command) : 0;
      const error = connectErrorFromFailure(result.value as Failure, groupSize);
      error.metadata.set(SESSION_HEADER, this.ledger.token(state));
      throw error;
    }
    if (result.case !== kind) throw new Error(`a command gives ${kind}, not ${result.case}`);
    type Value = Extract<Result, { case: Case }>["value"];
    return { result: result.value as Value, replayed, readInfo: this.writeInfo(state) };
  }
}

type Failure = ReturnType<typeof failureFromRefusal>;

/** What an answer says about propagation: all but branch 3 have it, and branch 4 is away. */
function spread(headers: Headers): { propagation?: MessageInitShape<typeof PropagationSchema> } {
  const asked = readPropagation(headers);
  if (asked.mode === "bank") return {};
  const modes = { quorum: PropagationMode.QUORUM, allBranches: PropagationMode.ALL_BRANCHES };
  const copiesAsked = asked.mode === "quorum" ? asked.copies : 0;
  const said = { satisfied: copiesAsked === 1, copiesReached: 2, reached: [1, 2], missing: [3], disconnected: [4] };
  return { propagation: { asked: modes[asked.mode], copiesAsked, ...said, appliedHere: true } };
}

function historyOf(ledger: FakeLedger, account: string) {
  let minor = 0n;
  const entries: AccountTransaction[] = [];
  for (const transaction of ledger.transactions) {
    const amount = transaction.amount?.amountMinor ?? 0n;
    const change =
      transaction.creditAccount === account ? amount : transaction.debitAccount === account ? -amount : undefined;
    if (change === undefined) continue;
    minor += change;
    const [currencyCode, amountMinor] = ["USD", change];
    const postedAfter = { currencyCode, amountMinor: minor };
    entries.push(create(AccountTransactionSchema, { transaction, change: { currencyCode, amountMinor }, postedAfter }));
  }
  return entries;
}

/** A token is how many entries are before its page. */
function pageOf<T>(entries: readonly T[], pageSize: number, pageToken: string) {
  const from = Number(pageToken);
  const to = from + (pageSize === 0 ? 100 : pageSize);
  return { page: entries.slice(from, to), nextPageToken: to < entries.length ? String(to) : "" };
}

function commandOfRow(request: ExecuteMovementsRequest, row: number): ItemCase {
  const at = (column: readonly bigint[]) => column[row] ?? 0n;
  const hex = (half: bigint) => half.toString(16).padStart(16, "0");
  const digits = hex(at(request.requestIdsHigh)) + hex(at(request.requestIdsLow));
  const requestId = digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  const amount = { currencyCode: request.currencyCode, amountMinor: at(request.amountsMinor) };
  const [debit, credit] = [at(request.debitAccounts), at(request.creditAccounts)].map(String) as [string, string];
  if (debit === "0")
    return { case: "deposit", value: create(DepositRequestSchema, { requestId, account: credit, amount }) };
  if (credit === "0")
    return { case: "withdraw", value: create(WithdrawRequestSchema, { requestId, account: debit, amount }) };
  const value = create(TransferRequestSchema, { requestId, fromAccount: debit, toAccount: credit, amount });
  return { case: "transfer", value };
}

function refused(...refusal: ConstructorParameters<typeof RefusalError>) {
  return connectErrorFromRefusal(new RefusalError(...refusal));
}

/** Turns a refusal into what callers see. */
function visible<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RefusalError ? connectErrorFromRefusal(error) : error;
  }
}
