// bank-server: the bank: sequencer, journal service and public API.
import { program } from "./program.ts";

await program().parseAsync();
