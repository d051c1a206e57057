import { type BankClient, connectBank, type RetryNotice } from "@bank/client";

/** One client for each choice of servers, kept while the program runs, so that a shell does not connect anew with each command. */
export class Clients {
  private readonly roots = new Map<string, BankClient>();
  /** Told of failed tries; the command of the moment sets it. */
  onRetry: ((notice: RetryNotice) => void) | undefined;

  /** @param session the token that a client begins with which is not there yet. Throws: `BankError` SESSION_INVALID. */
  to(servers: readonly string[], session?: string): BankClient {
    const name = servers.join(",");
    const known = this.roots.get(name);
    if (known !== undefined) return known;
    const client = connectBank({ servers, session, onRetry: (notice) => this.onRetry?.(notice) });
    this.roots.set(name, client);
    return client;
  }

  close(): void {
    for (const client of this.roots.values()) client.close();
    this.roots.clear();
  }
}
