import {
  acceptLoss,
  bankStoreUrl,
  describeRecovery,
  forgoCopies,
  healFrom,
  promote,
  resume,
  SNAPSHOT_EVERY_RECORDS,
  startBank,
  textLog,
  WITNESS_TIMEOUT_MS,
} from "@bank/node";
import {
  advertisedUrlFlag,
  EXIT_WRONG_FLAGS,
  flag,
  insecureMessage,
  isLoopback,
  minFreeSpaceFlag,
  parseListenAddress,
  printConfig,
  runServer,
  serverCommand,
  serverUrlFlag,
  wholeNumber,
} from "@bank/node/app";
import { migrate, StoreError } from "@bank/store";
import { type Command, Option } from "commander";
import { describePromotion } from "./describe-promotion.ts";
import { addReportsCommands } from "./reports-commands.ts";
import { addStoreCommands } from "./store-commands.ts";

interface BankFlags {
  readonly listen: string;
  readonly advertise?: string;
  readonly data: string;
  readonly store?: string;
  readonly insecure?: true;
  readonly coldStandby?: true;
  readonly quickUnary?: boolean;
  readonly snapshotEvery: number;
  readonly minFreeSpace: number;
  readonly witnessTimeout: number;
  readonly requireWitness: number;
  readonly raiseFormatLevel?: true;
  readonly printConfig?: true;
}

/** The command line of `bank-server`. */
export function program(): Command {
  const command = serverCommand("bank-server")
    .description("The bank: keeps the ledger and its journal, decides, and serves customers and branches.")
    .addOption(flag("--listen <host:port>", "BANK_LISTEN", "where to listen").default("127.0.0.1:50051"))
    .addOption(
      flag(
        "--advertise <url>",
        "BANK_ADVERTISE",
        "where others reach it, told to those who ask a server that waits for its turn (default: where it listens)",
      ).argParser(advertisedUrlFlag),
    )
    .addOption(flag("--data <dir>", "BANK_DATA", "data folder: journal, anchor, lock").default("data/bank"))
    .addOption(
      flag(
        "--store <url>",
        "BANK_STORE",
        "journal store: sqlite:DIR, postgres://…, redis://… or memory: (default: sqlite in --data)",
      ),
    )
    .addOption(flag("--insecure", "BANK_INSECURE", "allow an address that other machines can reach, without TLS"))
    .addOption(
      flag("--snapshot-every <records>", "BANK_SNAPSHOT_EVERY", "records between two snapshots")
        .default(SNAPSHOT_EVERY_RECORDS)
        .argParser(wholeNumber(1)),
    )
    .addOption(minFreeSpaceFlag("BANK_MIN_FREE_SPACE"))
    .addOption(
      flag("--witness-timeout <ms>", "BANK_WITNESS_TIMEOUT", "how long a start waits for branches to testify")
        .default(WITNESS_TIMEOUT_MS)
        .argParser(wholeNumber(0)),
    )
    .addOption(
      flag("--require-witness <count>", "BANK_REQUIRE_WITNESS", "start only once so many branches testified")
        .default(0)
        .argParser(wholeNumber(0)),
    )
    .addOption(
      flag(
        "--raise-format-level",
        "BANK_RAISE_FORMAT_LEVEL",
        "raise an older journal to the newest format level: all branches know it by now",
      ),
    )
    .addOption(
      flag(
        "--cold-standby",
        "BANK_COLD_STANDBY",
        "keep nothing in memory while another server has the store: a take-over then reads it all",
      ),
    )
    .addOption(
      flag("--no-quick-unary", "BANK_NO_QUICK_UNARY", "serve unary calls by Connect's adapter, at ten times the cost"),
    )
    .option("--print-config", "print every setting and where it comes from, and exit")
    .action((_flags, self: Command) => serveBank(self));
  command
    .command("heal")
    .description("take the records that this bank has lost from a branch; the bank must not be running")
    .addOption(
      new Option("--from <url>", "the branch, such as http://127.0.0.1:50061")
        .makeOptionMandatory()
        .argParser(serverUrlFlag),
    )
    .action((flags: { readonly from: string }) => heal(command.opts<BankFlags>(), flags.from));
  command
    .command("accept-loss")
    .description("give lost records up for ever: export what branches still hold, and begin a new epoch")
    .action(() => giveUp(command.opts<BankFlags>()));
  command
    .command("promote")
    .description("make the journal of a stopped branch the bank's: --data is the branch's data folder")
    .option("--old-bank-is-stopped", "your word that the old bank runs nowhere and never will")
    .option("--accept-loss", "give up what only the old bank has, or copies that do not answer")
    .option("--even-though-behind", "go on although another branch holds more")
    .addOption(
      new Option(
        "--member <url>",
        "where a copy that counts can be reached, besides its address in the journal; repeatable",
      )
        .argParser(serverUrls)
        .default([]),
    )
    .action((flags: PromoteFlags) => promoteBranch(command, flags));
  command
    .command("resume")
    .description("let a bank start again that was stopped by word of a newer one, where there is none")
    .requiredOption("--there-is-no-newer-bank", "your word that no other bank has taken its place")
    .action(() => resumeBank(command.opts<BankFlags>()));
  command
    .command("forgo-copies")
    .description(
      "let a bank go on whose copies that count are lost: none count from then on; the bank must not be running",
    )
    .requiredOption("--accept-risk", "your word that none of them was made a bank, and that they are not waited for")
    .action(() => goWithoutCopies(command.opts<BankFlags>()));
  command
    .command("migrate")
    .description("make the tables of a bank in the PostgreSQL database that --store names, or bring them up to date")
    .action(() => migrateStore(command.opts<BankFlags>()));
  const storeUrl = () => {
    const { store, data } = command.opts<BankFlags>();
    return bankStoreUrl(data, store);
  };
  addStoreCommands(command, storeUrl);
  addReportsCommands(command, storeUrl);
  return command;
}

