import type { Position } from "@bank/core";
import { errorText } from "@bank/replica";
import { RemoteJournal } from "../bank-link.ts";
import type { JournalPlace, JournalProof, JournalStep, ReportJournal } from "./report-journal.ts";

/** A server that does not answer by then is passed over. */
const ANSWER_TIMEOUT_MS = 5_000;
/** How whoever follows is called in the logs of a server. */
const FOLLOWER = "reports";

/**
 * The journal as a bank or a branch serves it. It is asked for nothing but the journal: whoever follows so is no copy that anybody waits
 * for, and a server keeps nothing for it.
 */
export class ServedJournal implements ReportJournal {
  readonly name: string;
  private readonly servers: readonly RemoteJournal[];
  private current: RemoteJournal;

  /** @param urls at least one; the first that answers is followed. */
  constructor(urls: readonly string[]) {
    this.servers = urls.map((url) => new RemoteJournal(url, FOLLOWER));
    const [first] = this.servers;
    if (first === undefined) throw new RangeError("there has to be a server to follow");
    this.current = first;
    this.name = urls.join(", ");
  }

  async proof(at: Position, signal: AbortSignal): Promise<JournalProof> {
    const failures: unknown[] = [];
    for (const server of this.servers) {
      const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
      try {
        const { bankId, position } = await server.head(within);
        const chainHash = at === 0 || at > position ? undefined : await server.chainHashAt(at, within);
        // One that is behind leads on only where no other is to be had.
        if (at > position && server !== this.servers.at(-1)) {
          failures.push(new Error(`${server.url} goes to position ${position} only`));
          continue;
        }
        this.current = server;
        return { bankId, position, chainHash };
      } catch (error) {
        signal.throwIfAborted();
        failures.push(new Error(`${server.url}: ${errorText(error)}`, { cause: error }));
      }
    }
    throw new Error(failures.map(errorText).join("; "), { cause: failures[0] });
  }

  async *follow(from: JournalPlace, signal: AbortSignal): AsyncGenerator<JournalStep> {
    for await (const { received, committedPosition } of this.current.openJournal(from, signal))
      yield { received, committedPosition };
  }

  async close(): Promise<void> {
    for (const server of this.servers) server.close();
  }
}
