import type { Connection } from "./connection.ts";
import { ConnectionLostError, NotSentError } from "./postgres-errors.ts";

export type Connect = () => Promise<Connection>;

/**
 * A connection that is made when it is needed, and made anew when it broke; its users wait for each other, in order.
 * It says nothing of what a broken one was doing: who was writing has to settle that first.
 */
export class Channel {
  readonly #connect: Connect;
  #connection: Connection | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isEnded = false;

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  /**
   * Rejects with: what `work` rejects with; `NotSentError` where there is no connection to be had; what the check of a new
   * connection says.
   */
  use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => work(await this.#ready()));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Ends it at once, for good: whoever waits is turned away. */
  drop(): void {
    this.#isEnded = true;
    this.#connection?.drop(new ConnectionLostError("the connection was given up"));
  }

  /** Ends it for good, behind those who wait. */
  async end(): Promise<void> {
    await this.#last;
    this.#isEnded = true;
    await this.#connection?.end();
  }

  async #ready(): Promise<Connection> {
    this.#requireNotEnded();
    if (this.#connection === undefined || this.#connection.isBroken) {
      const made = await this.#connect();
      // It may have ended meanwhile.
      if (this.#isEnded) made.drop();
      this.#requireNotEnded();
      this.#connection = made;
    }
    return this.#connection;
  }

  #requireNotEnded(): void {
    if (this.#isEnded) throw new NotSentError("the connection was given up");
  }
}
