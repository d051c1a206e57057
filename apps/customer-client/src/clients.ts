import { type BankClient, connectBank, type RetryNotice } from "@bank/client";

/** One client for each server, kept while the program runs, so that a shell does not connect anew with each command. */
export class Clients {
  private readonly roots = new Map<string, BankClient>();
  /** Told of failed tries; the command of the moment sets it. */
  onRetry: ((notice: RetryNotice) => void) | undefined;

  to(server: string): BankClient {
    const known = this.roots.get(server);
    if (known !== undefined) return known;
    const client = connectBank({ server, onRetry: (notice) => this.onRetry?.(notice) });
    this.roots.set(server, client);
    return client;
  }

  close(): void {
    for (const client of this.roots.values()) client.close();
    this.roots.clear();
  }
}
