/** A server behind a bank's store, of the benchmark's own: it is new, and its files are where it keeps what it acknowledges. */
export interface EngineServer {
  /** As rows name it. */
  readonly name: string;
  /** Gives the URL of a store that is empty, and in which a bank can begin. */
  newStore(): Promise<string>;
  /** Removes what a bank left there, so that the next one has its room. */
  forget(store: string): Promise<void>;
  /** Processor time that it has used so far, in microseconds; undefined where the system does not tell. */
  processorUs(): number | undefined;
  stop(): Promise<void>;
}
