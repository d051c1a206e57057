import { randomUUID } from "node:crypto";
import type { HistoryRecorder } from "@bank/checker";
import { type BankClient, connectBank } from "@bank/client";
import { Random } from "@bank/testkit";
import { type Accounts, Customer, type CustomerOptions } from "./customer.ts";
import type { Place } from "./fault-cluster.ts";
import { type Counter, type Session, SessionPool } from "./sessions.ts";

const ACCOUNTS = 4;
const OPENING_MINOR = 200n;
const SPARE_SESSIONS = 3;
/** For servers that have just started. */
export const SET_UP_TIMEOUT_MS = 30_000;

/** Resolves once so many branches are registered and connected. */
export async function whenConnected(client: BankClient, branches: number): Promise<void> {
  const deadlineMs = performance.now() + SET_UP_TIMEOUT_MS;
  const connected = async () => {
    const { branches: known } = await client.branches();
    return known.filter(({ number, status }) => number > 0 && status?.connected === true).length;
  };
  for (let known = await connected(); known < branches; known = await connected())
    if (performance.now() > deadlineMs) throw new Error(`only ${known} branches are connected`);
}

/** Who customers are, and where they go. */
export interface CustomersOptions {
  readonly seed: number;
  readonly customers: number;
  /** Servers whose customers take their session from one to the other. */
  readonly places: readonly Place[];
  /** Of all servers. */
  readonly doors: readonly string[];
  /** Servers at which each customer has a session of its own, besides. */
  readonly apart?: readonly { readonly server: string; readonly door: string }[];
  readonly accounts: Accounts;
  readonly recorder: HistoryRecorder;
  /** Whoever calls closes them in the end. */
  readonly clients: BankClient[];
  readonly onNever: CustomerOptions["onNever"];
}

export async function customersOf(options: CustomersOptions): Promise<Customer[]> {
  const { seed, customers, places, doors, apart = [], accounts, recorder, clients, onNever } = options;
  const random = new Random(seed);
  const pool = new SessionPool(places, SPARE_SESSIONS);
  const everybody: Customer[] = [];
  let shared: Session | undefined;
  for (let i = 1; i <= customers; i++) {
    const name = `customer-${i}`;
    // Not all prefer the same server where the SDK chooses.
    const servers = [...doors.slice(i % doors.length), ...doors.slice(0, i % doors.length)];
    const client = connectBank({ servers, timeoutMs: SET_UP_TIMEOUT_MS });
    clients.push(client);
    // The first two share one session at the same time.
    const session: Session = i === 2 && shared !== undefined ? shared : await pool.begin(`session-${i}`, client);
    shared ??= session;
    const isOwn = session !== shared;
    const apartHere = apart.map(({ server, door }): Counter => {
      const alone = connectBank({ server: door, timeoutMs: SET_UP_TIMEOUT_MS });
      clients.push(alone);
      return { server, client: alone, session: `session-${i} at ${server}` };
    });
    const own = { name, client, session, pool: isOwn ? pool : undefined, apart: apartHere };
    everybody.push(new Customer({ ...own, accounts, recorder, onNever, random: new Random(random.word()) }));
  }
  return everybody;
}

/** Accounts with some money, and their opening in the history. */
export async function openAccounts(client: BankClient, recorder: HistoryRecorder): Promise<Accounts> {
  const accounts: string[] = [];
  for (let i = 0; i <= ACCOUNTS; i++) {
    const opening = randomUUID();
    const endOpening = recorder.write({ client: "set-up", kind: "openAccount", currency: "USD", request: opening });
    const { account, position } = await client.openAccount({ currency: "USD" }, { requestId: opening });
    endOpening({ status: "ok", position, account: account.number });
    const request = randomUUID();
    const deposit = { kind: "deposit", account: account.number, amount: OPENING_MINOR } as const;
    const end = recorder.write({ client: "set-up", request, ...deposit });
    const money = { currency: "USD", minor: OPENING_MINOR };
    const booked = await client.deposit(account.number, money, { requestId: request });
    end({ status: "ok", position: booked.position });
    accounts.push(account.number);
  }
  const [withHolds = "", ...open] = accounts;
  return { open, withHolds };
}
