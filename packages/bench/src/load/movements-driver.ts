import type { AccountChooser, QuickRandom } from "../harness/distribution.ts";
import type { LoadDriver } from "./closed-loop.ts";
import { type GrpcConnection, grpcHeaders } from "./grpc-connection.ts";
import type { LoadPlan } from "./load-plan.ts";
import { FieldReader, MovementColumns } from "./wire.ts";

const HEADERS = grpcHeaders("/bank.v1.TransactionService/ExecuteMovements");
/** Fields of `ExecuteMovementsResponse`. */
const POSITIONS = 1;
const OTHERS = 3;

/** Transfers by `ExecuteMovements`, as quick as a caller can make them: columns are filled and sent, and nothing is kept. */
export class MovementsDriver implements LoadDriver {
  readonly inFlight: number;
  private readonly connection: GrpcConnection;
  private readonly plan: Extract<LoadPlan, { kind: "movements" }>;
  private readonly chooser: AccountChooser;
  private readonly random: QuickRandom;
  private readonly free: MovementColumns[] = [];
  private readonly reader = new FieldReader();

  constructor(
    connection: GrpcConnection,
    plan: Extract<LoadPlan, { kind: "movements" }>,
    { chooser, random }: { readonly chooser: AccountChooser; readonly random: QuickRandom },
  ) {
    this.connection = connection;
    this.plan = plan;
    this.chooser = chooser;
    this.random = random;
    this.inFlight = plan.inFlight;
  }

  begin(done: (operations: number) => void, failed: (error: Error) => void): void {
    const { rows, ids } = this.plan;
    // Whoever is answered has sent his bytes: they may be written over.
    const columns = this.free.pop() ?? new MovementColumns(rows, ids);
    for (let i = 0; i < rows; i++) {
      const first = this.chooser.first();
      columns.debits[2 * i] = first;
      columns.credits[2 * i] = this.chooser.other(first);
    }
    this.connection.call(
      HEADERS,
      columns.encode(this.random),
      (message) => {
        this.free.push(columns);
        const problem = this.problemOf(message);
        if (problem === undefined) done(rows);
        else failed(new Error(problem));
      },
      failed,
    );
  }

  close(): void {
    this.connection.close();
  }

  /** Every row must be done, now, and have a position. */
  private problemOf(message: Buffer): string | undefined {
    const fields = this.reader.begin(message);
    let rows = 0;
    while (fields.next()) {
      if (fields.field === OTHERS) return "a row was not plainly done";
      if (fields.field !== POSITIONS) continue;
      rows += (fields.to - fields.from) / 8;
      for (let at = fields.from; at < fields.to; at += 8)
        if (message.readUInt32LE(at) === 0 && message.readUInt32LE(at + 4) === 0) return "a row has no position";
    }
    return rows === this.plan.rows ? undefined : `${this.plan.rows} rows were sent, and ${rows} answered`;
  }
}
