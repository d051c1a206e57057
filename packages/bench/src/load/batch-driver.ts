import type { AccountChooser, QuickRandom } from "../harness/distribution.ts";
import type { LoadDriver } from "./closed-loop.ts";
import { type GrpcConnection, grpcHeaders } from "./grpc-connection.ts";
import type { LoadPlan } from "./load-plan.ts";
import { envelope, FieldReader, transferRequest } from "./wire.ts";

const HEADERS = grpcHeaders("/bank.v1.TransactionService/ExecuteBatch");
/** Fields of `ExecuteBatchResponse` and of `BatchResult`. */
const RESULTS = 1;
const TRANSACTION = 1;

/** Transfers by `ExecuteBatch`: a message for each. */
export class BatchDriver implements LoadDriver {
  readonly inFlight: number;
  private readonly connection: GrpcConnection;
  private readonly rows: number;
  private readonly chooser: AccountChooser;
  private readonly random: QuickRandom;

  constructor(
    connection: GrpcConnection,
    { inFlight, rows }: Extract<LoadPlan, { kind: "batch" }>,
    { chooser, random }: { readonly chooser: AccountChooser; readonly random: QuickRandom },
  ) {
    this.connection = connection;
    this.inFlight = inFlight;
    this.rows = rows;
    this.chooser = chooser;
    this.random = random;
  }

  begin(done: (operations: number) => void, failed: (error: Error) => void): void {
    const { rows } = this;
    this.connection.call(
      HEADERS,
      this.frame(),
      (message) => {
        const problem = problemOf(message, rows);
        if (problem === undefined) done(rows);
        else failed(new Error(problem));
      },
      failed,
    );
  }

  close(): void {
    this.connection.close();
  }

  private frame(): Buffer {
    const parts: Buffer[] = [];
    for (let i = 0; i < this.rows; i++) {
      const first = this.chooser.first();
      const request = transferRequest(first, this.chooser.other(first), this.random);
      // `items` of the call, and in it `transfer` of the item; neither is longer than 127 bytes.
      parts.push(Buffer.from([0x0a, request.length + 2, 0x1a, request.length]), request);
    }
    return envelope(Buffer.concat(parts));
  }
}

/** Every item must be a transaction. */
function problemOf(message: Buffer, rows: number): string | undefined {
  const outer = new FieldReader().begin(message);
  const inner = new FieldReader();
  let done = 0;
  while (outer.next()) {
    if (outer.field !== RESULTS) continue;
    inner.begin(message, outer.from, outer.to);
    if (!inner.next() || inner.field !== TRANSACTION) return "an item was not plainly done";
    done++;
  }
  return done === rows ? undefined : `${rows} items were sent, and ${done} answered`;
}
