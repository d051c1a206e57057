import { describe } from "@bank/core";
import { serverUrl } from "@bank/rpc";
import { BankError } from "./bank-error.ts";
import type { Branch, BranchList, BranchReading } from "./types/index.ts";

export interface BranchQuestions {
  /** What it says, `learn` is told too. */
  readonly list: () => Promise<BranchList>;
  /** The branch that a server is. */
  readonly self: (server: string) => Promise<BranchReading>;
}

/** Knows where branches listen, from what the bank says. Shared by all clients that came from one `connectBank`. */
export class BranchDirectory {
  private readonly urls = new Map<number, string>();

  /** Forgets an address that did not work, so that the next one who asks for the branch looks it up again. */
  forget(url: string): void {
    for (const [number, known] of this.urls) if (known === url) this.urls.delete(number);
  }

  /**
   * The URL of a branch; `servers` are those that are asked.
   * Rejects with `BankError`: READ_BRANCH_NOT_FOUND, BRANCH_WITHOUT_ADDRESS, and whatever the questions reject with.
   */
  async urlOf(number: number, servers: readonly string[], questions: BranchQuestions): Promise<string> {
    const known = this.urls.get(number);
    if (known !== undefined) return known;
    const { branches, position } = await questions.list();
    const url = this.urls.get(number);
    if (url !== undefined) return url;
    const branch = branches.find((each) => each.number === number);
    if (branch === undefined) throw noSuchBranch(number, position);
    if (branch.address !== undefined)
      throw withoutAddress(number, servers, `its address is unusable: ${branch.address}`);
    // A bank need not know its own address; whoever reached it does.
    for (const server of servers) {
      if ((await questions.self(server)).branch.number !== number) continue;
      this.urls.set(number, server);
      return server;
    }
    throw withoutAddress(number, servers, "not where it listens");
  }

  /** Takes note of the addresses in a list. */
  learn(branches: readonly Branch[]): void {
    for (const { number, address } of branches) {
      const url = address === undefined ? undefined : usableUrl(address);
      if (url !== undefined) this.urls.set(number, url);
    }
  }
}

function usableUrl(address: string): string | undefined {
  try {
    return serverUrl(address);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function noSuchBranch(number: number, position: number): BankError {
  const metadata = { branch: String(number), position: String(position) };
  return new BankError({
    code: "NOT_FOUND",
    reason: "READ_BRANCH_NOT_FOUND",
    message: describe("READ_BRANCH_NOT_FOUND", metadata),
    metadata: { ...metadata, outcome: "NOT_APPLIED" },
    outcome: "NOT_APPLIED",
    attempts: 1,
  });
}

function withoutAddress(number: number, servers: readonly string[], problem: string): BankError {
  const server = servers.join(", ");
  return new BankError({
    code: "NOT_FOUND",
    reason: "BRANCH_WITHOUT_ADDRESS",
    message: `${server} knows branch ${number}, but ${problem}.`,
    metadata: { branch: String(number), server, outcome: "NOT_APPLIED" },
    outcome: "NOT_APPLIED",
    attempts: 1,
  });
}
