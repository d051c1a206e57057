import { nodePlatform, textLog } from "@bank/node";
import { EXIT_WRONG_FLAGS, flag, runServer, serverUrlFlag } from "@bank/node/app";
import type { Command, Option } from "commander";
import { describeStatus, statusDocument } from "./describe-reports.ts";
import { reporting } from "./reporting.ts";

interface ReportsFlags {
  readonly into: string;
  readonly upstream: readonly string[];
  readonly json?: true;
}

/**
 * `bank-server reports …`: SQL tables of a journal, by a process of its own. What writes them is loaded only here.
 *
 * @param storeUrl the store that the server's own flags name.
 */
export function addReportsCommands(command: Command, storeUrl: () => string): void {
  const reports = command.command("reports").description("plain SQL tables of a journal, in a PostgreSQL database");
  reports
    .command("follow")
    .description("keep tables up with a bank or a branch that runs; they are made where there are none")
    .addOption(upstreamOption())
    .addOption(intoOption())
    .action((flags: ReportsFlags, self: Command) => {
      if (flags.upstream.length === 0)
        self.error("error: say with --upstream which bank or branch to follow", { exitCode: EXIT_WRONG_FLAGS });
      return follow(flags);
    });
  reports
    .command("rebuild")
    .description("empty the tables and fill them anew, up to where the journal ends now")
    .addOption(upstreamOption("; without it the store of a stopped bank is read, which --store or --data names"))
    .addOption(intoOption())
    .action((flags: ReportsFlags) => rebuild(flags, storeUrl));
  reports
    .command("status")
    .description("say how far the tables are")
    .addOption(intoOption())
    .option("--json", "print one document")
    .action(status);
}

function intoOption(): Option {
  return flag(
    "--into <url>",
    "BANK_REPORTS_INTO",
    'the database: postgres://USER@HOST/DATABASE, with ?schema=NAME for another schema than "bank_reports"',
  ).makeOptionMandatory();
}

function upstreamOption(more = ""): Option {
  return flag("--upstream <url>", "BANK_REPORTS_UPSTREAM", `bank or branch to follow; repeatable${more}`)
    .argParser((text: string, before: readonly string[]) => [...before, ...text.split(",").map(serverUrlFlag)])
    .default([]);
}

async function follow({ into, upstream }: ReportsFlags): Promise<void> {
  const { Reporter, ServedJournal, reportsPlace } = await import("@bank/node/reports");
  await runServer(async (onFatal) => {
    const place = reportsPlace(into);
    const journal = new ServedJournal(upstream);
    const reporter = new Reporter({ journal, into: place, platform: nodePlatform(textLog) });
    const stopping = new AbortController();
    const following = reporter.follow(stopping.signal).catch((error: unknown) => {
      textLog.error("the reports end", { problem: error instanceof Error ? error.message : String(error) });
      onFatal(error);
    });
    process.stdout.write(`reports of ${journal.name} go into ${place.name}\n`);
    return {
      close: async () => {
        stopping.abort(new Error("the process was told to stop"));
        await following;
        await journal.close();
      },
    };
  });
}

async function rebuild({ into, upstream }: ReportsFlags, storeUrl: () => string): Promise<void> {
  await reporting(async () => {
    const { Reporter, ServedJournal, StoredJournal, reportsPlace } = await import("@bank/node/reports");
    const place = reportsPlace(into);
    const journal = upstream.length > 0 ? new ServedJournal(upstream) : await StoredJournal.open(storeUrl());
    const beganMs = performance.now();
    try {
      const reporter = new Reporter({ journal, into: place, platform: nodePlatform(textLog) });
      const position = await reporter.rebuild(new AbortController().signal);
      const seconds = ((performance.now() - beganMs) / 1_000).toFixed(1);
      return `Rebuilt: ${place.name} has the reports of ${journal.name} up to position ${position}, after ${seconds} s.`;
    } finally {
      await journal.close();
    }
  });
}

async function status({ into, json }: ReportsFlags): Promise<void> {
  await reporting(async () => {
    const { reportsPlace, reportsStatus } = await import("@bank/node/reports");
    const place = reportsPlace(into);
    const found = await reportsStatus(place);
    return json ? JSON.stringify(statusDocument(found, place.name)) : describeStatus(found, place.name);
  });
}
