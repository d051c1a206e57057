import type { Command } from "commander";
import { addAccountChangeCommands } from "./account-change.ts";
import { addAccountOpenCommand } from "./account-open.ts";
import { addAccountReadCommands } from "./account-read.ts";
import type { Run } from "./define.ts";

/** `bank account …` */
export function addAccountCommands(program: Command, run: Run): void {
  const account = program.command("account").description("Open accounts, look at them, change and close them.");
  addAccountOpenCommand(account, run);
  addAccountReadCommands(account, run);
  addAccountChangeCommands(account, run);
}
