import type { Command } from "@bank/core";
import { MemoryDisk } from "@bank/store";
import { deposit, HeldStore, LeasedStore, openAccount, request } from "@bank/testkit";
import { type OpenedBank, openBank } from "./bank-replica.test-util.ts";
import { balanceOf } from "./sequencer.test-util.ts";

/** A bank on a store that several servers reach. */
export interface LeasedBank extends OpenedBank {
  readonly leased: LeasedStore;
}

/** Takes over from whoever has the disk, who does not notice. */
export async function openLeased(disk = new MemoryDisk()): Promise<LeasedBank> {
  const leased = new LeasedStore(disk);
  return { ...(await openBank({ disk, store: new HeldStore(leased) })), leased };
}

/** With a hundred on the only account. */
export async function startFunded(): Promise<LeasedBank> {
  const opened = await openLeased();
  await opened.bank.submit([request(1, openAccount()), request(2, deposit(1, 100))]);
  return opened;
}

/** What is on the account. */
export const posted = ({ bank }: OpenedBank, mode: "linearizable" | "local" = "linearizable") =>
  bank.read({ mode }, (ledger) => balanceOf(ledger, 1));

/** Refused by what the state is, without a record. */
export const STALE = { ...deposit(1, 1), expectedVersion: 77 } as Command;

/** What a bank says once it knows that `LeasedStore` was taken. */
export const NOT_LEADER = { refusal: { reason: "NOT_LEADER", metadata: { leader: "http://the-other:1" } } };
