import { open } from "node:fs/promises";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";
import { BATCH_BYTES_MAX } from "./limits.ts";

/** The text of a batch file, or of the standard input for `-`. Rejects with: `UsageError` when it cannot be read. */
export async function batchText(path: string, { stdin }: CliIo): Promise<string> {
  const bytes = await collected(path === "-" ? stdin : fileChunks(path), path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`${JSON.stringify(path)} cannot be read: it is not UTF-8.`, { file: path });
  }
}

async function* fileChunks(path: string): AsyncIterable<Buffer> {
  try {
    const file = await open(path, "r");
    yield* file.createReadStream();
  } catch (error) {
    if (!(error instanceof Error) || !("syscall" in error)) throw error;
    throw new UsageError(`${JSON.stringify(path)} cannot be read: ${error.message}.`, { file: path });
  }
}

async function collected(chunks: AsyncIterable<Buffer | string>, path: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const part = Buffer.from(chunk);
    length += part.length;
    if (length > BATCH_BYTES_MAX)
      throw new UsageError(
        `${JSON.stringify(path)} is larger than ${BATCH_BYTES_MAX / 1024 / 1024} MiB: cut it into several files.`,
        {
          file: path,
        },
      );
    parts.push(part);
  }
  return Buffer.concat(parts);
}
