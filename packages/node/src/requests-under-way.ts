import { formatRequestId, type RequestId } from "@bank/core";
import type { ForwardedCommand } from "@bank/proto";

/** The ids of the requests that a branch has taken and not answered yet, and of those that are still with the bank. */
export class RequestsUnderWay {
  /** How often each is under way. */
  private readonly counts = new Map<string, number>();

  has(id: RequestId): boolean {
    return this.counts.has(formatRequestId(id));
  }

  /** Counts the requests as under way until what is done with them has ended, well or badly. */
  async during<T>(commands: readonly ForwardedCommand[], run: () => Promise<T>): Promise<T> {
    const ids = commands.flatMap(idOf);
    for (const id of ids) this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    try {
      return await run();
    } finally {
      for (const id of ids) {
        const rest = (this.counts.get(id) ?? 0) - 1;
        if (rest > 0) this.counts.set(id, rest);
        else this.counts.delete(id);
      }
    }
  }
}

/** In the form that `formatRequestId` gives. None of a preview, which is never carried out. */
function idOf({ command }: ForwardedCommand): string | [] {
  if (command.case === undefined) return [];
  if (command.case !== "item") return command.value.requestId.toLowerCase();
  const item = command.value.command;
  return item.case === undefined || item.value.validateOnly ? [] : item.value.requestId.toLowerCase();
}