interface PromoteFlags {
  readonly oldBankIsStopped?: true;
  readonly acceptLoss?: true;
  readonly evenThoughBehind?: true;
  readonly member: readonly string[];
}

function serverUrls(text: string, before: readonly string[]): readonly string[] {
  return [...before, serverUrlFlag(text)];
}

async function serveBank(command: Command): Promise<void> {
  const flags = command.opts<BankFlags>();
  const address = parseListenAddress(flags.listen);
  const exitCode = EXIT_WRONG_FLAGS;
  if (address === undefined) return command.error(`error: --listen ${flags.listen} is not HOST:PORT`, { exitCode });
  if (!isLoopback(address.host) && flags.insecure !== true)
    return command.error(`error: ${insecureMessage(address.host)}`, { exitCode });
  if (flags.printConfig) {
    printConfig(command, {
      advertise: `http://${flags.listen}`,
      store: `sqlite:${flags.data}`,
      insecure: "false",
      raiseFormatLevel: "false",
      coldStandby: "false",
      quickUnary: "true",
    });
    return;
  }
  await runServer(async (onFatal, signal) => {
    const bank = await startBank({
      ...address,
      advertise: flags.advertise,
      ...storeOf(flags),
      dataDir: flags.data,
      snapshotEveryRecords: flags.snapshotEvery,
      minFreeBytes: flags.minFreeSpace,
      witnessTimeoutMs: flags.witnessTimeout,
      requireWitnesses: flags.requireWitness,
      raiseFormatLevel: flags.raiseFormatLevel === true,
      standby: flags.coldStandby === true ? "cold" : "warm",
      quickUnary: flags.quickUnary ?? true,
      onFatal,
      signal,
    });
    textLog.info(describeRecovery(bank.recovered, bank.bankId));
    process.stdout.write(`bank-server listening on ${bank.url}\n`);
    return bank;
  });
}

async function heal(flags: BankFlags, from: string): Promise<void> {
  await operate(async () => {
    const healed = await healFrom(from, { dataDir: flags.data, ...storeOf(flags), log: textLog });
    return healed.to === healed.from
      ? `Nothing to heal: ${from} has nothing behind position ${healed.from}.`
      : `Healed: positions ${healed.from + 1} to ${healed.to} were taken from ${from}. Start the bank as usual.`;
  });
}

async function giveUp(flags: BankFlags): Promise<void> {
  await operate(async () => {
    const { position, exportedRecords, exportFile } = await acceptLoss({
      dataDir: flags.data,
      ...storeOf(flags),
      log: textLog,
      witnessTimeoutMs: flags.witnessTimeout,
    });
    const kept =
      exportFile === undefined
        ? "No branch could be reached that holds any of them."
        : `${exportedRecords} of them were written to ${exportFile}.`;
    return `Given up: everything behind position ${position}. ${kept} A new epoch begins there. Start the bank as usual.`;
  });
}

async function promoteBranch(command: Command, flags: PromoteFlags): Promise<void> {
  // The folder that would be meant is the bank's own.
  if (command.getOptionValueSource("data") === "default")
    return command.error("error: say with --data which branch's data folder", { exitCode: EXIT_WRONG_FLAGS });
  const { data: dataDir } = command.opts<BankFlags>();
  await operate(async () => {
    const promoted = await promote({
      dataDir,
      ...storeOf(command.opts<BankFlags>()),
      memberUrls: flags.member,
      oldBankIsStopped: flags.oldBankIsStopped === true,
      acceptLoss: flags.acceptLoss === true,
      evenThoughBehind: flags.evenThoughBehind === true,
      log: textLog,
    });
    return describePromotion(promoted, dataDir);
  });
}

async function resumeBank(flags: BankFlags): Promise<void> {
  await operate(async () => {
    const { position, epoch } = await resume({ dataDir: flags.data, ...storeOf(flags), log: textLog });
    return `Epoch ${epoch} begins behind position ${position}. Start the bank as usual.`;
  });
}

async function goWithoutCopies(flags: BankFlags): Promise<void> {
  await operate(async () => {
    const { position, epoch, before } = await forgoCopies({ dataDir: flags.data, ...storeOf(flags), log: textLog });
    return [
      `A write had to be on the disks of ${before.copies} of the branches ${before.branches.join(", ")}. None count any more: ` +
        `epoch ${epoch} begins behind position ${position}.`,
      "Everything on the bank's own disk is committed now, also what nobody was told of. What is written from now on is " +
        "lost with that disk.",
      "Start the bank as usual, and say soon which copies count: bank durability set.",
    ].join("\n");
  });
}

async function migrateStore({ store }: BankFlags): Promise<void> {
  await operate(async () => {
    if (store === undefined) throw new StoreError("say with --store which database: postgres://USER@HOST/DATABASE");
    const { from, to, place } = await migrate(store);
    return from === to ? `${place} has layout ${to} already.` : `${place} was brought from layout ${from} to ${to}.`;
  });
}

async function operate(action: () => Promise<string>): Promise<void> {
  try {
    process.stdout.write(`${await action()}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

function storeOf({ store }: Pick<BankFlags, "store">): { store?: string } {
  return store === undefined ? {} : { store };
}
