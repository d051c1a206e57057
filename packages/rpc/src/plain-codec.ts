import {
  AccountService,
  type DepositRequest,
  DepositRequestSchema,
  type DepositResponse,
  DepositResponseSchema,
  type GetBalanceResponse,
  GetBalanceResponseSchema,
  type Money,
  type Transaction,
  TransactionService,
  type TransferRequest,
  TransferRequestSchema,
  type TransferResponse,
  TransferResponseSchema,
  type WithdrawRequest,
  WithdrawRequestSchema,
  type WithdrawResponse,
  WithdrawResponseSchema,
} from "@bank/proto";
import { type UnaryCodec, unaryCodec } from "@bank/quick-unary";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { BackWriter, NOT_PLAIN, NotPlainError, requirePlain } from "./back-writer.ts";
import { END, PlainReader } from "./plain-reader.ts";

// The messages of single movements and of balances, read and written by hand: protobuf-es takes several times as long.
// What is not just as a plain caller writes it, or a plain answer, is left to protobuf-es as a whole.

type Written<Shape> = (writer: BackWriter, message: Shape) => void;
type MovementResponse = DepositResponse | WithdrawResponse | TransferResponse;

const writer = new BackWriter();

/** The same bytes as `toBinary`. */
export function encodePlain<Desc extends DescMessage>(
  type: Desc,
  message: MessageShape<Desc>,
  write: Written<MessageShape<Desc>>,
): Uint8Array<ArrayBuffer> {
  try {
    writer.begin();
    requirePlain(message);
    write(writer, message);
    return writer.finish();
  } catch (error) {
    if (error instanceof NotPlainError) return toBinary(type, message);
    throw error;
  }
}

export const writeMovement: Written<MovementResponse> = (to, { transaction, replayed, readInfo }) => {
  to.readInfo(15, readInfo);
  to.flag(2, replayed);
  if (transaction === undefined) return;
  const { mark } = to;
  writeTransaction(to, transaction);
  to.message(1, mark);
};

export const writeBalance: Written<GetBalanceResponse> = (to, message) => {
  const { posted, held, available, version, position, time, readInfo } = message;
  to.readInfo(15, readInfo);
  to.time(6, time);
  to.bigint(5, position);
  to.money(4, available);
  to.money(3, held);
  to.optional(2, version);
  to.money(1, posted);
};

export function writeTransaction(to: BackWriter, transaction: Transaction): void {
  requirePlain(transaction);
  to.bigint(11, transaction.reversedBy);
  to.bigint(10, transaction.hold);
  to.bigint(9, transaction.reverses);
  to.text(8, transaction.requestId);
  to.time(7, transaction.time);
  to.number(6, transaction.branch);
  to.money(5, transaction.amount);
  to.text(4, transaction.creditAccount);
  to.text(3, transaction.debitAccount);
  to.number(2, transaction.kind);
  to.bigint(1, transaction.position);
}

/** A deposit or a withdrawal, whose fields have the same numbers. */
function readCash<Name extends string>($typeName: Name, from: PlainReader) {
  const message = { $typeName, requestId: "", account: "", validateOnly: false } as {
    $typeName: Name;
    requestId: string;
    account: string;
    amount?: Money;
    expectedVersion?: bigint;
    validateOnly: boolean;
  };
  for (let tag = from.tag(); tag !== END; tag = from.tag()) {
    if (tag === tagOf(1, TEXT)) message.requestId = from.text();
    else if (tag === tagOf(2, TEXT)) message.account = from.text();
    else if (tag === tagOf(3, TEXT) && message.amount === undefined) message.amount = from.money();
    else if (tag === tagOf(13, NUMBER)) message.expectedVersion = BigInt(from.number());
    else if (tag === tagOf(14, NUMBER)) message.validateOnly = from.flag();
    else throw NOT_PLAIN;
  }
  return message;
}

function readTransfer(from: PlainReader): TransferRequest {
  const message: TransferRequest = {
    $typeName: "bank.v1.TransferRequest",
    requestId: "",
    fromAccount: "",
    toAccount: "",
    validateOnly: false,
  };
  for (let tag = from.tag(); tag !== END; tag = from.tag()) {
    if (tag === tagOf(1, TEXT)) message.requestId = from.text();
    else if (tag === tagOf(2, TEXT)) message.fromAccount = from.text();
    else if (tag === tagOf(3, TEXT)) message.toAccount = from.text();
    else if (tag === tagOf(4, TEXT) && message.amount === undefined) message.amount = from.money();
    else if (tag === tagOf(13, NUMBER)) message.expectedVersion = BigInt(from.number());
    else if (tag === tagOf(14, NUMBER)) message.validateOnly = from.flag();
    else throw NOT_PLAIN;
  }
  return message;
}

const TEXT = WireType.LengthDelimited;
const NUMBER = WireType.Varint;

function tagOf(field: number, wireType: WireType): number {
  return 8 * field + wireType;
}

const reader = new PlainReader();

function decodePlain<Desc extends DescMessage>(
  type: Desc,
  bytes: Uint8Array,
  read: (from: PlainReader) => MessageShape<Desc>,
): MessageShape<Desc> {
  try {
    reader.begin(bytes);
    return read(reader);
  } catch (error) {
    if (error instanceof NotPlainError) return fromBinary(type, bytes);
    throw error;
  }
}

/** As `fromBinary`. */
export const decodeDeposit = (bytes: Uint8Array): DepositRequest =>
  decodePlain(DepositRequestSchema, bytes, (from) => readCash("bank.v1.DepositRequest", from));
/** As `fromBinary`. */
export const decodeWithdrawal = (bytes: Uint8Array): WithdrawRequest =>
  decodePlain(WithdrawRequestSchema, bytes, (from) => readCash("bank.v1.WithdrawRequest", from));
/** As `fromBinary`. */
export const decodeTransfer = (bytes: Uint8Array): TransferRequest =>
  decodePlain(TransferRequestSchema, bytes, readTransfer);

/** For servers: the calls that come in great numbers. */
export const plainCodecs: readonly UnaryCodec[] = [
  unaryCodec(TransactionService.method.deposit, {
    decode: decodeDeposit,
    encode: (message) => encodePlain(DepositResponseSchema, message, writeMovement),
  }),
  unaryCodec(TransactionService.method.withdraw, {
    decode: decodeWithdrawal,
    encode: (message) => encodePlain(WithdrawResponseSchema, message, writeMovement),
  }),
  unaryCodec(TransactionService.method.transfer, {
    decode: decodeTransfer,
    encode: (message) => encodePlain(TransferResponseSchema, message, writeMovement),
  }),
  unaryCodec(AccountService.method.getBalance, {
    encode: (message) => encodePlain(GetBalanceResponseSchema, message, writeBalance),
  }),
];
