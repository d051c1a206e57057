import { copyStoreTo, textLog, verifyStoreAt } from "@bank/node";
import { EXIT_DAMAGED, EXIT_VIEW_DAMAGED } from "@bank/node/app";
import { withoutPassword } from "@bank/store";
import type { Command } from "commander";
import { copyDocument, describeCopy } from "./describe-copy.ts";
import { describeReport, isViewOnly, reportDocument } from "./describe-report.ts";
import { reporting } from "./reporting.ts";

interface VerifyFlags {
  readonly repairRows?: true;
  readonly json?: true;
}

interface CopyFlags {
  readonly from: string;
  readonly to: string;
  readonly keepSourceUsable?: true;
  readonly json?: true;
}

/**
 * `bank-server store …`: what is done to the store of a bank that is stopped.
 *
 * @param storeUrl the store that the server's own flags name.
 */
export function addStoreCommands(command: Command, storeUrl: () => string): void {
  const store = command.command("store").description("check or copy the store of a bank that is stopped");
  store
    .command("verify")
    .description("check the store that --store or --data names from its first record to its end")
    .option("--repair-rows", "write the rows of accounts anew where they are not those of the ledger")
    .option("--json", "print one document")
    .action((flags: VerifyFlags) => verify(storeUrl, flags));
  store
    .command("copy")
    .description("copy a bank to an empty store of any engine, or go on with a copy that was interrupted")
    .requiredOption("--from <url>", "the store that the bank has")
    .requiredOption("--to <url>", "the store that it shall have")
    .option("--keep-source-usable", "let a bank start from the source after this: for a backup, not for a move")
    .option("--json", "print one document")
    .action((flags: CopyFlags) => copy(flags));
}

async function verify(storeUrl: () => string, { repairRows, json }: VerifyFlags): Promise<void> {
  await reporting(async () => {
    const url = storeUrl();
    const place = withoutPassword(url);
    const report = await verifyStoreAt({ store: url, repairRows: repairRows === true, log: textLog });
    if (report.kind === "unreadable" || report.verified.damages.length > 0)
      process.exitCode = isViewOnly(report) ? EXIT_VIEW_DAMAGED : EXIT_DAMAGED;
    return json ? JSON.stringify(reportDocument(report, place)) : describeReport(report, place);
  });
}

async function copy({ from, to, keepSourceUsable, json }: CopyFlags): Promise<void> {
  await reporting(async () => {
    const copied = await copyStoreTo({ from, to, keepSourceUsable: keepSourceUsable === true, log: textLog });
    const places = { from: withoutPassword(from), to: withoutPassword(to) };
    return json ? JSON.stringify(copyDocument(copied, places)) : describeCopy(copied, places);
  });
}
