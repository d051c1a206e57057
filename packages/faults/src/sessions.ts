import type { BankClient } from "@bank/client";
import type { Random } from "@bank/testkit";
import type { Place } from "./fault-cluster.ts";

/** A server as a customer uses it. */
export interface Counter {
  /** Undefined where the SDK chooses among all servers. */
  readonly server: string | undefined;
  readonly client: BankClient;
  /** The session of this counter alone. Default: that of whoever uses it. */
  readonly session?: string;
}

/** A session that may go from hand to hand: what its holder sees at any server goes into it. */
export interface Session {
  readonly name: string;
  readonly counters: readonly Counter[];
}

/** A session that nobody holds: its name, and what it has seen. */
interface LaidDown {
  readonly name: string;
  readonly token: string | undefined;
}

/** Sessions that customers lay down and take up, as texts: as if they went from one machine to another. */
export class SessionPool {
  private readonly laidDown: LaidDown[];
  private readonly places: readonly Place[];

  /** @param spare how many sessions are there that nobody holds. */
  constructor(places: readonly Place[], spare: number) {
    this.places = places;
    this.laidDown = Array.from({ length: spare }, (_, i) => ({ name: `spare-${i + 1}`, token: undefined }));
  }

  /** A new session of a client of all servers. Rejects with `BankError` where nobody can say where branches are. */
  begin(name: string, client: BankClient): Promise<Session> {
    return this.open({ name, token: undefined }, client);
  }

  /** Another session for this one; this one again where that does not work just now. */
  async exchange(session: Session, client: BankClient, random: Random): Promise<Session> {
    const at = random.below(this.laidDown.length);
    const [taken] = this.laidDown.splice(at, 1);
    if (taken === undefined) return session;
    const opened = await this.open(taken, client).catch(() => undefined);
    const [first] = session.counters;
    this.laidDown.push(opened === undefined ? taken : { name: session.name, token: first?.client.session });
    if (opened !== undefined) for (const { client } of session.counters) client.close();
    return opened ?? session;
  }

  private async open({ name, token }: LaidDown, client: BankClient): Promise<Session> {
    const own = token === undefined ? client.withSession() : client.withSession(token);
    const counters: Counter[] = [{ server: undefined, client: own }];
    for (const { name: server, branch } of this.places) counters.push({ server, client: await own.branch(branch) });
    return { name, counters };
  }
}
