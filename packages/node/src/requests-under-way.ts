import { formatRequestId, type RequestId } from "@bank/core";
import type { ForwardedCommand } from "@bank/proto";
import type { MovementsCall } from "@bank/replica";
import { decodeMovements, hasRequestId, type MovementColumns } from "@bank/rpc";

/** The ids of the requests that a branch has taken and not answered yet, and of those that are still with the bank. */
export class RequestsUnderWay {
  /** How often each is under way. */
  private readonly counts = new Map<string, number>();
  /** Movements in columns: how often each call is under way. Their ids are looked for when somebody asks. */
  private readonly calls = new Map<MovementsCall, number>();
  /** Of calls that were looked into. */
  private readonly decoded = new WeakMap<MovementsCall, MovementColumns>();

  has(id: RequestId): boolean {
    if (this.counts.has(formatRequestId(id))) return true;
    for (const call of this.calls.keys()) if (hasRequestId(this.columnsOf(call), id)) return true;
    return false;
  }

  /** Counts the requests as under way until what is done with them has ended, well or badly. */
  async during<T>(commands: readonly ForwardedCommand[], run: () => Promise<T>): Promise<T> {
    return counted(this.counts, idsOf(commands), run);
  }

  /** Likewise for movements in columns, which are well-formed. */
  async duringMovements<T>(calls: readonly MovementsCall[], run: () => Promise<T>): Promise<T> {
    return counted(this.calls, calls, run);
  }

  private columnsOf(call: MovementsCall): MovementColumns {
    const columns = this.decoded.get(call) ?? decodeMovements(call.movements);
    this.decoded.set(call, columns);
    return columns;
  }
}

async function counted<Key, T>(counts: Map<Key, number>, keys: readonly Key[], run: () => Promise<T>): Promise<T> {
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  try {
    return await run();
  } finally {
    for (const key of keys) {
      const rest = (counts.get(key) ?? 0) - 1;
      if (rest > 0) counts.set(key, rest);
      else counts.delete(key);
    }
  }
}

/** In the form that `formatRequestId` gives. None of a preview, which is never carried out. */
function idsOf(commands: readonly ForwardedCommand[]): string[] {
  const ids: string[] = [];
  for (const { command } of commands) {
    if (command.case === undefined) continue;
    if (command.case !== "item") {
      ids.push(command.value.requestId.toLowerCase());
      continue;
    }
    const item = command.value.command;
    if (item.case !== undefined && !item.value.validateOnly) ids.push(item.value.requestId.toLowerCase());
  }
  return ids;
}
