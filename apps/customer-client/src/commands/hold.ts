import type { Command } from "commander";
import type { Run } from "./define.ts";
import { addHoldChangeCommands } from "./hold-change.ts";
import { addHoldReadCommands } from "./hold-read.ts";

/** `bank hold …` */
export function addHoldCommands(program: Command, run: Run): void {
  const hold = program.command("hold").description("Keep money back for later, take it out, or give it back.");
  addHoldChangeCommands(hold, run);
  addHoldReadCommands(hold, run);
}
