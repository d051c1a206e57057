/**
 * The names of a bank's keys. All have the prefix in braces: in a cluster they lie in one slot, as what is written in one
 * step must.
 */
export class Keys {
  /** Before every other part of a name. */
  readonly base: string;
  /** Hash: what the store knows of itself. Every write looks here first. */
  readonly meta: string;
  /** Hash: how many pages each whole snapshot has, by position. */
  readonly snapshots: string;
  /** Set: positions of which there may be pages and no whole snapshot. */
  readonly unfinished: string;
  /** Hash: pages that many snapshots have, by their SHA-256. */
  readonly sharedPages: string;
  /** What precedes the number of an account. */
  readonly accounts: string;

  constructor(prefix: string) {
    this.base = `{${prefix}}:`;
    this.meta = `${this.base}meta`;
    this.snapshots = `${this.base}snapshots`;
    this.unfinished = `${this.base}unfinished-snapshots`;
    this.sharedPages = `${this.base}shared-pages`;
    this.accounts = `${this.base}account:`;
  }

  /** Stream: a part of the journal. There is one, and one more for each time that the journal went on from a snapshot. */
  journal(firstPosition: number): string {
    return firstPosition === 1 ? `${this.base}journal` : `${this.base}journal:${firstPosition}`;
  }

  /** Hash: header, pages by number, and the list of those that are shared. */
  snapshot(position: number): string {
    return `${this.base}snapshot:${position}`;
  }
}
