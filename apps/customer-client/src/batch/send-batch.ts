import type { BankClient, BatchCommand, BatchResult, WriteOptions } from "@bank/client";
import { CALL_CHARACTERS_MAX, CALL_COMMANDS_MAX } from "./limits.ts";
import type { BatchLine } from "./read-batch.ts";

/** A line on its way, with its request id. */
export type SentLine = Omit<BatchLine, "command"> & { readonly command: BatchCommand & { readonly requestId: string } };

/** Results of one call. */
export interface CallResults {
  readonly lines: readonly SentLine[];
  /** One for each line. */
  readonly results: readonly BatchResult[];
}

/**
 * Sends the lines in their order, a call at a time, and gives the results of each. Whoever asks for no more results sends
 * no more lines.
 *
 * @param call the options of each call.
 */
export async function* sendBatch(
  client: BankClient,
  lines: readonly SentLine[],
  call: WriteOptions,
): AsyncIterable<CallResults> {
  for (const part of calls(lines)) {
    const results = await client.executeBatch(
      part.map(({ command }) => command),
      call,
    );
    yield { lines: part, results };
  }
}

/** Cuts the lines into what one call may carry. A line that is more than that by itself goes alone. */
export function* calls<Line extends Pick<BatchLine, "commands" | "characters">>(
  lines: readonly Line[],
): Iterable<readonly Line[]> {
  let start = 0;
  while (start < lines.length) {
    let end = start;
    let commands = 0;
    let characters = 0;
    for (; end < lines.length; end++) {
      const line = lines[end] as Line;
      commands += line.commands;
      characters += line.characters;
      if (end > start && (commands > CALL_COMMANDS_MAX || characters > CALL_CHARACTERS_MAX)) break;
    }
    yield lines.slice(start, end);
    start = end;
  }
}
