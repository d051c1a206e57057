import { type BranchNumber, type Ledger, type Position, RefusalError } from "@bank/core";
import { Backoff, errorText, type Platform } from "@bank/replica";
import { reasonOf } from "./bank-link.ts";

/** A branch whose number another server takes again and again writes no more than one registration in this time. */
const TAKEN_BACK_EVERY_MS = 60_000;

interface Announcement {
  readonly branch: BranchNumber;
  /** Empty to keep the name that the bank knows it by. */
  readonly name: string;
  readonly address: string;
}

/** Whom branches are announced to: the bank, or a branch that passes it on. */
export interface Registrar {
  /** Gives the position from which on the journal has the address. */
  registerBranch(announcement: Announcement): Promise<Position>;
}

/**
 * Tells the bank which branches are here and where they listen, anew with each connection, until it has been done. What
 * customers ask to be booked here waits for it: a command for a branch that the bank does not know would be rejected
 * for ever. Where the journal shows another address later, another server had the number: it is told anew.
 */
export class Registration {
  private readonly link: Registrar;
  private readonly platform: Platform;
  private announcements: readonly Announcement[] = [];
  private attempt: AbortController | undefined;
  private done: PromiseWithResolvers<void>;
  private isDone = false;
  private closed = false;
  /** From here on the journal has had the addresses. */
  private position: Position = 0;
  private isTakingBack = false;
  private takenBackMs = Number.NEGATIVE_INFINITY;

  constructor(link: Registrar, platform: Platform) {
    this.link = link;
    this.platform = platform;
    this.done = newPromise();
  }

  /** Says what is to be registered, before the first `start`. */
  announce(announcements: readonly Announcement[]): void {
    this.announcements = announcements;
  }

  /** The bank can be reached: registers, and tries again while it can be reached. */
  start(): void {
    if (this.attempt !== undefined || this.closed) return;
    this.attempt = new AbortController();
    void this.register(this.attempt.signal);
  }

  /** The bank is lost. When it comes back it may have lost the registration. */
  lost(): void {
    this.attempt?.abort(new Error("the bank is lost"));
    this.attempt = undefined;
    if (this.isDone) this.done = newPromise();
    this.isDone = false;
    this.isTakingBack = false;
  }

  /** Looks whether the journal, as far as this branch shows it, still has the addresses; if not, registers anew. */
  check(replica: { readonly ledger: Pick<Ledger, "position" | "branches"> }): void {
    if (!this.isDone || this.attempt === undefined || this.isTakingBack) return;
    const { ledger } = replica;
    if (ledger.position < this.position) return;
    const lost = this.announcements.find(({ branch, address }) => ledger.branches.get(branch)?.address !== address);
    const now = this.platform.monotonicMs();
    if (lost === undefined || now - this.takenBackMs < TAKEN_BACK_EVERY_MS) return;
    this.takenBackMs = now;
    this.isTakingBack = true;
    this.platform.log.error("another server was registered with this branch's number: this one registers anew", {
      branch: lost.branch,
      address: lost.address,
      address_on_record: ledger.branches.get(lost.branch)?.address ?? "none",
    });
    void this.register(this.attempt.signal);
  }

  close(): void {
    this.closed = true;
    this.lost();
    this.done.reject(closing());
  }

  /** Resolves once the bank knows the branches. Rejects with `RefusalError` when the bank is lost, or the signal aborts. */
  async whenDone(signal: AbortSignal): Promise<void> {
    if (this.isDone) return;
    if (this.attempt === undefined) throw this.unreachable();
    const lost = this.attempt.signal;
    try {
      await this.whenEverDone(AbortSignal.any([signal, lost]));
    } catch (error) {
      if (signal.aborted || !lost.aborted) throw error;
      throw this.closed ? closing() : this.unreachable();
    }
  }

  /** Likewise, but a bank that is lost or not there yet is waited for. */
  whenEverDone(signal: AbortSignal): Promise<void> {
    const { promise } = this.done;
    return new Promise<void>((resolve, reject) => {
      const onAbort = () =>
        reject(new RefusalError("DEADLINE_EXCEEDED", { waiting_for: "the branch's registration" }, "OUTCOME_UNKNOWN"));
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    });
  }

  private async register(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.platform, { minMs: 20, maxMs: 2_000 });
    let told: string | undefined;
    while (!signal.aborted) {
      try {
        let position = 0;
        for (const announcement of this.announcements)
          position = Math.max(position, await this.link.registerBranch(announcement));
        if (signal.aborted) return;
        this.position = position;
        this.isTakingBack = false;
        this.isDone = true;
        this.done.resolve();
        return;
      } catch (error) {
        if (signal.aborted) return;
        const problem = errorText(error);
        const level = reasonOf(error) === "BRANCH_TAKEN" ? "error" : "warn";
        // Once, however often it is tried.
        if (problem !== told) this.platform.log[level]("branch not registered yet", { problem });
        told = problem;
        await backoff.wait(signal).catch(() => {
          // The bank was lost meanwhile; the loop ends.
        });
      }
    }
  }

  private unreachable(): RefusalError {
    const branch = this.announcements.map((announcement) => announcement.branch).join(", ");
    return new RefusalError("BANK_UNREACHABLE", { branch }, "OUTCOME_UNKNOWN");
  }
}

function closing(): RefusalError {
  return new RefusalError("NOT_READY", { problem: "this branch is shutting down" }, "OUTCOME_UNKNOWN");
}

function newPromise(): PromiseWithResolvers<void> {
  const created = Promise.withResolvers<void>();
  // Nobody may be waiting when it is rejected.
  created.promise.catch(() => undefined);
  return created;
}
